"""How tests open an index of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clew import Index

KINDS = ["memory", "directory"]


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def open_index(where: Path | None, clock: FakeClock | None = None, **settings: Any) -> Index:
    """An index in `where`, or in memory; one that runs on `clock` is made by hand."""
    if clock is None:
        return Index(where, **settings)
    from clew.backends.embedded import EmbeddedBackend
    from clew.engine.engine import Engine

    return Index.over(EmbeddedBackend(Engine.open(where, clock=clock, **settings)))
