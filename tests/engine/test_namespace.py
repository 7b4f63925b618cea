from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

from clew.commands import (
    Delete,
    EndQuery,
    Fetch,
    FetchNext,
    Query,
    QueryArrays,
    QueryMany,
    Random,
    Range,
    Record,
    Update,
    UpsertArrays,
)
from clew.engine.engine import Engine
from clew.engine.generation import TOMBSTONES_MIN
from clew.engine.namespace import Namespace
from clew.types import MetadataUpdateMode
from engine_calls import ALL, fetch_ids, ids, start, upsert, vector

N = 2 * TOMBSTONES_MIN + 200
NAMES = tuple(f"n{i}" for i in range(N))


def fill(engine: Engine, change: int = 0, n: int = N) -> None:
    """n records; their distance from (1, 0) grows with their number."""
    vectors = np.column_stack([np.ones(n), np.arange(n)]).astype(np.float32)
    metadata = tuple({"i": i, "change": change, "odd": i % 2 == 1} for i in range(n))
    engine.execute(UpsertArrays(NAMES[:n], vectors, metadata))


def namespace_of(engine: Engine) -> Namespace:
    return engine._catalog.namespaces[""]


def rows_kept(engine: Engine) -> int:
    records: Any = engine._catalog.records
    [(count,)] = records.file.select("SELECT count(*) FROM records")
    return int(count)


