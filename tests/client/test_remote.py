"""Over HTTP: what is tried again, what is not, and how a server's errors come back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from clew import (
    AsyncIndex,
    ClientError,
    Forbidden,
    Index,
    Poisoned,
    ServerError,
    StorageError,
    TooManyQueries,
    TransportError,
    Unauthorized,
)
from clew.backends.remote import ROWS_PER_REQUEST, AsyncRemoteBackend, RemoteBackend
from clew.config import Settings
from clew.engine.engine import Engine
from opening import READ_ONLY, TOKEN, server

SETTINGS = Settings(url="http://host/index", token="t", retries=2, retry_interval_s=0.0)
STARTED = b'{"result": {"uuid": "u", "scores": []}}'


class Line:
    """A network that fails as it is told to, then answers."""

    def __init__(self, failure: Exception, times: int, content: bytes, status: int = 200) -> None:
        self.failure, self.times, self.answer = failure, times, (status, content)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if len(self.seen) <= self.times:
            raise self.failure
        return httpx.Response(self.answer[0], content=self.answer[1])


def index_over(line: Line) -> Index:
    return Index.over(RemoteBackend(SETTINGS, transport=httpx.MockTransport(line)))


CALLS: list[tuple[bool, bytes, Callable[[Index], Any]]] = [
    (True, b'{"result": []}', lambda index: index.query([1.0])),
    (True, b'{"result": []}', lambda index: index.query_many([{"vector": [1.0]}])),
    (True, b'{"result": [null]}', lambda index: index.fetch("a")),
    (True, b'{"result": null}', lambda index: index.random()),
    (True, b'{"result": [""]}', lambda index: index.list_namespaces()),
    (False, b'{"result": "Success"}', lambda index: index.upsert([("a", [1.0])])),
    (False, b'{"result": {"updated": 1}}', lambda index: index.update("a", metadata={})),
    (False, b'{"result": {"deleted": 1}}', lambda index: index.delete("a")),
    (False, b'{"result": "Success"}', lambda index: index.reset()),
    (False, STARTED, lambda index: index.resumable_query([1.0]).start()),
]


@pytest.mark.parametrize(("repeatable", "answer", "call"), CALLS)
@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_where_there_was_no_connection_every_call_is_tried_again(
    failure: Exception, repeatable: bool, answer: bytes, call: Callable[[Index], Any]
) -> None:
    line = Line(failure, 2, answer)
    call(index_over(line))
    assert len(line.seen) == 3


@pytest.mark.parametrize(("repeatable", "answer", "call"), CALLS)
@pytest.mark.parametrize("failure", [httpx.ReadTimeout("late"), httpx.RemoteProtocolError("gone")])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_where_it_may_have_been_carried_out_only_reads_are_tried_again(
    failure: Exception, repeatable: bool, answer: bytes, call: Callable[[Index], Any]
) -> None:
    line = Line(failure, 1, answer)
    if repeatable:
        call(index_over(line))
        assert len(line.seen) == 2
    else:
        with pytest.raises(TransportError) as raised:
            call(index_over(line))
        assert not raised.value.retry_is_safe
        assert len(line.seen) == 1


def test_a_batch_that_does_not_come_is_asked_for_again_under_its_number() -> None:
    line = Line(httpx.ReadTimeout("late"), 0, STARTED)
    query = index_over(line).resumable_query([1.0])
    query.start()
    line.times = 9
    with pytest.raises(TransportError) as raised:
        query.fetch_next(5)
    assert raised.value.retry_is_safe
    line.times, line.answer = 0, (200, b'{"result": [{"id": "a", "score": 1}, {"id": "b", "score": 1}]}')
    assert [hit.id for hit in query.fetch_next(1)] == ["a"]
    assert [hit.id for hit in query.fetch_next(3)] == ["b", "a", "b"]
    asked = [json.loads(request.content) for request in line.seen[1:]]
    assert [(one["batch"], one["additionalK"]) for one in asked] == [(1, 5)] * 4 + [(2, 2)]
    line.answer = (200, b'{"result": "Success"}')
    assert query.stop() == "Success"


def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Index(url, retries=0, timeout=0.2) as index:
            began = time.monotonic()
            with pytest.raises(TransportError, match="ReadTimeout") as raised:
                index.upsert([("a", [1.0])])
    assert 0.15 < time.monotonic() - began < 10
    assert not raised.value.retry_is_safe


def test_tries_come_to_an_end() -> None:
    line = Line(httpx.ConnectError("refused"), 99, b"")
    with pytest.raises(TransportError, match="http://host/index: ConnectError: refused") as raised:
        index_over(line).info()
    assert raised.value.retry_is_safe
    assert len(line.seen) == 3


def test_an_answer_that_cannot_be_unpacked_is_a_failure_of_the_network() -> None:
    line = Line(httpx.DecodingError("not gzip"), 99, b"")
    with pytest.raises(TransportError, match="DecodingError: not gzip"):
        index_over(line).info()


@pytest.mark.parametrize(
    ("status", "content", "kind", "text"),
    [
        (422, b'{"error": "no", "status": 422}', ClientError, "^no$"),
        (429, b'{"error": "many", "status": 429}', TooManyQueries, "many"),
        (500, b'{"error": "bad", "status": 500, "type": "Poisoned"}', Poisoned, "bad"),
        (500, b'{"error": "bad", "status": 500, "type": "StorageError"}', StorageError, "bad"),
        (500, b'{"error": "bad", "status": 500, "type": "SystemExit"}', ServerError, "answered 500: bad"),
        (502, b"<html>Bad Gateway</html>", ServerError, "answered 502: <html>"),
        (503, b"", ServerError, "answered 503: no body"),
        (200, b"<html>Sign in</html>", ServerError, "not the answer of info"),
        (200, b'{"result": 5}', ServerError, "not the answer of info"),
    ],
)
def test_an_error_comes_back_as_its_class(
    status: int, content: bytes, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text) as raised:
        index_over(Line(httpx.ReadTimeout(""), 0, content, status)).info()
    assert type(raised.value) is kind


def test_tokens_that_are_wrong_or_only_read_say_so() -> None:
    hosted = server().host(Engine.open(None))
    url = f"{server().url}/{hosted.name}"
    for token in (None, "wrong"):
        with Index(url, token) as index, pytest.raises(Unauthorized, match="Invalid auth token"):
            index.info()
    with Index(url, READ_ONLY) as index:
        assert index.query([1.0]) == []
        with pytest.raises(Forbidden, match="/upsert is not allowed"):
            index.upsert([("a", [1.0])])
    server().stop(hosted)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "?all", "#", "%41", "ü 😀", "\x00", "/", "a\nb"])
def test_a_namespace_of_any_name_arrives_as_it_is(name: str) -> None:
    hosted = server().host(Engine.open(None))
    with Index(f"{server().url}/{hosted.name}/", TOKEN) as index:
        index.upsert([("a", [1.0])], namespace=name)
        assert index.list_namespaces() == ["", name]
        assert [hit.id for hit in index.query([1.0], namespace=name)] == ["a"]
    server().stop(hosted)


async def test_async_calls_share_connections_and_rows_go_in_several_requests() -> None:
    hosted = server().host(Engine.open(None))
    rows = np.random.default_rng(1).standard_normal((ROWS_PER_REQUEST + 50, 4)).astype(np.float32)
    async with AsyncIndex(f"{server().url}/{hosted.name}", TOKEN) as index:
        await index.upsert_arrays(range(len(rows)), rows)
        ids, scores = await index.query_arrays(rows, top_k=1)
        assert [row[0] for row in ids] == [str(i) for i in range(len(rows))]
        assert len(scores) == len(rows)
    server().stop(hosted)


@pytest.mark.parametrize(
    ("query", "together"),
    [
        ({"vector": [1.0]}, 1_000),
        ({"vector": [0.5] * 2_000}, 500),
        ({"data": "x" * 40_000}, 500),
        ({"sparse_vector": ([*range(1_000)], [0.5] * 1_000)}, 500),
    ],
)
async def test_queries_go_as_many_together_as_a_server_takes(query: dict[str, Any], together: int) -> None:
    seen: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(len(json.loads(request.content)))
        rows = b", ".join([b'[{"id": "%d", "score": 1}]' % len(seen)] * seen[-1])
        return httpx.Response(200, content=b'{"result": [%b]}' % rows)

    expected = ["1"] * together + ["2"] * 2
    with Index.over(RemoteBackend(SETTINGS, transport=httpx.MockTransport(answer))) as index:
        assert [hit.id for [hit] in index.query_many([query] * (together + 2))] == expected
    assert seen == [together, 2]
    seen.clear()
    async with AsyncIndex.over(
        AsyncRemoteBackend(SETTINGS, transport=httpx.MockTransport(answer))
    ) as async_index:
        answers = await async_index.query_many([query] * (together + 2))
    assert [hit.id for [hit] in answers] == expected


async def test_an_async_call_is_tried_again_like_any_other() -> None:
    line = Line(httpx.ConnectError("refused"), 2, b'{"result": "Success"}')
    index = AsyncIndex.over(AsyncRemoteBackend(SETTINGS, transport=httpx.MockTransport(line)))
    assert await index.upsert([("a", [1.0])]) == "Success"
    assert len(line.seen) == 3
    await index.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("topK must be 1 or more", "top_k must be 1 or more"),
        ("sparseVector has no indices", "sparse_vector has no indices"),
        ("denseWeight", "dense_weight"),
        ("limit must be 1 or more, not topK", "limit must be 1 or more, not topK"),
    ],
)
def test_an_error_names_the_argument_as_the_call_does(text: str, told: str) -> None:
    line = Line(httpx.ReadTimeout(""), 0, json.dumps({"error": text, "status": 422}).encode(), 422)
    with pytest.raises(ClientError) as raised:
        index_over(line).info()
    assert str(raised.value) == told
