from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest

from clew.commands import DeleteNamespace, EndQuery, FetchNext, RenameNamespace, Reset, StartQuery
from clew.commands import Query as QueryCommand
from clew.engine.engine import Engine
from clew.engine.sessions import Sessions
from clew.errors import ClientError, QueryNotActive, StorageError, TooManyQueries
from engine_calls import ALL, fetch_ids, start, upsert, vector
from opening import FakeClock

NAMES = [f"n{i}" for i in range(50)]


@pytest.fixture
def engine(make_engine: Any, clock: FakeClock) -> Engine:
    made: Engine = make_engine(clock=clock)
    for namespace in ("", "ns"):
        upsert(made, *[(name, [1.0, i], {"i": i}) for i, name in enumerate(NAMES)], namespace=namespace)
    return made


def sessions_of(engine: Engine) -> Sessions:
    return engine._sessions


def gone(engine: Engine, uuid: str) -> str:
    """What a call on a query that is not active says."""
    with pytest.raises(QueryNotActive) as raised:
        engine.execute(FetchNext(uuid, 1))
    with pytest.raises(QueryNotActive):
        engine.execute(EndQuery(uuid))
    return str(raised.value)


def test_batches_continue_and_an_exhausted_query_stays_exhausted(engine: Engine) -> None:
    uuid = start(engine, 1.0, 0.0, top_k=3)
    assert fetch_ids(engine, uuid, 4) == NAMES[3:7]
    assert fetch_ids(engine, uuid, 1000) == NAMES[7:]
    assert fetch_ids(engine, uuid, 1000) == []
    assert fetch_ids(engine, uuid, 1) == []
    assert engine.execute(EndQuery(uuid)) == "Success"


def test_what_an_interrupted_batch_had_found_comes_with_the_next(engine: Engine) -> None:
    uuid = start(engine, 1.0, 0.0, top_k=3)
    assert fetch_ids(engine, uuid, 2) == NAMES[3:5]
    session = sessions_of(engine)._table.find(uuid)
    stream = session._stream

    class Cut:
        """Ctrl-C came while `next` was at work: Python raises it once that is done."""

        def __getattr__(self, name: str) -> Any:
            return getattr(stream, name)

        def next(self, n: int) -> Any:
            stream.next(n)
            raise KeyboardInterrupt

    session._stream = Cut()
    with pytest.raises(KeyboardInterrupt):
        engine.execute(FetchNext(uuid, 4))
    assert fetch_ids(engine, uuid, 1000) == NAMES[5:]


def test_a_query_that_was_never_started_does_not_exist(engine: Engine) -> None:
    assert gone(engine, "nonsense") == "Resumable query nonsense does not exist"


def test_a_stopped_query_says_that_it_was_stopped(engine: Engine) -> None:
    uuid = start(engine, 1.0, 0.0)
    engine.execute(EndQuery(uuid))
    assert gone(engine, uuid) == f"Resumable query {uuid} does not exist: it was stopped"


def test_an_idle_query_is_refused_even_before_the_sweep(engine: Engine, clock: FakeClock) -> None:
    uuid = start(engine, 1.0, 0.0, max_idle_s=5)
    clock.advance(4.9)
    fetch_ids(engine, uuid, 1)
    clock.advance(4.9)
    fetch_ids(engine, uuid, 1)
    clock.advance(5)
    assert "not used for 5 seconds" in gone(engine, uuid)


def test_the_sweep_stops_what_idles_and_frees_it(engine: Engine, clock: FakeClock) -> None:
    start(engine, 1.0, 0.0, max_idle_s=5)
    late = start(engine, 1.0, 0.0, max_idle_s=50)
    sessions = sessions_of(engine)
    held = weakref.ref(sessions._table._sessions[late].generation)
    clock.advance(5)
    assert sessions.sweep() == pytest.approx(45)
    assert len(sessions) == 1
    engine.execute(Reset())  # now only the query holds the generation
    gc.collect()
    assert held() is None


