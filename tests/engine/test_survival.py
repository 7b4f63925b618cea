"""What a query is, once its stream is gone: after a restart, and where memory is short."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from clew.commands import (
    Compact,
    Delete,
    DeleteNamespace,
    EndQuery,
    FetchNext,
    Reset,
    StartQuery,
    UpsertArrays,
)
from clew.commands import Query as QueryCommand
from clew.engine.engine import Engine
from clew.engine.sqlite_queries import QUERIES_FILE
from clew.errors import ClientError, QueryNotActive, StorageError
from engine_calls import ALL, fetch_ids, start, upsert, vector
from opening import FakeClock

NAMES = [f"n{i}" for i in range(200)]


def fill(engine: Engine, namespace: str = "") -> None:
    """Their distance from (1, 0) grows with their number."""
    upsert(engine, *[(name, [1.0, i / 100], {"i": i}) for i, name in enumerate(NAMES)], namespace=namespace)


@pytest.fixture
def day(clock: FakeClock) -> dict[str, Any]:
    """One clock for everything, which goes on while nothing runs."""
    return {"clock": clock, "wall": clock}


def gone(engine: Engine, uuid: str) -> str:
    with pytest.raises(QueryNotActive) as raised:
        engine.execute(FetchNext(uuid, 1))
    return str(raised.value)


# -- batch numbers


def test_a_batch_asked_again_by_its_number_is_the_same_and_the_next_goes_on(engine: Engine) -> None:
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=3, include=ALL)
    first = engine.execute(FetchNext(uuid, 4, 1))
    assert [hit.id for hit in first] == NAMES[3:7]
    assert engine.execute(FetchNext(uuid, 9, 1)) == first
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 2, 2))] == NAMES[7:9]
    assert fetch_ids(engine, uuid, 1) == NAMES[9:10]
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 5, 3))] == NAMES[9:10]


@pytest.mark.parametrize("batch", [-1, 0, 1, 4, 100])
def test_another_batch_number_is_an_error_that_says_which_there_are(engine: Engine, batch: int) -> None:
    fill(engine)
    uuid = start(engine, 1.0, 0.0)
    fetch_ids(engine, uuid, 1)
    fetch_ids(engine, uuid, 1)
    with pytest.raises(ClientError, match=f"batch must be 2 .* or 3 .*, got {batch}"):
        engine.execute(FetchNext(uuid, 1, batch))
    assert fetch_ids(engine, uuid, 1) == NAMES[3:4]


def test_an_exhausted_query_gives_its_empty_batch_again(engine: Engine) -> None:
    upsert(engine, ("a", [1.0, 0.0]))
    uuid = start(engine, 1.0, 0.0)
    assert engine.execute(FetchNext(uuid, 5, 1)) == []
    assert engine.execute(FetchNext(uuid, 5, 1)) == []
    assert engine.execute(FetchNext(uuid, 5, 2)) == []


def test_the_last_batch_is_there_after_a_restart(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=3, include=ALL)
    first = engine.execute(FetchNext(uuid, 4))
    engine.execute(Delete(ids=(NAMES[4], NAMES[8])))
    upsert(engine, (NAMES[5], [0.0, 1.0], {"i": -1}))
    engine = reopen()
    assert engine.execute(FetchNext(uuid, 4, 1)) == first
    engine = reopen()
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 4, 2))] == NAMES[7:11]
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 4, 2))] == NAMES[7:11]


# -- restarts


def test_removed_records_come_in_their_places_after_a_restart(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=3, include=ALL)
    engine.execute(Delete(ids=tuple(NAMES[10:20])))
    upsert(engine, *[(name, [0.0, 1.0], {"i": -1}) for name in NAMES[20:30]])
    engine = reopen()
    hits = engine.execute(FetchNext(uuid, 1000))
    assert [hit.id for hit in hits] == NAMES[3:]
    assert [hit.metadata["i"] for hit in hits if hit.metadata] == list(range(3, 200))
    assert hits[20].vector == pytest.approx([1.0, 0.23])


def test_what_did_not_arrive_comes_after_a_restart(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=2)
    early, late = FetchNext(uuid, 3), FetchNext(uuid, 4)
    lost = engine.execute(early)
    assert len(engine.execute(late)) == 4
    engine.undo(early, lost)  # its batch is no longer the last
    engine = reopen()
    assert fetch_ids(engine, uuid, 5) == [*NAMES[2:5], *NAMES[9:11]]
    again = engine.execute(late)
    engine.undo(late, again)
    engine = reopen()
    assert fetch_ids(engine, uuid, 4) == NAMES[11:15]


def test_idle_limits_run_on_while_the_index_is_closed(reopen: Any, day: Any, clock: FakeClock) -> None:
    engine = reopen(**day)
    fill(engine)
    short, long = start(engine, 1.0, 0.0, max_idle_s=50), start(engine, 1.0, 0.0, max_idle_s=500)
    clock.advance(30)
    engine = reopen(**day)
    assert fetch_ids(engine, short, 1) == NAMES[1:2]
    clock.advance(49)
    engine = reopen(**day)
    assert fetch_ids(engine, short, 1) == NAMES[2:3]
    clock.advance(50)
    engine = reopen(**day)
    assert "not used for 50 seconds" in gone(engine, short)
    assert fetch_ids(engine, long, 1) == NAMES[1:2]
    clock.advance(499)
    engine = reopen(**day)
    clock.advance(1)
    assert "not used for 500 seconds" in gone(engine, long)


def test_a_query_that_ended_stays_ended(reopen: Any, day: Any, clock: FakeClock) -> None:
    engine = reopen(**day)
    for namespace in ("", "reset", "deleted"):
        fill(engine, namespace)
    stopped, idle = start(engine, 1.0, 0.0), start(engine, 1.0, 0.0, max_idle_s=5)
    reset, deleted = start(engine, 1.0, 0.0, namespace="reset"), start(engine, 1.0, 0.0, namespace="deleted")
    engine.execute(EndQuery(stopped))
    engine.execute(Reset("reset"))
    engine.execute(DeleteNamespace("deleted"))
    clock.advance(6)
    engine._sessions.sweep()
    engine = reopen(**day)
    for uuid in (stopped, idle, reset, deleted):
        assert gone(engine, uuid) == f"Resumable query {uuid} does not exist"
    assert engine._parts.saved.active() == []


def test_a_query_whose_namespace_went_with_the_end_of_the_process_says_so(
    reopen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = reopen()
    for namespace in ("reset", "deleted"):
        fill(engine, namespace)
    uuids = [start(engine, 1.0, 0.0, namespace=name) for name in ("reset", "deleted")]
    with monkeypatch.context() as killed:  # between the commit of the reset and that of the query's end
        killed.setattr(engine._sessions, "drop", lambda namespace: None)
        engine.execute(Reset("reset"))
        engine.execute(DeleteNamespace("deleted"))
    fill(engine, "reset")
    engine = reopen()
    assert "no longer there" in gone(engine, uuids[0])
    assert "its namespace was deleted" in gone(engine, uuids[1])


def test_an_empty_query_survives_too(reopen: Any) -> None:
    engine = reopen()
    uuid = start(engine, 1.0, 0.0, 0.5)  # there is no dimension yet
    engine = reopen()
    fill(engine)
    assert fetch_ids(engine, uuid) == []
    engine = reopen()
    assert fetch_ids(engine, uuid) == []
    assert engine.execute(EndQuery(uuid)) == "Success"


def test_the_numbers_of_queries_are_not_used_again(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    first = start(engine, 1.0, 0.0)
    engine = reopen()
    second = start(engine, 1.0, 0.0, top_k=5)
    assert fetch_ids(engine, first, 2) == NAMES[1:3]
    engine = reopen()
    assert fetch_ids(engine, second, 2) == NAMES[5:7]


def test_an_index_in_memory_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = Engine.open()
    fill(engine)
    fetch_ids(engine, start(engine, 1.0, 0.0))
    engine.close()
    assert list(tmp_path.iterdir()) == []


def test_ended_queries_leave_no_trace_in_the_file(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path, durability="normal")
    fill(engine)
    for _ in range(300):
        uuid = start(engine, 1.0, 0.0, top_k=50)
        fetch_ids(engine, uuid, 100)
        engine.execute(EndQuery(uuid))
    engine.execute(Compact())
    assert (tmp_path / QUERIES_FILE).stat().st_size < 64 * 1024
    engine.close()


# -- memory


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
    old = engine.execute(StartQuery(QueryCommand(rows[0], top_k=1)))[0]
    for _ in range(3):
        engine.execute(UpsertArrays(names, rows))
        young = engine.execute(StartQuery(QueryCommand(rows[0], top_k=1)))[0]
    engine.execute(Compact())
    engine._parts.upkeep.work()
    assert "bytes of records that were removed since it started are kept, at most 60000" in gone(engine, old)
    assert len(fetch_ids(engine, young)) == 1000


def test_a_compaction_gives_space_back_to_the_system(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    rows = np.random.default_rng(0).standard_normal((2500, 64)).astype(np.float32)
    engine.execute(UpsertArrays(tuple(map(str, range(2500))), rows))
    engine.execute(Compact())
    file = tmp_path / "clew.sqlite"
    before = file.stat().st_size
    engine.execute(Delete(ids=tuple(map(str, range(2400)))))
    assert engine.execute(Compact()) > before / 2
    assert file.stat().st_size < before / 4
    assert engine.execute(Compact()) == 0
    uuid = start(engine, *rows[2450].tolist(), top_k=1)
    assert len(fetch_ids(engine, uuid)) == 99
    engine.close()


def test_what_an_earlier_process_left_removed_is_purged(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    engine.execute(Delete(ids=tuple(NAMES[:50])))
    engine = reopen()
    records = engine._catalog.records
    until = time.monotonic() + 10
    while records.removed_count(1, 0, 1000) and time.monotonic() < until:
        time.sleep(0.01)
    assert records.removed_count(1, 0, 1000) == 0


def test_a_directory_can_be_read_beside_the_process_that_writes(tmp_path: Path) -> None:
    writer = Engine.open(tmp_path)
    fill(writer)
    reader = Engine.open(tmp_path, read_only=True)
    writer.execute(Delete(ids=tuple(NAMES[:100])))
    writer.execute(Compact())
    uuid = start(reader, 1.0, 0.0, include=ALL)
    assert fetch_ids(reader, uuid) == NAMES[1:]
    for write in (UpsertArrays(("x",), np.ones((1, 2), np.float32)), Delete(ids=("n1",)), Reset(), Compact()):
        with pytest.raises(ClientError, match="reading only"):
            reader.execute(write)
    reader.close()
    writer.close()
    later = Engine.open(tmp_path, read_only=True)
    assert fetch_ids(later, start(later, 1.0, 0.0)) == NAMES[101:]
    later.close()
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_without_an_index_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no index|cannot|unable"):
        Engine.open(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ClientError, match="read_only is for a directory"):
        Engine.open(read_only=True)


def test_durability_is_full_or_normal(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="durability is 'most'; expected one of full, normal"):
        Engine.open(tmp_path / "index", durability="most")
    for name in ("full", "normal"):
        engine = Engine.open(tmp_path / name, durability=name)
        fill(engine)
        assert fetch_ids(engine, start(engine, *vector(1.0, 0.0).tolist())) == NAMES[1:]
        engine.close()


@pytest.mark.parametrize("damage", ["no database", "a row"])
def test_open_queries_that_are_damaged_end_and_keep_nobody_from_the_records(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine.open(tmp_path)
    fill(engine)
    uuid = start(engine, 1.0, 0.0)
    engine.close()
    file = tmp_path / QUERIES_FILE
    if damage == "a row":
        connection = apsw.Connection(str(file))
        connection.execute("UPDATE places SET tail = x'91'")
        connection.close()
    else:
        file.write_bytes(b"no database at all" * 1000)
    before = file.read_bytes()
    engine = Engine.open(tmp_path)
    assert "damaged and set aside; the open queries in it have ended" in caplog.text
    with pytest.raises(QueryNotActive):
        fetch_ids(engine, uuid)
    again = start(engine, 1.0, 0.0)
    engine.close()
    assert (tmp_path / f"{QUERIES_FILE}.damaged").read_bytes() == before
    engine = Engine.open(tmp_path)
    assert fetch_ids(engine, again)
    engine.close()


def test_open_queries_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / QUERIES_FILE))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="a later version of Clew wrote it"):
        Engine.open(tmp_path)


def test_batches_are_saved_beside_a_compaction(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path, durability="normal")
    fill(engine)
    done, failed = threading.Event(), []

    def compact() -> None:
        while not done.is_set():
            try:
                engine.execute(Compact())
            except Exception as error:
                failed.append(error)
                return

    compacting = threading.Thread(target=compact)
    compacting.start()
    try:
        for _ in range(4):
            uuid = start(engine, 1.0, 0.0)
            returned = NAMES[:1]
            while batch := fetch_ids(engine, uuid, 5):
                returned += batch
            assert returned == NAMES
            engine.execute(EndQuery(uuid))
    finally:
        done.set()
        compacting.join()
    assert failed == []
    engine.close()
