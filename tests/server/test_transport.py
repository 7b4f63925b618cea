"""Paths, methods, tokens, bodies that are wrong."""

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
from clew.server.app import Limits
from clew.server.lines import Exchange, Line
from clew.wire import OPERATIONS
from opening import TOKEN, ThreadedServer, server

WRITES = [
    "upsert",
    "upsert-data",
    "update",
    "delete",
    "reset",
    "delete-namespace",
    "rename-namespace",
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_every_method_is_taken_and_its_body_read(ask: Any, method: str) -> None:
    assert ask("/upsert/ns", {"id": "a", "vector": [1, 2]}, method) == "Success"
    assert ask("/fetch/ns", {"ids": ["a"]}, method) == [{"id": "a"}]
    assert ask("/info", None, method)["vectorCount"] == 1
    assert ask("/delete/ns", {"ids": ["a"]}, method) == {"deleted": 1}


def test_what_the_go_and_php_sdks_send_is_understood(ask: Any) -> None:
    ask("/upsert/ns", [{"id": "dGVzdA==", "vector": [1, 2]}, {"id": "7", "vector": [3, 4]}])
    assert ask("/list-namespaces", b"null") == ask("/list-namespaces", None, "GET") == ["", "ns"]
    assert ask("/info", b"null")["vectorCount"] == ask("/info", None, "GET")["vectorCount"] == 2
    assert ask("/range/ns", {"cursor": "", "includeVectors": True})["nextCursor"] == ""
    page = ask("/range/ns", {"cursor": "0", "limit": 1, "prefix": ""}, "GET")
    assert page == {"nextCursor": "1", "vectors": [{"id": "dGVzdA=="}]}
    assert ask("/fetch/ns", {"ids": ["7"], "includeVectors": True}, "GET") == [
        {"id": "7", "vector": [3.0, 4.0]}
    ]
    assert ask("/random/ns", None, "GET")["vector"] in ([1.0, 2.0], [3.0, 4.0])
    assert ask("/delete/ns", b"dGVzdA==") == {"deleted": 1}
    assert ask("/delete/ns", {"ids": ["7"]}, "DELETE") == {"deleted": 1}
    assert ask("/reset/ns", None, "DELETE") == ask("/reset?all=true", None, "DELETE") == "Success"
    assert ask("/delete-namespace/ns", None, "DELETE") == "Success"


def test_head_answers_without_a_body_and_the_connection_goes_on(http: httpx.Client) -> None:
    head = http.head("/info")
    assert (head.status_code, head.content) == (200, b"")
    assert http.get("/info").status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS"])
def test_other_methods_are_not_allowed(refused: Any, method: str) -> None:
    assert refused("/query", {"vector": [1]}, method)[0] == 405


@pytest.mark.parametrize("path", ["/", "/none", "/Query", "/query-next/x"])
def test_an_unknown_endpoint_is_not_found(refused: Any, path: str) -> None:
    assert refused(path, ["get", "1", "2"])[0] == 404
    assert refused(path, b"", headers={"Authorization": ""})[0] == 401


def test_an_unknown_index_is_not_found(http: httpx.Client) -> None:
    assert httpx.post(f"{http.base_url.copy_with(path='/elsewhere/query')}").status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \xff", f"Bearer {TOKEN} x"]
)
def test_a_token_that_is_missing_malformed_or_wrong_is_refused(refused: Any, given: str) -> None:
    headers = {"Authorization": given.encode("latin-1")}
    assert refused("/info", headers=headers) == (401, "Unauthorized: Invalid auth token")


