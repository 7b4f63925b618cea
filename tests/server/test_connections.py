"""Connections: one segment for an answer, and clients that are old, slow, greedy or gone."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import socket
import time
import weakref
from typing import Any

import httpx
import numpy as np
import pytest

from clew.commands import UpsertArrays
from clew.engine.engine import Engine
from clew.server.api import Limits
from clew.server.exchange import Exchange
from clew.server.lines import Line
from opening import TOKEN, ThreadedServer


def test_an_answer_comes_in_one_piece_and_the_next_on_the_same_connection(http: httpx.Client) -> None:
    head = f"POST {http.base_url.path}info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as line:
        for _ in range(20):
            line.sendall(head.encode())
            piece = line.recv(65_536)
            assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
            assert piece.endswith(b"}}")
        line.sendall(3 * head.encode())  # three at once are answered one after another
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < 3 or not answers.endswith(b"}}"):
            answers += line.recv(65_536)


def test_nothing_of_a_request_is_left_once_the_next_has_come(
    http: httpx.Client, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[weakref.ref[Exchange]] = []

    class Watched(Exchange):
        __slots__ = ("__weakref__",)

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            left.append(weakref.ref(self))

    monkeypatch.setattr("clew.server.lines.Exchange", Watched)
    gc.disable()
    try:
        ask("/upsert", {"id": "a", "vector": [1, 2]})
        for _ in range(10):
            ask("/query", {"vector": [1, 2]})
            http.post("/query", content=b"{")
            ask("/fetch", {"ids": ["a"]})
        alive = sum(one() is not None for one in left)
    finally:
        gc.enable()
    assert (len(left), alive <= 1) == (13, True)  # short ones need none, once they are known


def test_an_old_client_is_answered_and_its_connection_closed(http: httpx.Client) -> None:
    head = f"POST {http.base_url.path}info HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as old:
        old.sendall(head.encode())
        answer = b""
        while part := old.recv(65_536):
            answer += part
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"}}")


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(http: httpx.Client) -> None:
    body = b'{"id": "a", "vector": [1]}'
    head = (
        f"POST {http.base_url.path}upsert HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as polite:
        polite.sendall(head.encode())
        assert polite.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        polite.sendall(body)
        assert polite.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_body_that_is_too_large_is_refused_and_the_server_goes_on() -> None:
    server = ThreadedServer(Limits(body_bytes=1000))
    try:
        hosted = server.host(Engine.open(None))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"{server.url}/{hosted.name}", headers=headers) as client:
            assert client.post("/upsert", content=b" " * 1001).status_code == 413
            assert client.post("/upsert", content=iter([b" " * 600] * 2)).status_code == 413
            assert client.post("/upsert", content=b" " * 100_000).json()["status"] == 413
            assert client.post("/info").status_code == 200
    finally:
        server.close()


def test_a_body_that_does_not_arrive_is_not_waited_for_for_ever() -> None:
    server = ThreadedServer(Limits(body_seconds=0.2))
    try:
        name = server.host(Engine.open(None)).name
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), 20) as slow:
            head = f"POST /{name}/upsert HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            slow.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert httpx.get(f"{server.url}/ready").json() == {"status": "ready", "indexes": 1}
    finally:
        server.close()


class Hasty(Line):
    head_seconds = 0.3


@pytest.mark.parametrize(
    "drip", [b"", b"POST / HTTP/1.1\r\nX: ", b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\nGET /"]
)
def test_a_head_that_does_not_come_to_an_end_is_not_waited_for_for_ever(drip: bytes) -> None:
    server = ThreadedServer(line=Hasty)
    try:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), 10) as slow:
            slow.sendall(drip)
            slow.settimeout(0.05)
            while time.monotonic() < began + 10:
                try:
                    if drip:
                        slow.sendall(b"x")  # a byte now and then does not help
                    if not slow.recv(1000):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
        assert 0.25 < time.monotonic() - began < 8
        assert httpx.get(f"{server.url}/ready").status_code == 200
    finally:
        server.close()


def test_a_slow_head_that_comes_in_time_is_answered_and_so_is_the_next() -> None:
    server = ThreadedServer(line=Hasty)
    try:
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), 10) as slow:
            for _ in range(3):
                for part in (b"GET /ready HT", b"TP/1.1\r\nHost: x\r\n", b"\r\n"):
                    slow.sendall(part)
                    time.sleep(0.05)
                assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK")
    finally:
        server.close()


def test_a_head_without_end_is_not_read_for_ever(http: httpx.Client) -> None:
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):  # it goes on sending when the other side has had enough
            for _ in range(10_000):
                endless.sendall(b"X-More: " + b"x" * 10_000 + b"\r\n")
            pytest.fail("100 MB were taken")
        with contextlib.suppress(ConnectionError):
            answer = endless.recv(1000)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert http.get("/info").status_code == 200


class Impatient(Line):
    stalled_seconds = 0.3


def test_an_answer_that_nobody_takes_is_let_go_and_one_that_is_taken_slowly_is_not() -> None:
    server = ThreadedServer(line=Impatient)
    try:
        hosted = server.host(Engine.open(None))
        rows = np.random.default_rng(1).standard_normal((1000, 1000), np.float32)
        hosted.engine.execute(UpsertArrays(tuple(map(str, range(1000))), rows))
        body = b'{"limit": 1000, "includeVectors": true}'
        head = f"POST /{hosted.name}/range HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        for first_s, then_s, whole in ((0.0, 0.02, True), (1.0, 0.0, False)):
            with socket.create_connection(address, 20) as slow:
                slow.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = slow.recv(1000)
                time.sleep(first_s)
                size = int(re.findall(rb"content-length: (\d+)", answer)[0]) + answer.index(b"\r\n\r\n") + 4
                taken = len(answer)
                with contextlib.suppress(ConnectionError):
                    while taken < size and (part := slow.recv(size // 20)):
                        taken += len(part)
                        time.sleep(then_s)
                assert (taken == size) is whole
    finally:
        server.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x00\xa5",
        b"GET  / / /\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_in_the_form_of_every_error(http: httpx.Client, sent: bytes) -> None:
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as odd:
        odd.sendall(sent)
        answer = b""
        while part := odd.recv(1000):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["status"] == 400


def test_a_websocket_is_not_spoken(http: httpx.Client) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "eA==",
        "Sec-WebSocket-Version": "13",
    }
    assert http.get("/info", headers=headers).status_code == 200


def test_a_connection_that_breaks_off_leaves_the_server_serving(http: httpx.Client) -> None:
    address = (http.base_url.host, http.base_url.port or 80)
    for sent in (b"", b"POST", b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\n{", b"\x16\x03\x01\x00"):
        with socket.create_connection(address, 20) as broken:
            broken.sendall(sent)
    assert http.get("/info").status_code == 200
