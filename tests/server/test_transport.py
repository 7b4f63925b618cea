"""Paths, methods, tokens, bodies that are wrong."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from clew.engine.engine import Engine
from clew.wire import OPERATIONS
from opening import TOKEN, server

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


@pytest.mark.parametrize("page", ["health", "ready", "metrics", "openapi.json"])
def test_what_a_page_does_not_allow_is_refused_in_the_form_of_every_error(
    http: httpx.Client, page: str
) -> None:
    url = http.base_url.copy_with(path=f"/{page}")
    answer = http.post(url)
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/json")
    assert answer.json() == {"error": "Method POST is not allowed", "status": 405, "type": "ClientError"}
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert http.head(url).status_code == 200


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
        b'{"id": "\\ud800", "vector": [1]}',
        b'{"id": "a", "vector": [[1]]}',
    ],
)
def test_a_body_that_is_not_json_or_of_the_wrong_shape_is_wrong_input(refused: Any, body: bytes) -> None:
    status, text = refused("/upsert", body)
    assert status == 400
    assert text.startswith("Missing or wrong input")


def test_a_number_beyond_a_double_cannot_be_used_any_more_than_one_beyond_float32(refused: Any) -> None:
    for number in (b"1e39", b"1e400", b"-1e400", b"9" * 5000):
        status, text = refused("/upsert", b'{"id": "a", "vector": [1, ' + number + b"]}")
        assert (status, "range" in text) == (422, True)
    assert refused("/range", b'{"limit": 1e400}') == (422, "Number out of range - at `$.limit`")


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
