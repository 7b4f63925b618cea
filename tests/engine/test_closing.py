"""Calls that are under way while an index is closed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from clew.commands import EndQuery, FetchNext, Query, StartQuery
from clew.engine.engine import Engine
from clew.engine.records import IndexSettings
from clew.engine.sqlite import SqliteRecords
from clew.errors import ClientError
from clew.types import Metric
from engine_calls import ALL, fill, start, vector

ASKED = Query(vector(1.0, 0.0), include=ALL)


def closed_in(engine: Engine, owner: Any, step: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let `engine` be closed before this step; what the step is given then."""
    done, given = getattr(owner, step), []

    def closed_meanwhile(*args: Any, **options: Any) -> Any:
        engine.close()
        given.append(args)
        return done(*args, **options)

    monkeypatch.setattr(owner, step, closed_meanwhile)
    return given


@pytest.mark.parametrize("command", ["query", "fetch"])
def test_a_read_says_that_the_index_is_closed(
    command: str, make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine()
    fill(engine)
    uuid = start(engine, 1.0, 0.0, include=ALL)
    given = closed_in(engine, engine._catalog.records, "texts", monkeypatch)
    with pytest.raises(ClientError, match="^the index is closed$"):
        engine.execute(ASKED if command == "query" else FetchNext(uuid, 3))
    assert len(given) == 1


@pytest.mark.parametrize("step", ["begin", "move", "end"])
def test_what_is_written_of_a_query_says_so_and_not_that_a_write_failed(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.open(tmp_path)
    fill(engine)
    uuid = start(engine, 1.0, 0.0)
    saved = engine._parts.saved
    commands = {"begin": StartQuery(ASKED), "move": FetchNext(uuid, 3), "end": EndQuery(uuid)}
    given = closed_in(engine, saved, step, monkeypatch)
    with pytest.raises(ClientError, match="^the index is closed$"):
        engine.execute(commands[step])
    with pytest.raises(ClientError, match="^the index is closed$"):  # another that was under way
        getattr(saved, step)(*given[0])


def test_a_transaction_says_so(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path, IndexSettings(None, Metric.COSINE))

    def write() -> None:
        with records.writing(1):
            records.close()
            records.add_namespace("ns")

    for _ in range(2):
        with pytest.raises(ClientError, match="^the index is closed$"):
            write()


def test_a_reader_is_not_closed_under_a_read_nor_left_open_after_it(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    fill(engine)
    file = engine._catalog.records.file
    begun, closed, found = threading.Event(), threading.Event(), []

    class Slow:
        """The connection of a reader, which the index is closed under."""

        def __init__(self, connection: Any) -> None:
            self.connection = connection
            self.close = connection.close

        def execute(self, sql: str, bindings: Any) -> Any:
            begun.set()
            assert closed.wait(20)
            return self.connection.execute(sql, bindings)

    slow: Any = Slow(file._idle.pop())
    file._idle.append(slow)
    reading = threading.Thread(target=lambda: found.extend(file.select("SELECT count(*) FROM records")))
    reading.start()
    assert begun.wait(20)
    engine.close()
    closed.set()
    reading.join()
    assert found == [(200,)]
    assert file._idle == []
    with pytest.raises(ClientError, match="^the index is closed$"):
        file.select("SELECT count(*) FROM records")
