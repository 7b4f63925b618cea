"""P4, P9 and P12 over sparse and hybrid indexes: what a query sees while others write."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from clew import QueryNotActive
from sparse_asking import Asking, ids, over, pairs_of
from sparse_worlds import fresh

EVERYTHING = {"include_vectors": True, "include_metadata": True}


def test_p4_later_writes_change_neither_ids_nor_records(own: Asking, rng: random.Random) -> None:
    asked, world = own.some(rng), own.world
    before = {name: (kept.sparse, kept.metadata) for name, kept in world.records.items()}
    expected = own.found(asked)
    query = own.index.resumable_query(**asked, top_k=5, **EVERYTHING)
    hits = query.start()
    for turn in range(3):
        world.delete(rng.sample(sorted(world.records), 30))
        world.upsert(fresh(rng, [*rng.sample(sorted(world.records), 20), f"new{turn}"]))
        world.update(rng.choice(sorted(world.records)), {"part": 0})
        hits += query.fetch_next(20)
    hits += list(query)
    query.stop()
    assert sorted(ids(hits)) == sorted(expected)
    for hit in hits:
        sparse, metadata = before[hit.id]
        assert (hit.sparse_vector.indices, hit.metadata) == ([i for i, _ in sparse], metadata)
        assert np.array_equal(np.float32(hit.sparse_vector.values), np.float32([v for _, v in sparse]))
        assert ("vector" in hit) == (world.type == "HYBRID")


@over("own", lambda type, form: form == "idf")
def test_p4_weights_are_those_of_the_start(own: Asking, rng: random.Random) -> None:
    asked, world = own.some(rng), own.world
    ranking = world.sparse_ranking(pairs_of(asked), True)
    query = own.index.resumable_query(**asked, top_k=1)
    hits = query.start()
    world.upsert(fresh(rng, [f"more{i}" for i in range(300)]))
    world.delete(rng.sample(sorted(world.records), 100))
    hits += list(query)
    query.stop()
    assert [(hit.id, np.float32(hit.score)) for hit in hits] == [(n, np.float32(s)) for n, s in ranking]


def test_p9_reset_and_stop_end_a_query_and_say_so(own: Asking, rng: random.Random) -> None:
    stopped, dropped = (own.index.resumable_query(**own.some(rng), top_k=1) for _ in range(2))
    stopped.start()
    dropped.start()
    stopped.stop()
    with pytest.raises(QueryNotActive, match="stopped"):
        stopped.fetch_next(1)
    own.index.reset()
    with pytest.raises(QueryNotActive, match=r"(?i)reset"):
        dropped.fetch_next(1)
    assert own.index.query(**own.some(rng)) == []


def test_p12_a_batch_of_writes_is_seen_whole_or_not_at_all(own: Asking, rng: random.Random) -> None:
    world, asked = own.world, own.some(rng)
    world.index.reset()
    names = [str(i) for i in range(40)]
    forms = {name: (pairs, vector) for name, (pairs, vector, _) in fresh(rng, names).items()}

    def write(turn: int) -> None:
        own.index.upsert([world.form(n, [*p, (1, 1.0)], v, {"turn": turn}) for n, (p, v) in forms.items()])

    write(0)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write(turn) for turn in range(1, 13)])
        while not writing.done():
            filter = rng.choice(["", "turn >= 0"])
            hits = own.index.query(
                **asked, top_k=100, filter=filter, include_metadata=True, include_vectors=True
            )
            assert len(hits) == 40
            assert len({hit.metadata["turn"] for hit in hits}) == 1
        writing.result()
