"""Queries over sparse and hybrid indexes: every form of asking, and what each must find."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from clew import QueryResult
from opening import KINDS
from sparse_reference import Pairs
from sparse_worlds import SparseWorld, some_pairs, some_vector

# What is asked of a world, by the type of its index.
FORMS = {
    "SPARSE": ["plain", "idf"],
    "HYBRID": ["dense half", "sparse half", "rrf", "dbsf", "rrf window", "dbsf window", "weighted"],
}
SETTINGS: dict[str, dict[str, Any]] = {
    "idf": {"weighting_strategy": "IDF"},
    "rrf": {"fusion_algorithm": "RRF"},
    "dbsf": {"fusion_algorithm": "DBSF", "weighting_strategy": "IDF"},
    "rrf window": {"fusion_window": 37},
    "dbsf window": {"fusion_window": 50, "fusion_algorithm": "DBSF"},
    "weighted": {"dense_weight": 0.2, "fusion_window": 20},
}
# Every form in memory; on the way through a disk or a server, those that differ in what is carried or kept.
ELSEWHERE = {"idf", "sparse half", "rrf", "dbsf window"}
CASES = [
    (kind, type, form)
    for kind in KINDS
    for type, forms in FORMS.items()
    for form in forms
    if kind == "memory" or form in ELSEWHERE
]


def is_stable(type: str, form: str) -> bool:
    """Whether there is one ranking, whatever the batches."""
    return type == "SPARSE" or "half" in form or "fusion_window" in SETTINGS[form]


def over(fixture: str, admits: Callable[[str, str], bool]) -> pytest.MarkDecorator:
    """Runs a test over those cases of a fixture of which it says something."""
    cases = [(kind, type, form) for kind, type, form in CASES if admits(type, form)]
    return pytest.mark.parametrize(fixture, cases, indirect=True, ids="-".join)


class Asking:
    """A world, and one form of query over it."""

    def __init__(self, world: SparseWorld, form: str) -> None:
        self.world = world
        self.index = world.index
        self.form = form

    def some(self, rng: random.Random) -> dict[str, Any]:
        """The arguments of a query. Every sparse one has an index that many records have."""
        pairs = [*some_pairs(rng), (1, 1.0)]
        asked = dict(SETTINGS.get(self.form, {}))
        if self.world.type == "HYBRID" and self.form != "sparse half":
            asked["vector"] = some_vector(rng)
        if self.form != "dense half":
            asked["sparse_vector"] = ([i for i, _ in pairs], [v for _, v in pairs])
        return asked

    def found(self, asked: dict[str, Any], ids: set[str] | None = None) -> set[str]:
        """The ids that a query must return in the end."""
        if "vector" in asked:
            return set(self.world.records) if ids is None else ids
        return {name for name, _ in self.world.sparse_ranking(pairs_of(asked), False, ids)}

    @property
    def stable(self) -> bool:
        """See `is_stable`."""
        return is_stable(self.world.type, self.form)


def pairs_of(asked: dict[str, Any]) -> Pairs:
    return list(zip(*asked["sparse_vector"], strict=True))


def ids(hits: list[QueryResult]) -> list[str]:
    return [hit.id for hit in hits]
