"""Namespaces with a history, and what must be in them.

A world holds everything that makes neighbours hard: exact copies, ties that are no copies, zero
vectors, outliers that no graph leads to, records that were replaced, updated and deleted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew import Index, QueryResult, ResumableQuery
from opening import open_index

DIMENSION = 16
# A namespace below 2,048 vectors is scanned; one of this size has a graph.
SIZES = {"exact": 300, "graph": 2_400}


@dataclass
class World:
    """An index, and its records by id."""

    index: Index
    metric: str
    size: str
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Ids in the order of their first upsert, of those that were written once: their ties have an order.
    written_once: dict[str, int] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        return self.size == "exact"

    def matching(self, share: int) -> set[str]:
        """Ids of the records that `part < share` admits: about `share` of a thousand."""
        return {name for name, kept in self.metadata.items() if kept["part"] < share}

    def scores(self, query: NDArray[np.float32], ids: list[str]) -> NDArray[np.float64]:
        rows = np.stack([self.vectors[name] for name in ids]).astype(np.float64)
        return score(rows, query.astype(np.float64), self.metric)


def score(rows: NDArray[np.float64], query: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """What users see, in float64."""
    if metric == "EUCLIDEAN":
        return np.asarray(1 / (1 + ((rows - query) ** 2).sum(1)))
    dot = rows @ query
    if metric == "DOT_PRODUCT":
        return np.asarray((1 + dot) / 2)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    return (1 + np.divide(dot, lengths, out=np.zeros_like(dot), where=lengths > 0)) / 2


def crowd(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Clusters, a tenth of exact copies, ties on a lattice, zero vectors and outliers."""
    centres = rng.standard_normal((max(4, n // 150), DIMENSION))
    rows = centres[rng.integers(0, len(centres), n)] + 0.3 * rng.standard_normal((n, DIMENSION))
    lattice = rng.choice(n, n // 10, replace=False)
    rows[lattice] = rng.integers(-1, 2, (len(lattice), DIMENSION))
    copies = rng.choice(n, n // 10, replace=False)
    rows[copies] = rows[rng.integers(0, n // 20, len(copies))]
    rows[rng.choice(n, 5, replace=False)] = 0
    rows[rng.choice(n, 5, replace=False)] *= 100
    return rows.astype(np.float32)


def make_world(where: Path | None, size: str, metric: str, seed: int = 7, *, remote: bool = False) -> World:
    """A world of `size` after replacing a tenth of its records, updating some and deleting an eighth."""
    rng = np.random.default_rng(seed)
    n = SIZES[size]
    world = World(open_index(where, remote=remote, similarity_function=metric), metric, size)
    rows = crowd(n, rng)
    ids = [f"v{i}" for i in range(n)]
    metadata = [
        {"part": int(part), "kind": "even" if i % 2 == 0 else "odd"}
        for i, part in enumerate(rng.permutation(n) * 1000 // n)
    ]
    world.index.upsert_arrays(ids, rows, metadata=metadata)
    world.vectors = dict(zip(ids, rows, strict=True))
    world.metadata = dict(zip(ids, metadata, strict=True))
    again = [ids[i] for i in rng.choice(n, n // 10, replace=False)]
    moved = crowd(len(again), rng)
    world.index.upsert_arrays(again, moved, metadata=[world.metadata[name] for name in again])
    world.vectors.update(zip(again, moved, strict=True))
    changed = [ids[i] for i in rng.choice(n, 20, replace=False)]
    for name in changed:
        world.index.update(name, metadata={"part": 5000, "kind": "late"})
        world.metadata[name] = {"part": 5000, "kind": "late"}
    gone = [ids[i] for i in rng.choice(n, n // 8, replace=False)]
    assert world.index.delete(gone).deleted == len(gone)
    for name in gone:
        del world.vectors[name], world.metadata[name]
    world.written_once = {
        name: i for i, name in enumerate(ids) if name in world.vectors and name not in {*again, *changed}
    }
    return world


def some_query(world: World, rng: random.Random) -> NDArray[np.float32]:
    """Near a record, on one, far from all, or zero."""
    near = world.vectors[rng.choice(list(world.vectors))]
    noise = np.array([rng.gauss(0, 1) for _ in range(DIMENSION)], dtype=np.float32)
    return rng.choice(
        [near, near + 0.2 * noise, near + 0.2 * noise, 3 * noise, np.zeros(DIMENSION, np.float32)]
    )


def read(
    query: ResumableQuery, rng: random.Random, largest: int, limit: int | None = None
) -> list[list[QueryResult]]:
    """Batches of random sizes, until [] or `limit` results; the query is stopped."""
    batches = [query.start()]
    taken = len(batches[0])
    while limit is None or taken < limit:
        wanted = rng.randint(1, largest)
        batch = query.fetch_next(wanted if limit is None else min(wanted, limit - taken))
        if not batch:
            break
        batches.append(batch)
        taken += len(batch)
    query.stop()
    return batches


def flat(batches: list[list[QueryResult]]) -> list[QueryResult]:
    return [hit for batch in batches for hit in batch]
