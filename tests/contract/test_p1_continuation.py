"""P1: batches are consecutive slices of one ranking."""

from __future__ import annotations

import random

import pytest

from worlds import World, flat, read, some_query


def ids(batches: list) -> list[str]:
    return [hit.id for hit in flat(batches)]


def in_one_go(world: World, vector: object, n: int) -> list[str]:
    with world.index.resumable_query(vector, top_k=n) as query:
        return [hit.id for hit in query.start()]


def test_asking_for_three_then_seven_gives_what_asking_for_ten_gives(
    world: World, rng: random.Random
) -> None:
    for _ in range(5):
        vector = some_query(world, rng)
        with world.index.resumable_query(vector, top_k=3) as query:
            parts = [hit.id for hit in query.start() + query.fetch_next(7)]
        whole = in_one_go(world, vector, 10)
        if world.exact:
            assert parts == whole
        else:
            assert len(set(parts) & set(whole)) >= 9


def test_pages_of_any_size_make_up_the_same_ranking(world: World, rng: random.Random) -> None:
    for largest in (1, 7, 40):
        vector = some_query(world, rng)
        paged = ids(read(world.index.resumable_query(vector, top_k=1), rng, largest, limit=200))
        whole = in_one_go(world, vector, 200)
        if world.exact:
            assert paged == whole
        else:
            assert len(set(paged) & set(whole)) >= 196


def test_a_query_is_the_first_batch_of_a_resumable_one(world: World, rng: random.Random) -> None:
    for _ in range(5):
        vector = some_query(world, rng)
        once = [hit.id for hit in world.index.query(vector, top_k=20)]
        if world.exact:
            assert once == in_one_go(world, vector, 20)
        else:
            assert len(set(once) & set(in_one_go(world, vector, 20))) >= 19


@pytest.mark.parametrize("filter", ["part < 500", "part < 5", "kind = 'odd'"])
def test_a_filtered_query_continues_too(world: World, rng: random.Random, filter: str) -> None:
    vector = some_query(world, rng)
    paged = ids(read(world.index.resumable_query(vector, top_k=2, filter=filter), rng, 11, limit=60))
    with world.index.resumable_query(vector, top_k=60, filter=filter) as query:
        whole = [hit.id for hit in query.start()]
    if world.exact:
        assert paged == whole
    else:
        assert len(set(paged) & set(whole)) >= 0.95 * len(whole)


def test_flags_and_filter_of_the_start_hold_for_every_batch(world: World, rng: random.Random) -> None:
    vector = some_query(world, rng)
    query = world.index.resumable_query(vector, top_k=2, include_metadata=True, filter="kind = 'even'")
    for hit in flat(read(query, rng, 9, limit=50)):
        assert hit.metadata == world.metadata[hit.id]
        assert hit.metadata["kind"] == "even"
        assert "vector" not in hit
