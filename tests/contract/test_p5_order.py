"""P5: nearest first, ties in insertion order, late finds rare."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np

from worlds import World, flat, read, some_query


def test_scores_never_increase_within_a_batch(world: World, rng: random.Random) -> None:
    for _ in range(3):
        query = world.index.resumable_query(some_query(world, rng), top_k=8)
        for batch in read(query, rng, 60, limit=1000):
            assert all(a.score >= b.score for a, b in pairwise(batch))


def test_scores_never_increase_across_batches_of_an_exact_query(world: World, rng: random.Random) -> None:
    filter = "" if world.exact else "part < 20"
    query = world.index.resumable_query(some_query(world, rng), top_k=3, filter=filter)
    hits = flat(read(query, rng, 20))
    assert all(a.score >= b.score for a, b in pairwise(hits))


def test_late_finds_are_at_most_ten_in_a_thousand(world: World, rng: random.Random) -> None:
    late = total = 0
    for _ in range(8):
        lowest = float("inf")
        for batch in read(world.index.resumable_query(some_query(world, rng), top_k=10), rng, 20, limit=500):
            late += sum(hit.score > lowest for hit in batch)
            total += len(batch)
            lowest = min(lowest, batch[-1].score)
    assert late * 100 <= total


def rounding(world: World, vector: np.ndarray) -> float:
    """What float32 may lose: of a dot product, in proportion to the lengths of its sides."""
    if world.metric != "DOT_PRODUCT":
        return 2e-6
    longest = max(float(np.linalg.norm(row)) for row in world.vectors.values())
    return 1e-6 * (1 + longest * float(np.linalg.norm(vector)))


def test_scores_are_those_of_the_metric(world: World, rng: random.Random) -> None:
    vector = some_query(world, rng)
    hits = flat(read(world.index.resumable_query(vector, top_k=10), rng, 100, limit=400))
    expected = world.scores(vector, [hit.id for hit in hits])
    assert np.allclose([hit.score for hit in hits], expected, rtol=2e-6, atol=rounding(world, vector))


def test_an_exact_query_ranks_as_float64_does(world: World, rng: random.Random) -> None:
    filter, ids = ("", list(world.vectors)) if world.exact else ("part < 15", sorted(world.matching(15)))
    vector = some_query(world, rng)
    hits = flat(read(world.index.resumable_query(vector, top_k=5, filter=filter), rng, 30))
    best = np.sort(world.scores(vector, ids))[::-1]
    assert np.allclose([hit.score for hit in hits], best, rtol=2e-6, atol=rounding(world, vector))


def test_exact_copies_come_in_insertion_order(world: World, rng: random.Random) -> None:
    hits = flat(read(world.index.resumable_query(some_query(world, rng), top_k=50), rng, 700))
    last: dict[bytes, int] = {}
    for hit in hits:
        place = world.written_once.get(hit.id)
        if place is not None:
            row = world.vectors[hit.id].tobytes()
            assert last.get(row, -1) < place
            last[row] = place
