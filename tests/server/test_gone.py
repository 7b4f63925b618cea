"""Clients that are gone before they were answered."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from clew.commands import AnyCommand, StartQuery
from clew.engine.engine import Engine
from opening import server
from raw_http import BODY, asked, request


class Held:
    """Starts of resumable queries that wait until they are let go."""

    def __init__(self, execute: Callable[[AnyCommand], Any]) -> None:
        self.came, self.go, self.done = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)
        self._execute = execute

    def __call__(self, command: AnyCommand) -> Any:
        if not isinstance(command, StartQuery):
            return self._execute(command)
        self.came.release()
        assert self.go.wait(20)
        try:
            return self._execute(command)
        finally:
            self.done.release()

    def finish(self) -> None:
        """Let them go, and wait until the first is done."""
        self.go.set()
        assert self.done.acquire(timeout=20)


@pytest.fixture
def held(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held(engine.execute)
    monkeypatch.setattr(engine, "execute", made)
    yield made
    made.go.set()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the server logs, its tracebacks too."""
    log = logging.getLogger("uvicorn.error")
    log.addHandler(caplog.handler)
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        yield caplog
    log.removeHandler(caplog.handler)


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.01)
    return happened()


def start_over(line: socket.socket) -> None:
    """Break off a connection, so that the other side cannot but notice."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


@pytest.mark.parametrize("leave", [socket.socket.close, start_over])
@pytest.mark.parametrize("behind", [0, 1, 3])
def test_a_resumable_query_whose_client_is_gone_is_stopped_whatever_came_behind_it(
    http: httpx.Client,
    line: socket.socket,
    engine: Engine,
    held: Held,
    logged: pytest.LogCaptureFixture,
    behind: int,
    leave: Callable[[socket.socket], None],
) -> None:
    line.sendall(request(http, path="resumable-query") * (1 + behind))
    assert held.came.acquire(timeout=20)
    leave(line)
    held.finish()
    assert within(20, lambda: engine.open_queries()[0] == 0)
    assert not held.came.acquire(timeout=0.1)  # those behind it are not even begun
    assert not logged.records


@pytest.mark.parametrize("behind", [0, 1, 3])
def test_a_client_that_goes_while_it_waits_for_a_later_answer_is_noticed(
    http: httpx.Client,
    line: socket.socket,
    engine: Engine,
    held: Held,
    logged: pytest.LogCaptureFixture,
    behind: int,
) -> None:
    connections = server()._server.server_state.connections
    others = {one for one in list(connections) if one.client != line.getsockname()}
    start = request(http, path="resumable-query")
    assert asked(line, request(http, BODY, path="info") + start * (1 + behind))[0] == 200
    assert held.came.acquire(timeout=20)
    start_over(line)
    assert within(20, lambda: connections <= others)
    held.finish()
    assert within(20, lambda: engine.open_queries()[0] == 0)
    assert not logged.records
