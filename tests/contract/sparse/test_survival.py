"""P8 and P10 over sparse and hybrid indexes: a query outlives its cache and its process."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from opening import open_index
from sparse_asking import FORMS, Asking, ids
from sparse_worlds import fresh, make_sparse_world


@pytest.mark.parametrize(("type", "form"), [(t, f) for t, forms in FORMS.items() for f in forms])
def test_p8_a_query_whose_cache_was_dropped_goes_on(type: str, form: str, rng: random.Random) -> None:
    world = make_sparse_world(None, type, 200, stream_bytes_max=0)
    own = Asking(world, form)
    queries = []
    for _ in range(4):
        asked = own.some(rng)
        query = own.index.resumable_query(**asked, top_k=4)
        queries.append((query, own.found(asked), query.start()))
    world.delete(rng.sample(sorted(world.records), 30))
    while any(len(hits) < len(wanted) for _, wanted, hits in queries):
        for query, _, hits in queries:
            hits += query.fetch_next(rng.randint(1, 40))
    for query, wanted, hits in queries:
        assert query.fetch_next(1) == []
        assert sorted(ids(hits)) == sorted(wanted)
        if own.stable:
            assert all(a.score >= b.score for a, b in pairwise(hits))
    world.index.close()


@pytest.mark.parametrize(("type", "form"), [(t, f) for t, forms in FORMS.items() for f in forms])
def test_p10_a_query_goes_on_after_a_restart(
    type: str, form: str, tmp_path: Path, rng: random.Random
) -> None:
    world = make_sparse_world(tmp_path, type, 200)
    own = Asking(world, form)
    asked, expected = own.some(rng), None
    if own.stable:
        with own.index.resumable_query(**asked, top_k=1000) as whole:
            expected = [(hit.id, hit.score) for hit in whole.start()]
    wanted = own.found(asked)
    query = own.index.resumable_query(**asked, top_k=5)
    hits = query.start() + query.fetch_next(6)
    world.delete(rng.sample(sorted(world.records), 40))
    world.upsert(fresh(rng, [*rng.sample(sorted(world.records), 20), "new"]))
    world.index.close()
    with open_index(tmp_path) as again:
        query._call = again._call  # the same uuid, asked of the index that was opened anew
        hits += query.fetch_next(7)
        again.delete(rng.sample(sorted(world.records), 40))
        hits += list(query)
        query.stop()
    assert len(hits) == len(wanted)
    assert set(ids(hits)) == wanted
    if expected is not None:
        assert [(hit.id, hit.score) for hit in hits] == expected
