"""Paths, methods, tokens, bodies that are wrong."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from clew.engine.engine import Engine
from clew.server.app import Limits
from clew.wire import OPERATIONS
from opening import TOKEN, ThreadedServer

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
    ):
        assert line in text.split("\n")
    assert "made-up" not in text