def test_the_sweep_runs_by_itself() -> None:
    engine = Engine.open()
    upsert(engine, ("a", [1.0]))
    start(engine, 1.0, max_idle_s=1000)
    start(engine, 1.0, max_idle_s=0.05)
    deadline = time.monotonic() + 10
    while len(sessions_of(engine)) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(sessions_of(engine)) == 1
    engine.close()


def test_queries_that_come_and_go_leave_the_sweep_asleep(
    engine: Engine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, woken = sessions_of(engine), []
    monkeypatch.setattr(sessions._sweeper, "wake", lambda: woken.append(clock()))
    for _ in range(5):
        engine.execute(EndQuery(start(engine, 1.0, 0.0, max_idle_s=50)))
        sessions.sweep()
        clock.advance(1)
    assert len(woken) == 1
    start(engine, 1.0, 0.0, max_idle_s=5)
    assert len(woken) == 2
    clock.advance(5)
    assert sessions.sweep() == 3600  # nothing is open
    start(engine, 1.0, 0.0, max_idle_s=50)
    assert len(woken) == 3


def test_the_sweeping_thread_ends_with_the_engine() -> None:
    def sweepers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "clew-sweep"]

    before = len(sweepers())
    closed, dropped = Engine.open(), Engine.open()
    for engine in (closed, dropped):
        assert len(sweepers()) == before
        upsert(engine, ("a", [1.0]))
        start(engine, 1.0)
        assert len(sweepers()) == before + 1
        engine.close() if engine is closed else None
        if engine is closed:
            assert len(sweepers()) == before
    del engine, dropped
    gc.collect()
    deadline = time.monotonic() + 10
    while len(sweepers()) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(sweepers()) == before


def test_a_query_at_work_is_not_idle(engine: Engine, clock: FakeClock) -> None:
    uuid = start(engine, 1.0, 0.0, max_idle_s=5)
    sessions = sessions_of(engine)
    with sessions._table._sessions[uuid].lock:
        clock.advance(6)
        sessions.sweep()
        assert len(sessions) == 1
    sessions.sweep()
    assert len(sessions) == 0


def test_the_cap_is_an_error_at_start_and_ends_with_a_query(make_engine: Any) -> None:
    engine = make_engine(sessions_max=2)
    upsert(engine, ("a", [1.0]))
    first, _ = start(engine, 1.0), start(engine, 1.0)
    with pytest.raises(TooManyQueries, match="2 resumable queries are active"):
        start(engine, 1.0)
    engine.execute(EndQuery(first))
    start(engine, 1.0)


def test_calls_on_one_query_are_serialised(engine: Engine) -> None:
    rows = np.random.default_rng(0).standard_normal((4000, 2)).tolist()
    upsert(engine, *[(f"m{i}", row) for i, row in enumerate(rows)])
    uuid = start(engine, 1.0, 0.0, top_k=1)
    batches: list[list[str]] = []

    def read() -> None:
        while batch := fetch_ids(engine, uuid, 7):
            batches.append(batch)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [id for batch in batches for id in batch]
    assert len(found) == len(set(found)) == 4049
    assert sum(len(batch) < 7 for batch in batches) <= 1


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (Reset("ns"), "namespace 'ns' was reset"),
        (Reset(all=True), "namespace 'ns' was reset"),
        (DeleteNamespace("ns"), "namespace 'ns' was deleted"),
        (RenameNamespace("other", "ns", delete_existing=True), "namespace 'ns' was deleted"),
    ],
)
def test_what_empties_a_namespace_stops_its_queries_and_says_so(
    engine: Engine, command: Any, what: str
) -> None:
    upsert(engine, ("z", [0.0, 1.0]), namespace="other")
    uuid = start(engine, 1.0, 0.0, namespace="ns")
    other = start(engine, 1.0, 0.0)
    engine.execute(command)
    assert what in gone(engine, uuid)
    if command != Reset(all=True):
        assert fetch_ids(engine, other, 1) == ["n1"]


