"""A slow query holds up nobody: what is done at once, and what by a thread."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from clew.commands import Include, Query
from clew.engine.engine import Engine
from clew.server.pace import PAUSE_MIN, Slow, kind_of
from opening import TOKEN, server

QUERY = {"vector": [1, 0], "topK": 5}


class Held:
    """An engine in which some queries take as long as it is told to."""

    def __init__(self, engine: Engine, slow: Any) -> None:
        self._engine, self._slow = engine, slow
        self._execute = engine.execute
        self.began, self.go_on = threading.Semaphore(0), threading.Event()
        self.threads: list[str] = []

    def execute(self, command: Any) -> Any:
        if isinstance(command, Query):
            self.threads.append(threading.current_thread().name)
            if self._slow(command):
                self.began.release()
                assert self.go_on.wait(30)
        return self._execute(command)


def test_slow_queries_keep_nobody_from_reading_or_writing(
    http: httpx.Client, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("/upsert", [{"id": str(i), "vector": [1, i]} for i in range(10)])
    hosted, other = server().indexes[http.base_url.path.strip("/")], server().host(Engine.open(None))
    held = Held(hosted.engine, lambda query: query.filter)
    monkeypatch.setattr(hosted.engine, "execute", held.execute)
    waiting = [
        threading.Thread(target=ask, args=("/query", {**QUERY, "filter": "slow = 1"})) for _ in range(8)
    ]
    for thread in waiting:
        thread.start()
    for _ in waiting:
        assert held.began.acquire(timeout=20)
    assert len(ask("/query", QUERY)) == 5
    assert len(ask("/fetch", {"ids": ["1", "2"]})) == 2
    assert ask("/upsert", {"id": "new", "vector": [1, 1]}) == "Success"
    assert len(ask("/resumable-query", QUERY)["scores"]) == 5
    url = f"{server().url}/{other.name}"
    assert httpx.post(f"{url}/info", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    held.go_on.set()
    for thread in waiting:
        thread.join()
    server().stop(other)


def test_a_query_of_a_kind_that_was_slow_goes_to_a_thread_for_a_while(
    http: httpx.Client, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("/upsert", [{"id": str(i), "vector": [1, i]} for i in range(10)])
    hosted = server().indexes[http.base_url.path.strip("/")]
    held = Held(hosted.engine, lambda query: False)
    monkeypatch.setattr(hosted.engine, "execute", held.execute)
    for limit, by_a_thread in (
        (60.0, False),
        (0.0, False),
        (60.0, False),
        (0.0, False),
        (0.0, False),
        (0.0, True),
        (60.0, True),
    ):
        monkeypatch.setattr(Slow, "seconds_max", limit)
        ask("/query", QUERY)
        assert held.threads[-1].startswith("clew-read") is by_a_thread


def test_a_kind_that_is_slow_is_tried_again_ever_more_seldom_until_it_is_not() -> None:
    slow, other = Slow(), kind_of(Query(top_k=10, include=Include(metadata=True)))
    kind = kind_of(Query(top_k=10))
    slow.note(kind, 1.0)
    assert not slow.pausing(kind)  # it may have waited for the processor
    for pause in (PAUSE_MIN, 2 * PAUSE_MIN, 4 * PAUSE_MIN):
        slow.note(kind, 1.0)
        assert [slow.pausing(kind) for _ in range(pause + 1)] == [True] * pause + [False]
        assert not slow.pausing(other)
    slow.note(kind, 0.0)
    assert not slow.pausing(kind)
    slow.note(kind, 1.0)
    slow.note(kind, 1.0)
    assert [slow.pausing(kind) for _ in range(PAUSE_MIN + 1)] == [True] * PAUSE_MIN + [False]
