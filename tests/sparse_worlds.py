"""Sparse and hybrid namespaces with a history, and what must be in them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew import Index, SparseVector
from opening import FakeClock, open_index
from sparse_reference import Pairs, score, weights

DIMENSION = 8
VOCABULARY = 60


@dataclass
class Kept:
    """A record as it must be."""

    sparse: Pairs
    dense: NDArray[np.float32]
    metadata: dict[str, Any]
    place: int  # among the slots of its namespace, by which ties are ordered


@dataclass
class SparseWorld:
    """An index of type SPARSE or HYBRID, and its records by id."""

    index: Index
    type: str
    records: dict[str, Kept] = field(default_factory=dict)
    _written: int = 0

    def upsert(self, records: dict[str, tuple[Pairs, NDArray[np.float32], dict[str, Any]]]) -> None:
        self.index.upsert([self.form(name, *record) for name, record in records.items()])
        for name, record in records.items():
            self.records[name] = Kept(*record, self._written)
            self._written += 1

    def form(self, name: str, sparse: Pairs, dense: NDArray[np.float32], metadata: dict[str, Any]) -> Any:
        """A record as users write it."""
        vector = SparseVector([i for i, _ in sparse], [v for _, v in sparse])
        return (name, vector, metadata) if self.type == "SPARSE" else (name, dense, vector, metadata)

    def delete(self, ids: list[str]) -> None:
        assert self.index.delete(ids).deleted == len(ids)
        for name in ids:
            del self.records[name]

    def update(self, name: str, metadata: dict[str, Any]) -> None:
        assert self.index.update(name, metadata=metadata)
        self.records[name].metadata = metadata
        self.records[name].place = self._written
        self._written += 1

    def matching(self, share: int) -> set[str]:
        """Ids of the records that `part < share` admits: about `share` of a hundred."""
        return {name for name, kept in self.records.items() if kept.metadata["part"] < share}

    def sparse_ranking(self, query: Pairs, idf: bool, ids: set[str] | None = None) -> list[tuple[str, float]]:
        """What a sparse query answers: every match, best first, ties by slot."""
        documents = [kept.sparse for kept in self.records.values()]
        weighted = weights(query, documents if idf else None)
        found = [
            (name, float(value), kept.place)
            for name, kept in self.records.items()
            if (ids is None or name in ids) and (value := score(weighted, kept.sparse)) is not None
        ]
        return [(name, value) for name, value, _ in sorted(found, key=lambda one: (-one[1], one[2]))]


def some_pairs(rng: random.Random, most: int = 8) -> Pairs:
    """Indices in any order, now and then one twice; few distinct values, so that there are ties."""
    indices = [min(int(rng.paretovariate(0.8)), VOCABULARY) for _ in range(rng.randint(1, most))]
    return [(index, rng.choice([0.25, 0.5, 1.0, 0.1, -0.5])) for index in indices]


def some_vector(rng: random.Random) -> NDArray[np.float32]:
    if rng.random() < 0.2:
        return np.array([rng.choice([0.0, 1.0]) for _ in range(DIMENSION)], dtype=np.float32)
    return np.array([rng.gauss(0, 1) for _ in range(DIMENSION)], dtype=np.float32)


def fresh(rng: random.Random, ids: list[str]) -> dict[str, tuple[Pairs, NDArray[np.float32], dict[str, Any]]]:
    return {name: (some_pairs(rng), some_vector(rng), {"part": rng.randrange(100)}) for name in ids}


def make_sparse_world(
    where: Path | None, type: str, n: int = 300, *, remote: bool = False, **engine: Any
) -> SparseWorld:
    """A world after replacing a tenth of its records, updating some and deleting an eighth.

    engine: options of `Engine.open` beyond those of `Index`.
    """
    rng = random.Random(type)
    clock = FakeClock() if engine else None
    world = SparseWorld(open_index(where, clock, remote=remote, type=type, **engine), type)
    ids = [f"v{i}" for i in range(n)]
    world.upsert(fresh(rng, ids))
    world.upsert(fresh(rng, rng.sample(ids, n // 10)))
    for name in rng.sample(ids, 20):
        world.update(name, {"part": rng.randrange(100), "late": True})
    world.delete(rng.sample(ids, n // 8))
    return world
