"""P4: a query sees the namespace as it was at its start."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from clew import ClientError, Index, QueryNotActive
from opening import KINDS
from worlds import DIMENSION, SIZES, World, crowd, make_world, some_query

EVERYTHING = {"include_vectors": True, "include_metadata": True, "include_data": True}


# A directory has the same graphs, and a server the same engine.
@pytest.fixture(
    params=[
        pytest.param(
            (size, kind),
            id=f"{size}-{kind}",
            marks=[pytest.mark.slow] if size == "graph" and kind != "memory" else [],
        )
        for size in SIZES
        for kind in KINDS
    ]
)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that a test may write to."""
    size, kind = request.param
    where = tmp_path_factory.mktemp("own") if kind == "directory" else None
    world = make_world(where, size, "COSINE", remote=kind == "remote")
    yield world
    world.index.close()


def disturb(world: World, rng: random.Random) -> None:
    """Every kind of write, on records already returned and on those to come."""
    ids = rng.sample(sorted(world.vectors), 200)
    fresh = crowd(400, np.random.default_rng(rng.randrange(1000)))
    world.index.delete(ids[:60])
    world.index.upsert(
        [(name, row, {"part": 0}, "new") for name, row in zip(ids[60:120], fresh, strict=False)]
    )
    for name in ids[120:140]:
        world.index.update(name, metadata={"part": 1})
    for name, row in zip(ids[140:160], fresh, strict=False):
        world.index.update(name, vector=row)
    world.index.upsert([(f"new{rng.random()}", row, {"part": 0}) for row in fresh[:200]])
    world.index.delete(filter="part = 7")
    world.index.delete(prefix="v12")


def test_later_writes_change_neither_ids_nor_records(own: World, rng: random.Random) -> None:
    query = own.index.resumable_query(some_query(own, rng), top_k=5, **EVERYTHING)
    hits = query.start()
    for _ in range(3):
        disturb(own, rng)
        hits += query.fetch_next(50)
    while batch := query.fetch_next(400):
        hits += batch
        disturb(own, rng)
    query.stop()
    assert sorted(hit.id for hit in hits) == sorted(own.vectors)
    for hit in hits[::20]:  # the shortest decimals, which take long to make
        assert hit.vector == [float(np.format_float_positional(x, unique=True)) for x in own.vectors[hit.id]]
    for hit in hits:
        assert np.array_equal(np.float32(hit.vector), own.vectors[hit.id])
        assert hit.metadata == own.metadata[hit.id]
        assert hit.data is None


def test_later_writes_do_not_change_what_a_filter_admits(own: World, rng: random.Random) -> None:
    query = own.index.resumable_query(some_query(own, rng), top_k=2, filter="part < 300")
    hits = query.start()
    disturb(own, rng)
    hits += list(query)
    query.stop()
    assert sorted(hit.id for hit in hits) == sorted(own.matching(300))


def test_a_query_started_after_a_write_sees_it(own: World, rng: random.Random) -> None:
    early = own.index.resumable_query(np.ones(DIMENSION), top_k=1)
    early.start()
    own.index.upsert([("new", np.ones(DIMENSION))])
    with own.index.resumable_query(np.ones(DIMENSION), top_k=1) as late:
        assert late.start()[0].id == "new"
    assert "new" not in {hit.id for hit in early}
    early.stop()


def test_the_snapshot_is_taken_at_start_not_when_the_query_is_made(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0])])
    query = index.resumable_query([1.0, 0.0])
    index.upsert([("b", [1.0, 0.0])])
    assert [hit.id for hit in query.start()] == ["a", "b"]
    query.stop()


def test_many_snapshots_are_open_at_once(index: Index) -> None:
    queries = []
    for i in range(30):
        index.upsert([(f"{j}", [1.0, j / 10], {"turn": i}) for j in range(i + 1)])
        query = index.resumable_query([1.0, 0.0], top_k=1, include_metadata=True)
        queries.append((query, query.start()))
    for i, (query, hits) in enumerate(queries):
        hits += list(query)
        query.stop()
        assert sorted(int(hit.id) for hit in hits) == list(range(i + 1))
        assert {hit.metadata["turn"] for hit in hits} == {i}


def test_records_that_a_caller_changed_are_not_those_of_the_index(index: Index) -> None:
    given = {"list": [1, 2]}
    index.upsert([("a", [1.0, 0.0], given)])
    given["list"].append(3)
    index.query([1.0, 0.0], include_metadata=True)[0].metadata["list"].append(4)
    assert index.query([1.0, 0.0], include_metadata=True)[0].metadata == {"list": [1, 2]}


def test_reset_stops_the_open_queries_of_its_namespace_and_says_so(index: Index) -> None:
    for namespace in ("", "ns"):
        index.upsert([(str(i), [1.0, i]) for i in range(20)], namespace=namespace)
    stopped, going = (index.resumable_query([1.0, 0.0], top_k=2, namespace=name) for name in ("ns", ""))
    stopped.start()
    going.start()
    index.reset("ns")
    with pytest.raises(QueryNotActive, match=r"(?i)reset"):
        stopped.fetch_next(1)
    with pytest.raises(ClientError):
        stopped.stop()
    assert len(going.fetch_next(5)) == 5
    index.reset(all=True)
    with pytest.raises(QueryNotActive, match=r"(?i)reset"):
        going.stop()


def test_delete_namespace_stops_its_open_queries_and_says_so(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0]), ("b", [0.0, 1.0])], namespace="ns")
    with index.resumable_query([1.0, 0.0], top_k=1, namespace="ns") as query:
        query.start()
        index.delete_namespace("ns")
        with pytest.raises(QueryNotActive, match=r"(?i)delete"):
            query.fetch_next(1)


def test_rename_namespace_lets_its_open_queries_go_on(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0]), ("b", [0.0, 1.0])], namespace="ns")
    with index.resumable_query([1.0, 0.0], top_k=1, namespace="ns") as query:
        query.start()
        index.rename_namespace("ns", "other")
        assert [hit.id for hit in query.fetch_next(5)] == ["b"]