def test_a_renamed_namespace_keeps_its_queries(engine: Engine) -> None:
    uuid = start(engine, 1.0, 0.0, namespace="ns", include=ALL)
    engine.execute(RenameNamespace("ns", "new"))
    upsert(engine, ("n1", [1.0, 1.0], {"later": True}), namespace="new")
    [hit] = engine.execute(FetchNext(uuid, 1))
    assert (hit.id, hit.metadata) == ("n1", {"i": 1})


def test_a_missing_namespace_has_an_empty_query_without_a_uuid(engine: Engine) -> None:
    missing = QueryCommand(vector(1.0, 0.0), namespace="none")
    assert engine.execute(StartQuery(missing)) == ("", [])


def test_an_empty_namespace_has_a_query_with_a_uuid(make_engine: Any) -> None:
    engine = make_engine()
    uuid = start(engine, 1.0, 0.0, 0.5)  # nothing has decided the dimension yet
    assert uuid
    assert fetch_ids(engine, uuid) == []
    assert engine.execute(EndQuery(uuid)) == "Success"


@pytest.mark.parametrize("command", [Reset(), Reset(all=True)])
@pytest.mark.parametrize("written", [False, True])
def test_a_reset_stops_a_query_from_before_the_first_upsert(
    written: bool, command: Any, make_engine: Any
) -> None:
    engine = make_engine()
    uuid = start(engine, 1.0, 0.0)
    if written:
        upsert(engine, ("a", [1.0, 0.0]))
        assert fetch_ids(engine, uuid) == []
    engine.execute(Reset("other"))
    assert fetch_ids(engine, uuid) == []
    engine.execute(command)
    assert "namespace '' was reset" in gone(engine, uuid)
    later = start(engine, 1.0, 0.0)
    assert fetch_ids(engine, later) == []


def test_what_did_not_arrive_is_returned_again(engine: Engine) -> None:
    uuid = start(engine, 1.0, 0.0, top_k=2)
    command = FetchNext(uuid, 3)
    engine.undo(command, engine.execute(command))
    assert fetch_ids(engine, uuid, 2) == NAMES[2:4]
    assert fetch_ids(engine, uuid, 4) == NAMES[4:8]
    assert fetch_ids(engine, uuid) == NAMES[8:]


def test_a_start_that_did_not_arrive_leaves_no_query(engine: Engine) -> None:
    command = StartQuery(QueryCommand(vector(1.0, 0.0)))
    engine.undo(command, engine.execute(command))
    assert len(sessions_of(engine)) == 0


def test_a_batch_whose_records_cannot_be_read_is_not_lost(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = start(engine, 1.0, 0.0, include=ALL)
    records = engine._catalog.records

    def fail(*args: Any, **options: Any) -> Any:
        raise StorageError("the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr(records, "texts", fail)
        with pytest.raises(StorageError):
            engine.execute(FetchNext(uuid, 5))
    assert fetch_ids(engine, uuid, 2) == NAMES[1:3]
    assert fetch_ids(engine, uuid) == NAMES[3:]


@pytest.mark.parametrize("n", [0, -1, 1001, 2.5])
def test_a_batch_has_1_to_1000_results(engine: Engine, n: Any) -> None:
    uuid = start(engine, 1.0, 0.0)
    with pytest.raises(ClientError, match="additional_k"):
        engine.execute(FetchNext(uuid, n))


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_an_idle_limit_is_a_number_above_0(engine: Engine, seconds: float) -> None:
    with pytest.raises(ClientError, match="max_idle"):
        start(engine, 1.0, 0.0, max_idle_s=seconds)


def test_closing_the_engine_stops_its_queries(engine: Engine) -> None:
    uuid = start(engine, 1.0, 0.0)
    engine.close()
    assert len(sessions_of(engine)) == 0
    with pytest.raises(ClientError, match="closed"):
        engine.execute(FetchNext(uuid, 1))
