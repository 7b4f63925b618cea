"""Where a request ends: what is not plain to see is refused, and nobody finds another request in its body."""

from __future__ import annotations

import contextlib
import socket
import time

import httpx
import pytest

from clew.engine.engine import Engine
from clew.server.lines import HEAD_BYTES_MAX, Line
from opening import TOKEN, ThreadedServer
from raw_http import BODY, answer, asked, request

LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def hidden(http: httpx.Client) -> bytes:
    """A request that would empty the index."""
    return request(http, b"", path="reset")


def until_closed(line: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := line.recv(65_536):
            received += part
    return received


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: -5",
        b"Content-Length: 0x5",
        b"Content-Length: 5 5",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length:",
        b"Content-Length: 5\nX: y",
        b"Content-Length: 5\r\nX: a\x00b",
        b"Content-Length: 5\r\nX: a\r\n b",
        b"Content Length: 5",
    ],
)
def test_a_length_that_can_be_read_in_two_ways_is_refused_and_nothing_after_it_read(
    http: httpx.Client, line: socket.socket, known: bool, lines: bytes
) -> None:
    if known:
        for _ in range(2):
            assert asked(line, request(http))[0] == 200
    line.sendall(request(http).replace(LENGTH, lines).replace(BODY, b"0\r\n\r\n") + hidden(http))
    assert until_closed(line).count(b"HTTP/1.1 ") == 1
    assert http.post("/info").json()["result"]["vectorCount"] == 3


@pytest.mark.parametrize("chunks", [b"zz", b"-1f", b"ffffffffffffffffff", b"1f\n", b" 1f"])
def test_a_chunk_of_no_known_length_is_refused_and_nothing_after_it_read(
    http: httpx.Client, line: socket.socket, chunks: bytes
) -> None:
    chunked = request(http).replace(LENGTH, b"Transfer-Encoding: chunked").removesuffix(BODY)
    line.sendall(chunked + chunks + b"\r\n" + BODY + b"\r\n0\r\n\r\n" + hidden(http))
    assert b"HTTP/1.1 200" not in until_closed(line)
    assert http.post("/info").json()["result"]["vectorCount"] == 3


def test_chunks_with_extensions_and_trailers_are_read_and_the_next_request_found(
    http: httpx.Client, line: socket.socket
) -> None:
    expected = asked(line, request(http))
    chunked = request(http).replace(LENGTH, b"Transfer-Encoding: chunked").removesuffix(BODY)
    rich = CHUNKS.replace(b"\r\n", b";a=b\r\n", 1).removesuffix(b"\r\n") + b"X: y\r\n\r\n"
    for body in (CHUNKS, rich):
        line.sendall(chunked + body + request(http))
        assert answer(line) == answer(line) == expected


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("offer", ["h2c", "websocket", "x"])
def test_an_offer_of_another_protocol_is_not_taken_up_and_its_body_read(
    http: httpx.Client, line: socket.socket, known: bool, offer: str
) -> None:
    plain, settings = request(http), "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
    expected = asked(line, plain) if known else None
    offering = request(http, BODY, f"Upgrade: {offer}", "Connection: Upgrade, HTTP2-Settings", settings)
    for _ in range(2):
        whole = asked(line, offering)
        assert whole[0] == 200
        assert whole == (expected or whole)
        line.sendall(offering.removesuffix(BODY))
        time.sleep(0.02)
        assert asked(line, BODY) == whole
    assert asked(line, plain) == whole


def test_an_offer_in_pieces_is_refused_rather_than_its_body_taken_for_a_request(
    http: httpx.Client, line: socket.socket
) -> None:
    body = hidden(http)
    whole = request(http, body, "Upgrade: h2c", "Connection: Upgrade")
    line.sendall(whole[:20])
    time.sleep(0.05)
    line.sendall(whole[20:])
    assert until_closed(line).startswith(b"HTTP/1.1 400 ")
    assert http.post("/info").json()["result"]["vectorCount"] == 3


def test_a_head_may_be_as_large_as_it_is_said_and_no_larger(http: httpx.Client, line: socket.socket) -> None:
    for known in (False, True):
        assert asked(line, request(http, BODY, "X: " + "x" * (HEAD_BYTES_MAX - 500)))[0] == 200, known
    line.sendall(request(http, b"", "X: " + "x" * HEAD_BYTES_MAX, path="reset"))
    assert b"is larger than 65536 bytes" in until_closed(line)
    assert http.post("/info").json()["result"]["vectorCount"] == 3


class Impatient(Line):
    stalled_seconds = 0.5


def test_a_client_that_asks_and_never_reads_is_let_go_and_holds_nobody_up() -> None:
    made = ThreadedServer(line=Impatient)
    try:
        hosted = made.host(Engine.open(None))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"{made.url}/{hosted.name}", headers=headers, timeout=30) as http:
            rows = [{"id": str(i) * 50, "vector": [1, i], "data": "x" * 1000} for i in range(100)]
            assert http.post("/upsert", json=rows).status_code == 200
            asking = request(http, b'{"vector": [1, 0.5], "topK": 100, "includeData": true}')
            with socket.create_connection(("127.0.0.1", http.base_url.port or 80), 20) as greedy:
                assert asked(greedy, asking)[0] == 200
                taken = 0
                with contextlib.suppress(ConnectionError):
                    while taken < 50e6:
                        taken += greedy.send(100 * asking)
                        assert http.post("/query", json={"vector": [1, 1]}).status_code == 200
            assert taken < 50e6
            assert http.post("/query", json={"vector": [1, 1]}).status_code == 200
    finally:
        made.close()
