"""How much one request may ask for, and that asking for more costs nothing."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from clew.errors import ClientError
from clew.wire import ITEMS_MAX, OPERATIONS
from clew.wire.commands import TOGETHER_BYTES_MAX

QUERY = {"vector": [1, 2], "topK": 1}


@pytest.mark.parametrize("endpoint", ["query", "query-data"])
def test_more_queries_than_a_request_may_have_are_refused(ask: Any, refused: Any, endpoint: str) -> None:
    ask("/upsert", [{"id": "a", "vector": [1, 2]}])
    status, text = refused(f"/{endpoint}", [QUERY] * (ITEMS_MAX + 1))
    assert (status, text) == (422, "more than 1000 queries in one request")


def test_as_many_queries_as_a_request_may_have_are_answered(ask: Any) -> None:
    ask("/upsert", [{"id": i, "vector": [1, i]} for i in range(3)])
    queries = [{"vector": [1, i % 3], "topK": 1, "note": " " * 300} for i in range(ITEMS_MAX)]
    body = b" \n" + json.dumps(queries).encode()
    assert len(body) > TOGETHER_BYTES_MAX
    assert [hit["id"] for [hit] in ask("/query", body)] == [str(i % 3) for i in range(ITEMS_MAX)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b'{"vector": "1"}', "got `str` - at `$[900].vector`"),
        (b"5", "Expected `object`, got `int` - at `$[900]`"),
        (b'{"vector": [1,]}', "line: 1, column: "),
        (b'{"filter": "\xff"}', "line: 1, column: "),
        (b"", "line: 1, column: "),
    ],
)
def test_what_is_wrong_in_an_array_of_queries_is_told_with_its_place(
    refused: Any, wrong: bytes, said: str
) -> None:
    status, text = refused("/query", json.dumps([QUERY] * 900).encode()[:-1] + b", " + wrong + b"]")
    assert status == 400
    assert text.startswith("Missing or wrong input")
    assert said in text


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("query", lambda n: b"[" + b"{}," * n + b"{}]"),
        ("query-data", lambda n: b"[" + b"{}," * n + b"{}]"),
        ("fetch", lambda n: b"[" + b"0," * n + b"0]"),
        ("fetch", lambda n: b'{"prefix": null, "ids": [' + b"0," * n + b"0]}"),
    ],
)
def test_what_asks_for_too_much_is_refused_before_anything_is_made_of_it(
    endpoint: str, body: Callable[[int], bytes]
) -> None:
    sent = body(200_000)
    tracemalloc.start()
    try:
        with pytest.raises(ClientError, match="^more than 1000 (queries|ids) in one request$"):
            OPERATIONS[endpoint].command(sent, "", "")
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()


def test_a_large_fetch_of_few_ids_is_answered(ask: Any) -> None:
    ask("/upsert", {"id": "a", "vector": [1]})
    for body in ({"ids": ["x" * 300_000, "a"]}, ["x" * 300_000, "a"]):
        assert ask("/fetch", body) == [None, {"id": "a"}]
    assert ask("/fetch", {"prefix": "x" * 300_000}) == []
