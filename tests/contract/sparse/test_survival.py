"""P8 and P10 over sparse and hybrid indexes: a query outlives its cache and its process."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clew.commands import FetchNext
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


@pytest.mark.parametrize("window", [None, 100])
@pytest.mark.parametrize("sparse", [None, ([9], [1.0])])
def test_p10_what_differs_in_distance_and_not_in_score_keeps_its_order(
    tmp_path: Path, sparse: Any, window: int | None
) -> None:
    index = open_index(tmp_path, type="HYBRID", similarity_function="EUCLIDEAN")
    index.upsert([(name, [1e-5 * (6 - i), 0.0], ([1], [1.0])) for i, name in enumerate("abcdef")])
    index.upsert([("z", [5.0, 0.0], ([1], [1.0]))])
    asked: dict[str, Any] = {"vector": [0.0, 0.0], "sparse_vector": sparse, "fusion_window": window}
    with index.resumable_query(**asked, top_k=100) as whole:
        expected = [hit.id for hit in whole.start()]
    query = index.resumable_query(**asked, top_k=2)
    hits = query.start()
    index.delete("z")
    index.close()
    with open_index(tmp_path) as again:
        query._call = again._call
        while batch := query.fetch_next(2):
            hits += batch
        query.stop()
    assert [hit.id for hit in hits] == expected
    assert expected[:6] == list("fedcba")


@pytest.mark.parametrize("algorithm", ["RRF", "DBSF"])
@pytest.mark.parametrize("window", [None, 20])
def test_p10_a_batch_that_is_asked_for_again_is_the_same(
    algorithm: str, window: int | None, tmp_path: Path, rng: random.Random
) -> None:
    world = make_sparse_world(tmp_path, "HYBRID", 200)
    own = Asking(world, "both")
    queries = []
    for _ in range(10):
        asked = {**own.some(rng), "fusion_algorithm": algorithm, "fusion_window": window}
        query = world.index.resumable_query(**asked, top_k=6)
        query.start()
        query.fetch_next(9)
        queries.append((query, query.fetch_next(6)))
    world.delete(rng.sample(sorted(world.records), 40))
    world.index.close()
    with open_index(tmp_path) as again:
        for query, batch in queries:
            assert again._call(FetchNext(query._uuid, 6, 2)) == batch


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
