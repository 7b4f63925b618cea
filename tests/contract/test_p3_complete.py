"""P3: fetching until [] returns every vector that matches, exactly once."""

from __future__ import annotations

import random

import numpy as np
import pytest

from clew import Index
from worlds import World, flat, read, some_query


@pytest.mark.parametrize("largest", [60, 1000])
def test_reading_to_the_end_returns_every_id_once(world: World, rng: random.Random, largest: int) -> None:
    query = world.index.resumable_query(some_query(world, rng), top_k=rng.randint(1, 10))
    ids = [hit.id for hit in flat(read(query, rng, largest))]
    assert len(ids) == len(world.vectors)
    assert set(ids) == set(world.vectors)


@pytest.mark.parametrize("share", [900, 500, 100, 10, 1, 0])
def test_reading_to_the_end_returns_every_match_of_a_filter_once(
    world: World, rng: random.Random, share: int
) -> None:
    query = world.index.resumable_query(some_query(world, rng), top_k=3, filter=f"part < {share}")
    ids = [hit.id for hit in flat(read(query, rng, 200))]
    assert sorted(ids) == sorted(world.matching(share))


def test_every_one_of_many_exact_copies_is_returned(index: Index, rng: random.Random) -> None:
    copies = np.tile(np.array([[0.3, -0.2, 0.9]], dtype=np.float32), (3000, 1))
    index.upsert_arrays([f"copy{i}" for i in range(3000)], copies)
    index.upsert([("other", [1.0, 0.0, 0.0])])
    batches = read(index.resumable_query([0.3, -0.2, 0.9], top_k=7), rng, 400)
    assert [hit.id for hit in flat(batches)] == [*[f"copy{i}" for i in range(3000)], "other"]


def test_paging_through_exact_ties_returns_every_id_once(index: Index) -> None:
    index.upsert([(str(i), [i % 3, 1.0]) for i in range(100)])
    query = index.resumable_query(vector=[0.0, 1.0], top_k=7)
    ids = [hit.id for hit in query.start()]
    while batch := query.fetch_next(7):
        ids += [hit.id for hit in batch]
    assert sorted(ids, key=int) == [str(i) for i in range(100)]
    assert query.stop() == "Success"


def test_islands_that_no_edge_leads_to_are_returned(index: Index, rng: random.Random) -> None:
    generator = np.random.default_rng(3)
    rows = generator.standard_normal((3000, 8)).astype(np.float32)
    rows[:40] *= 1e4  # far out, one by one
    index.upsert_arrays([str(i) for i in range(3000)], rows)
    near = rows[1000]
    assert index.delete(range(1000, 2500)).deleted == 1500
    ids = {hit.id for hit in flat(read(index.resumable_query(near, top_k=5), rng, 300))}
    assert ids == {str(i) for i in range(3000) if not 1000 <= i < 2500}


def test_an_exhausted_query_gives_nothing_ever_after(world: World, rng: random.Random) -> None:
    with world.index.resumable_query(some_query(world, rng), top_k=1000) as query:
        hits = query.start()
        while len(hits) < len(world.vectors):
            hits += query.fetch_next(1000)
        assert query.fetch_next(1) == []
        assert query.fetch_next(1000) == []
        assert list(query) == []


def test_an_empty_namespace_and_a_missing_one_are_empty_valid_queries(index: Index) -> None:
    index.upsert([("a", [1.0, 2.0])], namespace="emptied")
    index.delete("a", namespace="emptied")
    for namespace in ("", "missing", "emptied"):
        query = index.resumable_query([1.0, 2.0], namespace=namespace)
        assert query.start() == []
        assert query.fetch_next(5) == []
        assert query.stop() == "Success"
    assert index.list_namespaces() == ["", "emptied"]


async def test_an_async_query_reads_to_the_end_too(async_index, rng: random.Random) -> None:
    rows = np.random.default_rng(5).standard_normal((2500, 6))
    await async_index.upsert_arrays(range(2500), rows)
    async with await async_index.resumable_query(rows[0], top_k=3) as query:
        ids = [hit.id for hit in await query.async_start()]
        ids += [hit.id for hit in await query.async_fetch_next(100)]
        ids += [hit.id async for hit in query]
    assert ids[0] == "0"
    assert sorted(ids, key=int) == [str(i) for i in range(2500)]
