"""Open queries outlive the process that began them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from clew.commands import (
    Compact,
    Delete,
    DeleteNamespace,
    EndQuery,
    FetchNext,
    Reset,
)
from clew.engine.engine import Engine
from clew.engine.sqlite_queries import QUERIES_FILE
from clew.errors import QueryNotActive, StorageError
from engine_calls import ALL, NAMES, fetch_ids, fill, gone, start, upsert
from opening import FakeClock, open_index


@pytest.fixture
def day(clock: FakeClock) -> dict[str, Any]:
    """One clock for everything, which goes on while nothing runs."""
    return {"clock": clock, "wall": clock}


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


@pytest.mark.parametrize("type", ["DENSE", "SPARSE"])
def test_removed_records_that_tie_come_in_their_order(tmp_path: Path, type: str) -> None:
    vector: Any = {"vector": [1.0, 0.0]} if type == "DENSE" else {"sparse_vector": ([1], [1.0])}
    index = open_index(tmp_path, type=type)
    index.upsert([{"id": name, **vector} for name in "abcdef"])
    query, other = (index.resumable_query(**vector, top_k=1) for _ in range(2))
    hits = query.start()
    other.start()
    index.delete("e")
    index.close()
    with open_index(tmp_path) as again:
        query._call = other._call = again._call
        other.fetch_next(1)  # what is gone is known from here on, and grows
        again.delete("b")
        while batch := query.fetch_next(1):
            hits += batch
        other.stop()
        query.stop()
    assert [hit.id for hit in hits] == list("abcdef")


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
        killed.setattr(engine._sessions, "drop", lambda *dropped: None)
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


@pytest.mark.parametrize(
    ("command", "what"), [(Reset("ns"), "'ns' was reset"), (DeleteNamespace("ns"), "'ns' was deleted")]
)
def test_what_empties_a_namespace_stops_the_queries_that_saw_nothing_of_it(
    command: Any, what: str, reopen: Any
) -> None:
    engine = reopen()
    for namespace in ("ns", "other"):
        fill(engine, namespace)
        engine.execute(Reset(namespace))
    uuid, other = (start(engine, 1.0, 0.0, namespace=name) for name in ("ns", "other"))
    engine = reopen()
    fill(engine, "ns")
    assert fetch_ids(engine, uuid) == []
    engine.execute(command)
    assert what in gone(engine, uuid)
    assert fetch_ids(engine, other) == []
    engine = reopen()
    assert gone(engine, uuid) == f"Resumable query {uuid} does not exist"
    assert fetch_ids(engine, other) == []


def test_a_query_that_saw_nothing_ends_with_its_namespace_at_the_end_of_the_process(
    reopen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = reopen()
    fill(engine, "ns")
    engine.execute(Reset("ns"))
    uuid = start(engine, 1.0, 0.0, namespace="ns")
    with monkeypatch.context() as killed:
        killed.setattr(engine._sessions, "drop", lambda *dropped: None)
        engine.execute(DeleteNamespace("ns"))
    engine = reopen()
    assert "its namespace was deleted" in gone(engine, uuid)


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
        connection.execute("UPDATE queries SET query = x'91'")
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


def test_open_queries_of_another_version_are_left_alone(tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / QUERIES_FILE))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="another version of Clew wrote it"):
        Engine.open(tmp_path)
