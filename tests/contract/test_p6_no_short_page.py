"""P6: a batch is shorter than asked only when the query is exhausted."""

from __future__ import annotations

import random

import pytest

from worlds import World, some_query


@pytest.mark.parametrize(
    "filter", ["", "part < 950", "part < 300", "part < 60", "part < 10", "kind = 'late'"]
)
def test_only_the_last_batch_is_short(world: World, rng: random.Random, filter: str) -> None:
    share = int(filter.split()[-1]) if "<" in filter else None
    if share is not None:
        left = len(world.matching(share))
    else:
        left = (
            sum(kept["kind"] == "late" for kept in world.metadata.values()) if filter else len(world.vectors)
        )
    wanted = rng.randint(1, 12)
    query = world.index.resumable_query(some_query(world, rng), top_k=wanted, filter=filter)
    batch = query.start()
    while True:
        assert len(batch) == min(wanted, left)
        left -= len(batch)
        if not batch:
            break
        wanted = rng.randint(1, 250)
        batch = query.fetch_next(wanted)
    query.stop()
    assert left == 0


@pytest.mark.parametrize("share", [500, 50, 5])
def test_a_filtered_query_is_never_short(world: World, rng: random.Random, share: int) -> None:
    matches = len(world.matching(share))
    for top_k in (1, 10, 100, 1000):
        hits = world.index.query(some_query(world, rng), top_k=top_k, filter=f"part < {share}")
        assert len(hits) == min(top_k, matches)
