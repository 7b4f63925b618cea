"""What goes over the wire, endpoint by endpoint."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from clew.engine.engine import Engine
from clew.types import IndexType
from clew.wire.commands import TOGETHER_BYTES_MAX
from opening import TOKEN, server

NO_MODEL = (
    "Embedding data for this index is not allowed. "
    "The index must be created with an embedding model to use it."
)


@pytest.fixture
def filled(ask: Any) -> Any:
    ask(
        "/upsert",
        [
            {"id": "id0", "vector": [0.1, 0.2]},
            {"id": "id1", "vector": [0.2, 0.3], "metadata": {"z": 1, "a": 1.5, "ü": [None, {"b": True}]}},
            {"id": "id2", "vector": [0.3, 0.4], "metadata": {"n": 2}, "data": "data"},
        ],
    )
    return ask


def test_numbers_are_shortest_decimals_of_float32_with_a_fraction(http: httpx.Client, ask: Any) -> None:
    ask("/upsert", {"id": "a", "vector": [5, 0.1, 16777217, -0.30000001, 1e-7]})
    text = http.post("/fetch", json={"ids": ["a"], "includeVectors": True}).text
    assert '"vector":[5.0,0.1,16777216.0,-0.3,1e-7]' in text
    text = http.post("/query", json={"vector": [5, 0.1, 16777217, -0.30000001, 1e-7], "topK": 1}).text
    assert text == '{"result":[{"id":"a","score":1.0}]}'


def test_what_is_absent_is_left_out_and_metadata_is_echoed_as_it_was(http: httpx.Client, filled: Any) -> None:
    body = {
        "ids": ["id0", "id1", "gone", 7],
        "includeVectors": True,
        "includeMetadata": True,
        "includeData": True,
    }
    text = http.post("/fetch", json=body).text
    assert text == (
        '{"result":[{"id":"id0","vector":[0.1,0.2]},{"id":"id1","vector":[0.2,0.3],'
        '"metadata":{"z":1,"a":1.5,"ü":[null,{"b":true}]}},null,null]}'
    )


def test_ids_are_strings_or_numbers_and_answered_as_strings(ask: Any) -> None:
    ask("/upsert", [{"id": 7, "vector": [1]}, {"id": "", "vector": [2]}, {"id": "a/+=", "vector": [3]}])
    assert ask("/fetch", {"ids": [7, "", "a/+="]}) == [{"id": "7"}, {"id": ""}, {"id": "a/+="}]
    assert ask("/fetch", [7, "x"]) == [{"id": "7"}, None]


def test_null_is_absent_and_unknown_fields_are_ignored(ask: Any) -> None:
    record = {"id": "a", "vector": [1], "sparseVector": None, "metadata": None, "data": None, "more": {}}
    assert ask("/upsert", record) == "Success"
    everything = {"includeMetadata": True, "includeData": True, "filter": None, "topK": None}
    assert ask("/query", {"vector": [1], "queryMode": None, **everything}) == [{"id": "a", "score": 1.0}]


@pytest.mark.parametrize("yes", [True, "true"])
def test_flags_are_booleans_or_their_names(filled: Any, yes: Any) -> None:
    body = {"vector": [0.3, 0.4], "topK": 1, "includeMetadata": yes, "includeData": "false"}
    assert filled("/query", body) == [{"id": "id2", "score": 1.0, "metadata": {"n": 2}}]


def test_a_batch_of_queries_is_answered_in_order_and_one_alone_flat(filled: Any) -> None:
    queries = [{"vector": [0.1, 0.2], "topK": 1}, {"vector": [0.3, 0.4], "topK": 2, "filter": "n = 2"}]
    both = filled("/query", queries)
    assert [[hit["id"] for hit in hits] for hits in both] == [["id0"], ["id2"]]
    assert filled("/query", queries[:1]) == both[0]
    assert filled("/query", []) == []
    assert filled("/query/missing", queries) == [[], []]


def test_ten_results_unless_told(ask: Any) -> None:
    ask("/upsert", [{"id": str(i), "vector": [1, i]} for i in range(30)])
    assert len(ask("/query", {"vector": [1, 0]})) == 10
    uuid = ask("/resumable-query", {"vector": [1, 0]})["uuid"]
    assert len(ask("/resumable-query-next", {"uuid": uuid})) == 10
    assert len(ask("/range", {"cursor": ""})["vectors"]) == 10


@pytest.mark.parametrize(
    ("body", "deleted"),
    [
        (b'{"ids": ["id0", "id0", "gone"]}', 1),
        (b'{"ids": "id0"}', 1),
        (b'{"ids": []}', 0),
        (b'{"ids": ["id0"], "note": 1e400}', 1),
        (b'{"prefix": "id"}', 3),
        (b'{"filter": "n = 2"}', 1),
        (b'["id0", "id1"]', 2),
        (b"[]", 0),
        (b'"id1"', 1),
        (b"id2", 1),
        (b" id2\n", 1),
        (b"dGVzdA==", 0),
    ],
)
def test_every_form_of_a_delete_works(filled: Any, body: bytes, deleted: int) -> None:
    assert filled("/delete", body) == {"deleted": deleted}
    assert filled("/info")["vectorCount"] == 3 - deleted


@pytest.mark.parametrize("id", ["123", "1.50", "1e400", "true", "null", "-", "a b", "{x"])
def test_a_bare_id_is_taken_as_it_stands(ask: Any, id: str) -> None:
    ask("/upsert", {"id": id, "vector": [1]})
    assert ask("/delete", id.encode()) == {"deleted": 1}


def test_a_range_goes_on_to_an_empty_cursor(ask: Any) -> None:
    ask("/upsert", [{"id": f"id-{i}", "vector": [1, i]} for i in range(20)])
    for start in ("0", 0, "", None):
        page = ask("/range", {"cursor": start, "limit": 4})
        assert [one["id"] for one in page["vectors"]] == [f"id-{i}" for i in range(4)]
        assert page["nextCursor"] == "4"
    page = ask("/range", {"cursor": 4, "limit": 8})
    assert page["nextCursor"] == "12"
    assert ask("/range", {"cursor": "12", "limit": 8})["nextCursor"] == ""
    assert ask("/range/missing", {"cursor": "", "limit": 4}) == {"nextCursor": "", "vectors": []}


def test_info_has_the_fields_that_every_client_needs(filled: Any) -> None:
    info = filled("/info")
    assert info.pop("indexSize") > 0
    counts = {"vectorCount": 3, "pendingVectorCount": 0}
    assert info == {
        **counts,
        "dimension": 2,
        "similarityFunction": "COSINE",
        "indexType": "DENSE",
        "denseIndex": {"dimension": 2, "similarityFunction": "COSINE", "embeddingModel": ""},
        "namespaces": {"": counts},
    }


def test_what_is_missing_answers_without_making_it(ask: Any) -> None:
    assert ask("/query/ns", {"vector": [1]}) == []
    assert ask("/fetch/ns", {"ids": ["a"]}) == [None]
    assert ask("/fetch/ns", {"prefix": "a"}) == []
    assert ask("/delete/ns", {"ids": ["a"]}) == {"deleted": 0}
    assert ask("/update/ns", {"id": "a", "metadata": {}}) == {"updated": 0}
    assert ask("/random/ns") is None
    assert ask("/reset/ns") == "Success"
    assert ask("/list-namespaces") == [""]


@pytest.mark.parametrize(("query", "left"), [("", 1), ("?all", 0), ("?all=true", 0), ("?all=false", 1)])
def test_reset_of_all_namespaces(ask: Any, query: str, left: int) -> None:
    for path in ("/upsert", "/upsert/ns"):
        ask(path, {"id": "a", "vector": [1]})
    assert ask(f"/reset{query}") == "Success"
    assert ask("/info")["vectorCount"] == left
    assert ask("/list-namespaces") == ["", "ns"]


def test_namespaces_are_deleted_and_renamed(ask: Any, refused: Any) -> None:
    ask("/upsert/a", {"id": "a", "vector": [1]})
    ask("/upsert/b", {"id": "b", "vector": [1]})
    assert refused("/delete-namespace/none") == (404, "Namespace none for the index memory does not exist")
    assert refused("/delete-namespace") == (422, "The default namespace cannot be deleted")
    rename = {"namespace": "a", "newNamespace": "b"}
    assert refused("/rename-namespace", rename) == (422, "Namespace b already exists")
    assert refused("/rename-namespace", {"namespace": "none", "newNamespace": "c"})[0] == 404
    assert refused("/rename-namespace", {"namespace": "", "newNamespace": "c"})[0] == 422
    assert refused("/rename-namespace", {"namespace": "a", "newNamespace": ""})[0] == 422
    assert ask("/rename-namespace", {**rename, "deleteExisting": "true"}) == {"renamed": True}
    assert ask("/list-namespaces") == ["", "b"]


def test_an_update_changes_what_it_names(filled: Any) -> None:
    patch = {"id": "id2", "metadata": {"n": None, "m": 1}, "metadataUpdateMode": "PATCH"}
    assert filled("/update", patch) == {"updated": 1}
    assert filled("/update", {"id": "id2", "data": "new", "metadataUpdateMode": "OVERWRITE"}) == {
        "updated": 1
    }
    everything = {"includeMetadata": True, "includeData": True}
    assert filled("/fetch", {"ids": ["id2"], **everything}) == [
        {"id": "id2", "metadata": {"m": 1}, "data": "new"}
    ]


def test_a_resumable_query_goes_to_its_end_and_then_is_gone(filled: Any, refused: Any) -> None:
    begun = filled("/resumable-query", {"vector": [0.1, 0.2], "topK": 2, "maxIdle": 60, "includeData": True})
    assert [hit["id"] for hit in begun["scores"]] == ["id0", "id1"]
    more = {"uuid": begun["uuid"], "additionalK": 5}
    (last,) = filled("/resumable-query-next", more)
    assert (last["id"], last["data"], last["score"] < begun["scores"][1]["score"]) == ("id2", "data", True)
    assert filled("/resumable-query-next", more) == []
    assert refused("/resumable-query-next", {**more, "additionalK": 0}) == (
        422,
        "additionalK must be an integer from 1 to 1000, got 0",
    )
    assert refused("/resumable-query-next", {**more, "additionalK": 1001})[0] == 422
    assert filled("/resumable-query-end", {"uuid": begun["uuid"]}) == "Success"
    for path in ("/resumable-query-next", "/resumable-query-end"):
        status, text = refused(path, more)
        assert status == 404
        assert text.startswith(f"Resumable query {begun['uuid']} does not exist")


def test_a_resumable_query_over_a_missing_namespace_is_over(ask: Any, refused: Any) -> None:
    assert ask("/resumable-query/none", {"vector": [1]}) == {"uuid": "", "scores": []}
    assert ask("/resumable-query", {"vector": [1]})["uuid"] != ""
    assert ask("/resumable-query-next", {"uuid": "", "additionalK": 5}) == []
    assert ask("/resumable-query-end", {"uuid": ""}) == "Success"
    for uuid in ("nonsense", "../.."):
        assert refused("/resumable-query-next", {"uuid": uuid})[0] == 404


REFUSED = [
    ("upsert", {"id": "a"}, "This index requires dense vectors"),
    ("upsert", {"id": "a", "data": "x"}, "This index requires dense vectors"),
    (
        "upsert",
        {"id": "a", "sparseVector": {"indices": [1], "values": [1]}},
        "This index requires dense vectors",
    ),
    ("upsert", {"id": "a", "vector": [1, 2, 3]}, "Invalid vector dimension: 3, expected: 2"),
    ("upsert", {"id": "a", "vector": []}, "Invalid vector dimension: 0, expected: 2"),
    ("upsert", {"id": "a", "vector": [1e39, 1]}, "beyond the range of float32"),
    ("upsert", {"id": "a", "vector": [1, 1], "metadata": {"n": 10**30}}, "within 64 bits"),
    ("upsert-data", {"id": "a", "data": "x"}, NO_MODEL),
    ("query", {}, "This index requires dense vectors"),
    ("query", {"sparseVector": {"indices": [1], "values": [1]}}, "This index requires dense vectors"),
    (
        "query",
        {"vector": [1, 1], "sparseVector": {"indices": [1, 2], "values": [1]}},
        "sparseVector has 2 indices",
    ),
    ("query", {"vector": [1]}, "Invalid vector dimension: 1, expected: 2"),
    ("query", {"vector": [1, 1], "topK": 0}, "topK must be an integer from 1 to 1000, got 0"),
    ("query", {"vector": [1, 1], "topK": 1001}, "topK must be"),
    ("query", {"vector": [1, 1], "filter": "n = [1]"}, "At line 1:4 token recognition error at: '['"),
    (
        "query",
        {"vector": [1, 1], "weightingStrategy": "TF"},
        "weightingStrategy is 'TF'; expected one of IDF",
    ),
    ("query", {"vector": [1, 1], "includeData": "yes"}, "includeData is 'yes'"),
    ("query", [{"vector": [1, 1]}, {}], "This index requires dense vectors"),
    ("query-data", {"data": "x"}, NO_MODEL),
    ("query-data", [{"data": "x"}, {"vector": [1, 1]}], "data is missing"),
    ("resumable-query", {"vector": [1, 1], "maxIdle": 0}, "maxIdle must be"),
    ("resumable-query-data", {"data": "x"}, NO_MODEL),
    ("fetch", {"ids": ["a"], "prefix": "a"}, "Only one of ids or prefix must be provided."),
    ("fetch", {}, "Only one of ids or prefix must be provided."),
    ("fetch", {"ids": ["a"] * 1001}, "1000"),
    (
        "delete",
        {"ids": ["a"], "prefix": "a"},
        "Only and only one of the ids, prefix, or filter must be provided.",
    ),
    ("delete", {}, "Only and only one of the ids, prefix, or filter must be provided."),
    ("delete", b'{"ids": ["id0", 1e400]}', "Number out of range - at `$.ids[1]`"),
    ("delete", b'["id0", 1e400]', "Number out of range - at `$[1]`"),
    ("delete", b"", "Only and only one of the ids, prefix, or filter must be provided."),
    ("delete", {"filter": "n >"}, "Invalid filter. At line 1:"),
    ("range", {"limit": 0}, "limit"),
    ("range", {"cursor": "x"}, "cursor"),
    ("update", {"id": "id0", "metadataUpdateMode": "MERGE"}, "metadataUpdateMode is 'MERGE'"),
]


@pytest.mark.parametrize(("endpoint", "body", "text"), REFUSED, ids=str)
def test_what_cannot_be_used_is_a_422_with_its_reason(
    filled: Any, refused: Any, endpoint: str, body: Any, text: str
) -> None:
    status, said = refused(f"/{endpoint}", body)
    assert status == 422
    assert text in said
    assert filled("/info")["vectorCount"] == 3


def with_levels(levels: int) -> bytes:
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"id": "a", "vector": [1], "metadata": ' + deep + b"}"


def test_metadata_holds_a_hundred_levels_and_no_more_as_in_process(ask: Any, refused: Any) -> None:
    assert ask("/upsert", with_levels(100)) == "Success"
    for levels in (101, 500):
        status, text = refused("/upsert", with_levels(levels))
        assert (status, "deeper than 100 levels" in text) == (422, True)


MANY = [{"id": str(i), "vector": [i, 1, *[0.5] * 62], "metadata": {"n": i}} for i in range(2000)]


def test_what_is_large_is_read_and_answered_like_what_is_small(http: httpx.Client, ask: Any) -> None:
    assert len(json.dumps(MANY)) > TOGETHER_BYTES_MAX
    ask("/upsert", MANY)
    everything = {"includeVectors": True, "includeMetadata": True}
    pages = [ask("/range", {"cursor": cursor, "limit": 1000, **everything}) for cursor in (0, 1000)]
    assert [one for page in pages for one in page["vectors"]] == MANY
    assert ask("/fetch", {"ids": [*range(50), "gone"], **everything}) == [*MANY[:50], None]
    query = {"vector": MANY[7]["vector"], **everything}
    alone = [ask("/query", {**query, "topK": k}) for k in (1, 100)]
    assert [alone[1][:1], len(alone[1])] == [alone[0], 100]
    assert ask("/query", [{**query, "topK": 100}] * 40) == [alone[1]] * 40
    begun = ask("/resumable-query", {**query, "topK": 100})
    assert begun["scores"] == alone[1]
    assert len(ask("/resumable-query-next", {"uuid": begun["uuid"], "additionalK": 1000})) == 1000


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b'{"id": "x", "vector": "1"}', "got `str` - at `$[2000].vector`"),
        (b'{"id": "x", "vector": [1,]}', "line: 1, column: "),
        (b'{"id": "\xff", "vector": [1]}', "Missing or wrong input"),
    ],
)
def test_what_is_wrong_in_a_large_body_is_told_as_in_a_small_one(
    ask: Any, refused: Any, wrong: bytes, said: str
) -> None:
    status, text = refused("/upsert", json.dumps(MANY).encode()[:-1] + b", " + wrong + b"]")
    assert status == 400
    assert text.startswith("Missing or wrong input")
    assert said in text
    assert ask("/info")["vectorCount"] == 0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("fusionWindow", 0, "fusionWindow must be an integer from 1 to 10000, got 0"),
        ("denseWeight", 2, "denseWeight must be a number from 0 to 1, got 2.0"),
    ],
)
def test_an_argument_of_a_hybrid_query_is_named_as_its_field(field: str, value: int, said: str) -> None:
    hosted = server().host(Engine.open(None, type=IndexType.HYBRID))
    url, headers = f"{server().url}/{hosted.name}", {"Authorization": f"Bearer {TOKEN}"}
    both = {"vector": [1], "sparseVector": {"indices": [1], "values": [1]}}
    httpx.post(f"{url}/upsert", json={"id": "a", **both}, headers=headers)
    answer = httpx.post(f"{url}/query", json={**both, field: value}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (422, said)
    server().stop(hosted)