def test_the_scheme_of_a_token_is_of_any_case(http: httpx.Client) -> None:
    assert http.post("/info", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("endpoint", OPERATIONS)
def test_a_read_only_token_reads_and_does_not_write(
    http: httpx.Client, read_only: dict[str, str], endpoint: str
) -> None:
    answer = http.post(f"/{endpoint}/ns", content=b"{not json", headers=read_only)
    if endpoint in WRITES:
        assert answer.status_code == 403
        assert answer.json()["error"] == f"Forbidden: /{endpoint} is not allowed"
    else:
        assert answer.status_code in (200, 400)


@pytest.mark.parametrize(
    "name", ["ns", "a/b", "a b", "ü", "%", "?", "..", ".", "a\n", "\x00", "+", "#", "a//b", "😀"]
)
def test_a_namespace_is_the_rest_of_the_path_decoded(http: httpx.Client, ask: Any, name: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in name.encode())
    ask(f"/upsert/{escaped}", {"id": "a", "vector": [1]})
    assert ask("/list-namespaces") == ["", name]


def test_no_segment_and_an_empty_one_are_the_default_namespace(ask: Any) -> None:
    ask("/upsert/", {"id": "a", "vector": [1]})
    ask("/upsert", {"id": "b", "vector": [1]})
    assert ask("/info")["namespaces"] == {"": {"vectorCount": 2, "pendingVectorCount": 0}}
    assert ask("/list-namespaces") == [""]


def test_a_slash_within_a_namespace_needs_no_escape(ask: Any) -> None:
    ask("/upsert/a/b", {"id": "a", "vector": [1]})
    assert ask("/list-namespaces") == ["", "a/b"]


def test_a_namespace_that_is_not_utf8_is_refused(refused: Any) -> None:
    assert refused("/query/%FF", {"vector": [1]})[0] == 422


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1",
        b"nonsense",
        b'"\xff"',
        b"\x00",
        b"[" * 100_000,
        b'{"id": "a", "vector": [NaN]}',
        b'{"vectors": [[1, 2]]}',
        b'{"id": "a", "vector": "1,2"}',
        b'{"id": null}',
        b'{"id": {}}',
        b"5",
        b"null",
        b'{"id": "a", "vector": [1], "metadata": [1]}',
        b'{"id": "a", "vector": [1], "data": 5}',
        b'[{"id": 1}, 5]',
        b'{"id": "a", "vector": [1e999]}',
        b'{"id": "\\ud800", "vector": [1]}',
        b'{"id": "a", "vector": [[1]]}',
    ],
)
def test_a_body_that_is_not_json_or_of_the_wrong_shape_is_wrong_input(refused: Any, body: bytes) -> None:
    status, text = refused("/upsert", body)
    assert status == 400
    assert text.startswith("Missing or wrong input")


def test_the_place_of_an_error_is_told(refused: Any) -> None:
    text = refused("/upsert", b'{"id":\n  bad}')[1]
    assert text == "Missing or wrong input at [Source: (ByteArrayInputStream); line: 2, column: 3]"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"nonsense", b"\xff", b"{}"])
def test_endpoints_without_arguments_ignore_the_body(ask: Any, body: bytes) -> None:
    ask("/upsert/ns", {"id": "a", "vector": [1]})
    assert ask("/list-namespaces", body) == ["", "ns"]
    assert ask("/info", body)["vectorCount"] == 1
    assert ask("/random/ns", body) == {"id": "a", "vector": [1.0]}
    assert ask("/reset/ns", body) == "Success"
    assert ask("/delete-namespace/ns", body) == "Success"


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

        def __init__(self, cycle: Any) -> None:
            super().__init__(cycle)
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
    assert (len(left), alive <= 1) == (31, True)


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


def test_the_content_type_does_not_matter(http: httpx.Client) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "nonsense"):
        body = b'{"id": "a", "vector": [1]}'
        assert http.post("/upsert", content=body, headers={"Content-Type": kind}).status_code == 200


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
        for first_s, then_s, whole in ((0.0, 0.05, True), (2.0, 0.0, False)):
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


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x00\xa5", b"GET  / / /\r\n\r\n"])
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


def test_a_resumable_query_belongs_to_its_index(http: httpx.Client, ask: Any) -> None:
    other = server().host(Engine.open(None))
    uuid = ask("/resumable-query", {"vector": [1]})["uuid"]
    url = f"{server().url}/{other.name}"
    for path in ("resumable-query-next", "resumable-query-end"):
        answer = http.post(f"{url}/{path}", json={"uuid": uuid})
        assert (answer.status_code, answer.json()["type"]) == (404, "QueryNotActive")
    assert ask("/resumable-query-next", {"uuid": uuid}) == []
    server().stop(other)


