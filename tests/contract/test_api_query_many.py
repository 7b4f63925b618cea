"""`query_many`: several queries in one call."""

from __future__ import annotations

from typing import Any

import pytest

from clew import AsyncIndex, ClientError, Index

RECORDS = [(str(i), [1.0, i / 10], {"n": i}) for i in range(20)]
REQUESTS: list[Any] = [
    {"vector": [1.0, 0.0], "top_k": 3},
    {"vector": [1.0, 2.0], "top_k": 2, "include_metadata": True, "filter": "n < 5"},
    {"vector": [1.0, 1.0], "include_vectors": True},
]


def test_answers_are_those_of_single_queries_in_order(index: Index) -> None:
    index.upsert(RECORDS, namespace="ns")
    answers = index.query_many(REQUESTS, namespace="ns")
    assert answers == [index.query(**request, namespace="ns") for request in REQUESTS]
    assert [len(answer) for answer in answers] == [3, 2, 10]


def test_a_batch_of_one_is_a_batch(index: Index) -> None:
    index.upsert(RECORDS)
    assert index.query_many(queries=REQUESTS[:1]) == [index.query(**REQUESTS[0])]
    assert index.query_many([]) == []


def test_a_missing_namespace_answers_nothing_to_each(index: Index) -> None:
    assert index.query_many(REQUESTS, namespace="missing") == [[], [], []]


def test_more_queries_than_go_into_one_request_are_answered_in_order(index: Index) -> None:
    index.upsert(RECORDS)
    answers = index.query_many([{"vector": [1.0, i % 20 / 10], "top_k": 1} for i in range(2_100)])
    assert [len(answer) for answer in answers] == [1] * 2_100
    assert answers == [index.query([1.0, i / 10], top_k=1) for i in range(20)] * 105


def test_one_bad_query_fails_the_batch_and_is_named(index: Index) -> None:
    index.upsert(RECORDS)
    for bad in (
        {"vector": [1.0]},
        {"vector": [1.0, 0.0], "filter": "n ="},
        {"vector": [1.0, 0.0], "top_k": 0},
    ):
        with pytest.raises(ClientError):
            index.query_many([REQUESTS[0], bad])
    with pytest.raises(ClientError, match=r"queries\[1\] has the unknown key 'k'"):
        index.query_many([REQUESTS[0], {"vector": [1.0, 0.0], "k": 3}])


async def test_an_async_batch_answers_the_same(async_index: AsyncIndex) -> None:
    await async_index.upsert(RECORDS)
    answers = await async_index.query_many(REQUESTS)
    assert answers == [await async_index.query(**request) for request in REQUESTS]
