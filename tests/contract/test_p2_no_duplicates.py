"""P2: no id is returned twice by one query."""

from __future__ import annotations

import random

import numpy as np
import pytest

from clew import Index
from worlds import World, flat, read, some_query


@pytest.mark.parametrize("largest", [1, 13, 500])
def test_no_id_is_returned_twice(world: World, rng: random.Random, largest: int) -> None:
    limit = 300 if largest == 1 else None
    query = world.index.resumable_query(some_query(world, rng), top_k=rng.randint(1, 10))
    ids = [hit.id for hit in flat(read(query, rng, largest, limit))]
    assert len(ids) == len(set(ids))


def test_an_id_that_was_replaced_many_times_is_returned_once(index: Index) -> None:
    rows = np.random.default_rng(1).standard_normal((50, 4))
    for _ in range(5):
        index.upsert([(str(i), row) for i, row in enumerate(rows)])
        index.upsert([("again", rows[0]), ("again", rows[1])])
    query = index.resumable_query(rows[0], top_k=4)
    ids = [hit.id for hit in query]
    query.stop()
    assert sorted(ids) == sorted([*map(str, range(50)), "again"])


def test_results_read_by_iteration_and_by_batches_are_each_returned_once(
    world: World, rng: random.Random
) -> None:
    with world.index.resumable_query(some_query(world, rng), top_k=5) as query:
        ids = [hit.id for hit in query.start()]
        for turn in range(4):
            for place, hit in enumerate(query):
                ids.append(hit.id)
                if place == 10 + turn:
                    break
            ids += [hit.id for hit in query.fetch_next(30)]
    assert len(ids) == len(set(ids))
    assert len(ids) == min(len(world.vectors), 5 + 4 * 30 + 11 + 12 + 13 + 14)