def test_a_resumable_query_belongs_to_its_token(
    ask: Any, refused: Any, http: httpx.Client, read_only: dict[str, str]
) -> None:
    ask("/upsert", [{"id": i, "vector": [1, i]} for i in range(5)])
    body = {"vector": [1, 0], "topK": 1}
    of_full = ask("/resumable-query", body)["uuid"]
    of_reader = http.post("/resumable-query", json=body, headers=read_only).json()["result"]["uuid"]
    for path in ("/resumable-query-next", "/resumable-query-end"):
        assert refused(path, {"uuid": of_full}, headers=read_only)[0] == 404
        assert refused(path, {"uuid": of_reader})[0] == 404
    assert len(ask("/resumable-query-next", {"uuid": of_full})) == 4
    assert http.post("/resumable-query-end", json={"uuid": of_reader}, headers=read_only).status_code == 200


def test_more_records_than_a_request_may_have_are_refused_and_none_is_kept(
    http: httpx.Client, ask: Any, refused: Any
) -> None:
    hosted = server().indexes[http.base_url.path.strip("/")]
    hosted.records_max = 3
    ask("/upsert", [{"id": i, "vector": [1]} for i in range(3)])
    status, text = refused("/upsert", [{"id": f"x{i}", "vector": [1]} for i in range(4)])
    assert (status, text) == (422, "4 records in one request; expected at most 3")
    assert ask("/info")["vectorCount"] == 3


def test_batches_are_right_whether_they_are_quick_or_not(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("/upsert", [{"id": i, "vector": [1, i / 100]} for i in range(100)])
    uuid = ask("/resumable-query", {"vector": [1, 0], "topK": 1})["uuid"]
    ids = ["0"]
    for seconds in (1.0, 1.0, 0.0, 0.0, 1.0, 0.0):
        monkeypatch.setattr("clew.server.pace.INLINE_SECONDS_MAX", seconds)
        ids += [hit["id"] for hit in ask("/resumable-query-next", {"uuid": uuid, "additionalK": 10})]
    assert ids == [str(i) for i in range(61)]


def test_a_connection_that_breaks_off_leaves_the_server_serving(http: httpx.Client) -> None:
    address = (http.base_url.host, http.base_url.port or 80)
    for sent in (b"", b"POST", b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\n{", b"\x16\x03\x01\x00"):
        with socket.create_connection(address, 20) as broken:
            broken.sendall(sent)
    assert http.get("/info").status_code == 200


def test_health_readiness_and_metrics_need_no_token(http: httpx.Client, ask: Any) -> None:
    ask("/upsert", [{"id": i, "vector": [1]} for i in range(3)])
    http.post("/upsert", content=b"{")
    http.post("/made-up")
    uuids = [ask("/resumable-query", {"vector": [1], "topK": 1})["uuid"] for _ in range(3)]
    ask("/resumable-query-end", {"uuid": uuids.pop()})
    root = str(http.base_url.copy_with(path="/"))
    name = http.base_url.path.strip("/")
    assert httpx.get(f"{root}health").json() == {"status": "alive"}
    assert httpx.get(f"{root}ready").json()["status"] == "ready"
    text = httpx.get(f"{root}metrics").text
    for line in (
        f'clew_requests_total{{index="{name}",endpoint="upsert",status="200"}} 1',
        f'clew_requests_total{{index="{name}",endpoint="upsert",status="400"}} 1',
        f'clew_requests_total{{index="{name}",endpoint="unknown",status="404"}} 1',
        f'clew_request_seconds_bucket{{index="{name}",endpoint="upsert",le="+Inf"}} 2',
        f'clew_vectors{{index="{name}"}} 3',
        f'clew_open_cursors{{index="{name}"}} 2',
    ):
        assert line in text.split("\n")
    assert "made-up" not in text
    [cursor_bytes] = re.findall(rf'clew_cursor_bytes{{index="{name}"}} (\d+)', text)
    assert int(cursor_bytes) > 0
