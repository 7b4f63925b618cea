"""Short requests are answered at once when their heads are known, and exactly as all others are."""

from __future__ import annotations

import socket
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest

from clew.engine.engine import Engine
from clew.server.exchange import Exchange
from clew.server.lines import Line
from opening import READ_ONLY, TOKEN, ThreadedServer, server
from raw_http import BODY, answer, asked, request


@pytest.fixture
def uvicorns_way(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that were not answered at once, one item each."""
    seen: list[Any] = []

    class Seen(Exchange):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            seen.append(arguments)

    monkeypatch.setattr("clew.server.lines.Exchange", Seen)
    return seen


def test_the_second_request_with_the_same_head_is_answered_at_once_and_alike(
    http: httpx.Client, line: socket.socket, uvicorns_way: list[Any]
) -> None:
    first = asked(line, request(http))
    assert (first[0], [hit["id"] for hit in first[1]["result"]]) == (200, ["1", "0", "2"])
    for body in (BODY, b" " + BODY, b'{"vector": [1, 0.5], "topK": 3, "includeMetadata": false}'):
        assert asked(line, request(http, body)) == first
    assert len(uvicorns_way) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"vector": "x"}', 400),
        (b'{"vector": [1]}', 422),
        (b'{"vector": [1e40, 1]}', 422),
        (b"", 400),
    ],
)
def test_errors_are_the_same_at_once(
    http: httpx.Client, line: socket.socket, uvicorns_way: list[Any], body: bytes, status: int
) -> None:
    known, ways = asked(line, request(http, body)), len(uvicorns_way)
    assert known[0] == status
    assert asked(line, request(http, body)) == known
    assert asked(line, request(http))[0] == 200
    assert len(uvicorns_way) == ways == 1


def test_a_token_is_looked_at_again_where_the_head_is_another(
    http: httpx.Client, line: socket.socket
) -> None:
    for _ in range(2):
        assert asked(line, request(http))[0] == 200
        assert asked(line, request(http, token=READ_ONLY))[0] == 200
        assert asked(line, request(http, token="wrong"))[0] == 401
        assert asked(line, request(http, path="upsert", token=READ_ONLY))[0] == 403
        assert asked(line, request(http, path="query/other"))[1] == {"result": []}
        assert asked(line, request(http, path="query?all"))[0] == 200
        assert asked(line, request(http, path="quer"))[0] == 404
        assert asked(line, request(http).replace(b"POST", b"PATCH"))[0] == 405
        assert asked(line, request(http).replace(b"POST", b"GET"))[0] == 200


def test_an_index_that_is_served_no_longer_is_not_found(line: socket.socket, http: httpx.Client) -> None:
    for _ in range(2):
        assert asked(line, request(http))[0] == 200
    server().stop(server().indexes[http.base_url.path.strip("/")])
    assert asked(line, request(http))[0] == 404


def test_a_body_may_come_in_pieces_after_its_head(
    http: httpx.Client, line: socket.socket, uvicorns_way: list[Any]
) -> None:
    whole = request(http)
    expected = asked(line, whole)
    body, last = whole.index(b"{"), len(whole) - 1
    for cuts in ((body,), (3,), (body, last), (last - 1, last)):
        for begin, end in pairwise((0, *cuts, len(whole))):
            line.sendall(whole[begin:end])
            time.sleep(0.02)
        assert answer(line) == expected
    assert len(uvicorns_way) == 2  # that of which not even the head came as a whole, and the first


def test_a_body_that_comes_late_is_still_answered(
    http: httpx.Client, line: socket.socket, uvicorns_way: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.server.lines.HELD_SECONDS_MAX", 0.05)
    whole = request(http)
    expected = asked(line, whole)
    line.sendall(whole[:-2])
    time.sleep(0.3)
    line.sendall(whole[-2:])
    assert answer(line) == expected
    assert asked(line, whole) == expected
    assert len(uvicorns_way) == 2


def test_requests_that_come_together_are_answered_in_order(http: httpx.Client, line: socket.socket) -> None:
    expected = asked(line, request(http))
    wrong = asked(line, request(http, b"{"))
    line.sendall(
        request(http) + request(http, b"{") + request(http, path="info") + request(http) + request(http)[:40]
    )
    assert answer(line) == expected
    assert answer(line) == wrong
    assert answer(line)[1]["result"]["vectorCount"] == 3
    assert answer(line) == expected
    line.sendall(request(http)[40:])
    assert answer(line) == expected


def test_requests_that_ask_for_more_are_not_taken_for_short_ones(
    http: httpx.Client, line: socket.socket
) -> None:
    chunked = request(http, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    for _ in range(2):
        assert asked(line, chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))[0] == 200
        line.sendall(request(http, BODY, "Expect: 100-continue").removesuffix(BODY))
        assert line.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert asked(line, BODY)[0] == 200
    assert asked(line, request(http, BODY, "Connection: close"))[0] == 200
    assert line.recv(1) == b""


def test_a_length_that_is_none_is_refused_after_a_good_one(http: httpx.Client, line: socket.socket) -> None:
    for _ in range(2):
        assert asked(line, request(http))[0] == 200
    length = b"Content-Length: %d" % len(BODY)
    assert asked(line, request(http).replace(length, length + b"\r\n" + length))[0] == 400


def head_of(index: str) -> bytes:
    """The head of a query of an index, without more than it needs."""
    lines = [
        f"POST /{index}/query HTTP/1.1",
        f"Authorization: Bearer {TOKEN}",
        f"Content-Length: {len(BODY)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Hasty(Line):
    head_seconds = 0.3


def test_a_connection_that_is_used_is_kept_and_one_that_idles_is_not() -> None:
    made = ThreadedServer(line=Hasty, keep_alive_s=0.4)
    try:
        name = made.host(Engine.open(None)).name
        head = head_of(name)
        with socket.create_connection(("127.0.0.1", int(made.url.rsplit(":", 1)[1])), 20) as line:
            for _ in range(5):
                assert asked(line, b"\r\n" * (_ == 2) + head + BODY) == (200, {"result": []})
                time.sleep(0.2)
            line.settimeout(10)
            began = time.monotonic()
            assert line.recv(1) == b""
            assert time.monotonic() - began < 5
    finally:
        made.close()


def test_a_server_that_stops_answers_a_request_of_which_the_head_has_come() -> None:
    made = ThreadedServer()
    name = made.host(Engine.open(None)).name
    head = head_of(name)
    with socket.create_connection(("127.0.0.1", int(made.url.rsplit(":", 1)[1])), 20) as line:
        assert asked(line, head + BODY)[0] == 200
        line.sendall(head)
        time.sleep(0.1)
        made.tell_to_stop()
        time.sleep(0.2)
        line.sendall(BODY)
        assert answer(line) == (200, {"result": []})
    made.close()