def crowd_out(engine: Engine) -> None:
    """Replace and delete until the namespace has compacted."""
    before = namespace_of(engine).generation
    fill(engine, change=1)
    engine.execute(Delete(ids=NAMES[: N // 2]))
    engine._parts.upkeep.work()  # what its thread does in its own time
    assert namespace_of(engine).generation is not before


@pytest.mark.parametrize("filter", ["", "odd = true"])
def test_an_open_query_does_not_notice_a_compaction(engine: Engine, filter: str) -> None:
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=5, filter=filter, include=ALL)
    crowd_out(engine)
    expected = [i for i in range(N) if not filter or i % 2][5:]
    found = []
    while batch := engine.execute(FetchNext(uuid, 500)):
        found += batch
    assert sorted(int(hit.id[1:]) for hit in found) == expected
    assert all(
        hit.metadata == {"i": i, "change": 0, "odd": i % 2 == 1} for hit in found for i in [int(hit.id[1:])]
    )
    assert all(hit.vector == [1.0, float(hit.id[1:])] for hit in found)


def test_new_queries_see_what_is_left_after_a_compaction(engine: Engine) -> None:
    fill(engine)
    crowd_out(engine)
    left = list(NAMES[N // 2 :])
    assert namespace_of(engine).generation.graph.size < N + TOMBSTONES_MIN
    assert sorted(ids(engine, 1.0, 0.0, top_k=1000, filter="change = 1")) == sorted(
        ids(engine, 1.0, 0.0, top_k=1000)
    )
    assert engine.execute(Fetch(ids=(NAMES[0], left[0]), include=ALL))[0] is None
    page = engine.execute(Range(limit=1000))
    assert [record.id for record in page.vectors] == left[:1000]
    assert engine.execute(Update(Record(left[0], metadata={"x": 1}))).updated == 1


def test_dead_records_go_once_nobody_sees_them(engine: Engine) -> None:
    fill(engine)
    uuid = start(engine, 1.0, 0.0, include=ALL)
    crowd_out(engine)
    upsert(engine, ("other", [0.0, 1.0]))
    engine._parts.upkeep.work()
    assert rows_kept(engine) == 2 * N + 1
    engine.execute(EndQuery(uuid))
    gc.collect()
    engine._parts.upkeep.work()
    assert rows_kept(engine) == N - N // 2 + 1
    assert [hit.id for hit in engine.execute(Query(vector(1.0, 0.0), include=ALL, top_k=3))] == ids(
        engine, 1.0, 0.0, top_k=3
    )


def test_a_query_keeps_what_was_there_at_its_start(engine: Engine) -> None:
    upsert(engine, ("a", [1.0, 0.0], {"v": 1}, "one"), ("b", [1.0, 1.0], {"v": 1}), ("c", [0.0, 1.0]))
    uuid = start(engine, 1.0, 0.0, filter="HAS FIELD v", include=ALL)
    engine.execute(Update(Record("b", metadata={"v": 2}, data="two")))
    upsert(engine, ("c", [1.0, 0.1], {"v": 3}), ("d", [1.0, 0.0], {"v": 4}))
    engine.execute(Delete(ids=("a", "b")))
    [hit] = engine.execute(FetchNext(uuid, 10))
    assert (hit.id, hit.vector, hit.metadata, hit.data) == ("b", [1.0, 1.0], {"v": 1}, None)


def test_a_filtered_query_beside_a_writer_never_misses_a_record(engine: Engine) -> None:
    """Each record always matches, and is only ever replaced."""
    upsert(engine, *[(f"n{i}", [1.0, i], {"keep": True}) for i in range(20)])
    stop = threading.Event()

    def write() -> None:
        change = 0
        while not stop.is_set():
            change += 1
            name = change % 20
            engine.execute(Update(Record(f"n{name}", metadata={"change": change}), MetadataUpdateMode.PATCH))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            assert len(set(ids(engine, 1.0, 0.0, filter="keep = true"))) == 20
            assert len(set(ids(engine, 1.0, 0.0))) == 20
    finally:
        stop.set()
        writer.join()


def test_of_one_id_in_a_batch_the_last_wins_and_keeps_the_first_place(engine: Engine) -> None:
    upsert(engine, ("a", [1.0, 0.0], {"v": 1}), ("b", [0.0, 1.0]), ("a", [0.5, 0.5], {"v": 2}))
    assert [record.id for record in engine.execute(Range()).vectors] == ["a", "b"]
    vectors = np.eye(3, dtype=np.float32)[:, :2]
    engine.execute(UpsertArrays(("c", "d", "c"), vectors, ({"v": 1}, None, {"v": 3}), ("x", "y", "z")))
    [record] = engine.execute(Fetch(prefix="c", include=ALL))
    assert record is not None
    assert (record.vector, record.metadata, record.data) == ([0.0, 0.0], {"v": 3}, "z")


def test_an_upsert_replaces_the_whole_record(engine: Engine) -> None:
    upsert(engine, ("a", [1.0, 0.0], {"v": 1}, "text"))
    upsert(engine, ("a", [1.0, 0.0]))
    [record] = engine.execute(Fetch(ids=("a",), include=ALL))
    assert record is not None
    assert (record.metadata, record.data) == (None, None)


def test_queries_asked_together_are_answered_as_one_by_one(engine: Engine) -> None:
    fill(engine)
    queries = [Query(vector(1.0, i), top_k=k, filter=f) for i, k, f in [(0, 3, ""), (500, 7, "odd = false")]]
    for asked in (queries, [queries[0], Query(vector(0.0, 1.0), top_k=3, include=ALL)], [queries[1]] * 2, []):
        together = engine.execute(QueryMany(tuple(asked)))
        assert together == [engine.execute(query) for query in asked]


@pytest.mark.parametrize("filter", ["", "odd = true", "i < 3"])
def test_queries_as_arrays_give_ids_and_scores(engine: Engine, filter: str) -> None:
    fill(engine, n=200)
    vectors = np.array([[1.0, 0.0], [1.0, 3.0], [0.0, 1.0]], dtype=np.float32)
    found, scores = engine.execute(QueryArrays(vectors, top_k=5, filter=filter))
    for row, row_ids, row_scores in zip(vectors, found, scores, strict=True):
        hits = engine.execute(Query(row, top_k=5, filter=filter))
        assert row_ids == [hit.id for hit in hits]
        assert row_scores.tolist() == np.array([hit.score for hit in hits], dtype=np.float32).tolist()
        assert row_scores.dtype == np.float32
    assert engine.execute(QueryArrays(vectors[:0])) == ([], [])
    empty, none = engine.execute(QueryArrays(vectors, namespace="none"))
    assert empty == [[], [], []]
    assert [len(scores) for scores in none] == [0, 0, 0]


def test_random_draws_from_what_is_there(make_engine: Any) -> None:
    engine = make_engine(seed=1)
    assert engine.execute(Random()) is None
    fill(engine, n=200)
    drawn = {engine.execute(Random()).id for _ in range(20)}
    assert len(drawn) > 10
    engine.execute(Delete(ids=NAMES[5:200]))
    assert {engine.execute(Random()).id for _ in range(100)} == set(NAMES[:5])
    upsert(engine, ("z", [3.0, 4.0], {"v": 1}, "text"))
    engine.execute(Delete(ids=NAMES))
    record = engine.execute(Random())
    assert (record.id, record.vector, record.metadata, record.data) == ("z", [3.0, 4.0], None, None)
    engine.execute(Delete(ids=("z",)))
    assert engine.execute(Random()) is None


def test_exhausting_a_query_gives_every_id_once_after_any_history(engine: Engine) -> None:
    fill(engine)
    crowd_out(engine)
    fill(engine, change=2)
    uuid = start(engine, 1.0, 0.0)
    found = ids(engine, 1.0, 0.0, top_k=1)
    while batch := fetch_ids(engine, uuid, 333):
        found += batch
    assert sorted(found) == sorted(NAMES)
