"""What becomes of requests that a server does not wait for when it stops."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from clew.commands import AnyCommand, Info, Query, Upsert
from clew.engine.engine import Engine
from opening import TOKEN, ThreadedServer
from raw_http import answer, request

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SAID = "The server is stopping and does not wait for this any longer; no record was changed"
STOPPING = {"error": SAID, "status": 503, "type": "ServerError"}


class Slow:
    """An engine that has no time for writes and queries until it is let go."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.came, self.go = threading.Semaphore(0), threading.Event()
        self._execute = engine.execute
        monkeypatch.setattr(engine, "execute", self.execute)

    def execute(self, command: AnyCommand) -> Any:
        if isinstance(command, Upsert | Query):
            self.came.release()
            assert self.go.wait(20)
        return self._execute(command)


@pytest.fixture
def slow(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(engine, monkeypatch)


@pytest.fixture(params=["after the grace", "told twice"])
def stopping(
    request: pytest.FixtureRequest, engine: Engine, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThreadedServer]:
    """A server of one index, "index-0", which waits for nothing once it is told to stop."""
    server = ThreadedServer(grace_s=0 if request.param == "after the grace" else None)
    server.host(engine)
    tell = server.tell_to_stop
    monkeypatch.setattr(server, "tell_to_stop", lambda: tell(twice=request.param == "told twice"))
    yield server
    slow.go.set()
    server.close()


def test_what_has_begun_to_write_is_answered_as_it_ends_and_all_else_is_told_that_nothing_was_done(
    stopping: ThreadedServer, engine: Engine, slow: Slow
) -> None:
    with (
        ThreadPoolExecutor() as others,
        httpx.Client(base_url=f"{stopping.url}/index-0", headers=HEADERS, timeout=30) as http,
        socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as half,
    ):

        def post(path: str, body: Any) -> Future[httpx.Response]:
            return others.submit(http.post, path, json=body)

        first = post("/upsert", {"id": "first", "vector": [1, 2]})
        assert slow.came.acquire(timeout=20)
        behind = post("/upsert", {"id": "behind", "vector": [1, 2]})
        query = post("/query", {"vector": [1, 2], "filter": "n = 1"})
        assert slow.came.acquire(timeout=20)  # the query: a write waits for the first
        half.sendall(request(http, b'{"id": "half", "vector": [1, 2]}', path="upsert")[:-1])
        waiting, tasks = stopping.indexes["index-0"]._writes._work_queue, stopping._server.server_state.tasks
        while not waiting.qsize() or len(tasks) < 4:
            time.sleep(0.01)
        stopping.tell_to_stop()
        for asked in (behind, query):
            assert (asked.result().status_code, asked.result().json()) == (503, STOPPING)
        assert answer(half) == (503, STOPPING)
        assert not first.done()
        slow.go.set()
        assert first.result().json() == {"result": "Success"}
    assert engine.execute(Info()).vector_count == 1
