"""What open queries may take of memory, and keep of records that were removed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from clew.commands import Compact, Delete, FetchNext, Query, Reset, StartQuery, UpsertArrays
from clew.engine.engine import Engine
from engine_calls import ALL, NAMES, fetch_ids, fill, gone, start, upsert


def test_queries_in_little_memory_go_on_as_ever(make_engine: Any) -> None:
    engine = make_engine(stream_bytes_max=0)
    fill(engine)
    uuids = [start(engine, 1.0, 0.0, top_k=1 + i) for i in range(5)]
    expected = {uuid: NAMES[1 + i :] for i, uuid in enumerate(uuids)}
    found: dict[str, list[str]] = {uuid: [] for uuid in uuids}
    for turn in range(1, 60):
        if turn == 20:
            engine.execute(Delete(ids=tuple(NAMES[50:100])))
        for uuid in uuids:
            found[uuid] += fetch_ids(engine, uuid, 4)
        assert sum(one.stream_bytes > 0 for one in engine._sessions._table._sessions.values()) <= 1
    assert found == expected


def test_the_least_recently_used_lose_their_streams_first(engine: Engine) -> None:
    rows = np.random.default_rng(0).standard_normal((3000, 2)).astype(np.float32)
    engine.execute(UpsertArrays(tuple(map(str, range(3000))), rows))
    sessions = engine._sessions
    uuids = [start(engine, 1.0, 0.0) for _ in range(4)]
    fetch_ids(engine, uuids[0], 1)
    sessions._streams._bytes_max = sessions.stream_bytes - 1
    fetch_ids(engine, uuids[0], 1)
    kept = [uuid for uuid in uuids if sessions._table._sessions[uuid].stream_bytes]
    assert kept == [uuids[0], *uuids[2:]]


def test_a_query_dropped_while_others_write_keeps_its_snapshot(make_engine: Any) -> None:
    engine = make_engine(stream_bytes_max=0)
    fill(engine)
    uuid = start(engine, 1.0, 0.0, include=ALL)
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            upsert(engine, *[(name, [1.0, turn % 7], {"i": -turn}) for name in NAMES[turn % 50 :: 9]])
            start(engine, 1.0, 0.0, max_idle_s=0.01)  # takes the stream

    writer = threading.Thread(target=write)
    writer.start()
    try:
        hits = [hit for _ in range(40) for hit in engine.execute(FetchNext(uuid, 5))]
    finally:
        stop.set()
        writer.join()
    assert [hit.id for hit in hits] == NAMES[1:]
    assert [hit.metadata["i"] for hit in hits if hit.metadata] == list(range(1, 200))


def test_what_queries_keep_of_removed_records_is_bounded_and_the_oldest_is_told(make_engine: Any) -> None:
    engine = make_engine(pinned_bytes_max=60_000)
    rows = np.random.default_rng(0).standard_normal((1500, 8)).astype(np.float32)
    names = tuple(map(str, range(1500)))
    engine.execute(UpsertArrays(names, rows))
    old = engine.execute(StartQuery(Query(rows[0], top_k=1)))[0]
    for _ in range(3):
        engine.execute(UpsertArrays(names, rows))
        young = engine.execute(StartQuery(Query(rows[0], top_k=1)))[0]
    engine.execute(Compact())
    engine._parts.upkeep.work()
    assert "bytes of records that were removed are kept for open queries, at most 60000" in gone(engine, old)
    assert len(fetch_ids(engine, young)) == 1000


def test_what_queries_of_all_namespaces_keep_is_bounded_together(make_engine: Any) -> None:
    engine = make_engine(pinned_bytes_max=150_000)
    rows = np.random.default_rng(0).standard_normal((1500, 8)).astype(np.float32)
    names = tuple(map(str, range(1500)))
    for namespace in ("untouched", "0", "1", "2", "3"):
        engine.execute(UpsertArrays(names, rows, namespace=namespace))
    # The oldest keeps nothing, and those that begin in another order than their namespaces have.
    oldest = start(engine, *rows[0].tolist(), namespace="untouched")
    started = [start(engine, *rows[0].tolist(), namespace=namespace) for namespace in ("3", "1", "0", "2")]
    for namespace in ("0", "1", "2", "3"):
        engine.execute(UpsertArrays(names, rows, namespace=namespace))  # 50 kB and some are kept of each
    engine.execute(Compact())
    assert "at most 150000 may be, and it was the oldest of these" in gone(engine, started[0])
    assert "at most 150000" in gone(engine, started[1])
    for uuid in (oldest, *started[2:]):
        assert len(fetch_ids(engine, uuid, 1000)) == 1000
    assert 50_000 < _kept(engine) <= 150_000


def test_a_query_that_sees_nothing_keeps_nothing(make_engine: Any) -> None:
    engine = make_engine(stream_bytes_max=0)
    upsert(engine, ("a", [1.0, 0.0]), namespace="ns")
    engine.execute(Reset("ns"))
    uuid = start(engine, 1.0, 0.0, namespace="ns")
    upsert(engine, ("a", [1.0, 0.0]), namespace="ns")
    engine.execute(Delete(ids=("a",), namespace="ns"))
    engine.execute(Compact())
    assert _kept(engine) == 0
    assert fetch_ids(engine, uuid) == []


def _kept(engine: Engine) -> int:
    catalog = engine._catalog
    return sum(catalog.records.removed_bytes(one.number, 0, 1 << 60) for one in catalog.namespaces.values())
