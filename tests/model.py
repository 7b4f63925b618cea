"""What an index must be: a dict per id, and brute force in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds import score


@dataclass(frozen=True)
class Kept:
    """A record as it is kept."""

    vector: tuple[float, ...]
    metadata: dict[str, Any] | None
    data: str | None


def patched(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = patched(merged.get(name), value)
    return merged


# Filters, each beside what it means. A null is present, and neither equal nor unequal to anything.
FILTERS: dict[str, Any] = {
    "": lambda m: True,
    "n >= 2": lambda m: _number(m.get("n")) and m["n"] >= 2,
    "n = 1 OR tag = 'a'": lambda m: m.get("n") == 1 or m.get("tag") == "a",
    "tag != 'a' AND HAS FIELD n": lambda m: m.get("tag") not in (None, "a") and "n" in m,
    "HAS NOT FIELD in.x": lambda m: "x" not in (m.get("in") or {}),
    "in.x IN (0, 1)": lambda m: (m.get("in") or {}).get("x") in (0, 1),
}


def _number(value: Any) -> bool:
    return isinstance(value, int)


class Model:
    """One namespace."""

    def __init__(self) -> None:
        self.records: dict[str, Kept] = {}

    def copy(self) -> Model:
        other = Model()
        other.records = dict(self.records)
        return other

    def matching(self, filter: str) -> dict[str, Kept]:
        admits = FILTERS[filter]
        return {name: kept for name, kept in self.records.items() if admits(kept.metadata or {})}

    def scores(self, query: NDArray[np.float32], ids: list[str], metric: str) -> NDArray[np.float64]:
        if not ids:
            return np.zeros(0)
        rows = np.array([self.records[name].vector for name in ids], dtype=np.float64)
        return score(rows, query.astype(np.float64), metric)
