"""`upsert`: insert or replace, all or none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from clew import AsyncIndex, ClientError, Data, DimensionMismatch, Index, Vector


def kept(index: Index, *ids: str, namespace: str = "") -> list[Any]:
    found = index.fetch(list(ids), True, True, namespace, True)
    return [None if r is None else (r.id, r.vector, r.metadata, r.data) for r in found]


def test_every_form_of_a_record_is_kept(index: Index) -> None:
    assert index.upsert(
        [
            ("tuple", [0.1, 0.2], {"k": "v"}, "text"),
            {"id": "dict", "vector": (1, 2)},
            Vector("vector", np.array([0.5, 0.25]), {"k": [1, {"n": None}]}),
            (7, np.array([3, 4], dtype=np.int16)),
            ("", [0.0, 0.0]),
        ]
    ) == "Success"  # fmt: skip
    assert kept(index, "tuple", "dict", "vector", "7", "") == [
        ("tuple", [0.1, 0.2], {"k": "v"}, "text"),
        ("dict", [1.0, 2.0], None, None),
        ("vector", [0.5, 0.25], {"k": [1, {"n": None}]}, None),
        ("7", [3.0, 4.0], None, None),
        ("", [0.0, 0.0], None, None),
    ]


def test_a_record_is_replaced_as_a_whole(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0], {"k": 1}, "text")])
    index.upsert([("a", [0.0, 1.0])])
    assert kept(index, "a") == [("a", [0.0, 1.0], None, None)]
    assert index.info().vector_count == 1


def test_of_records_with_one_id_the_last_wins(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0]), ("b", [1.0, 1.0]), ("a", [0.0, 1.0], {"k": 2})])
    assert kept(index, "a") == [("a", [0.0, 1.0], {"k": 2}, None)]
    assert index.info().vector_count == 2


def test_a_write_is_visible_before_its_call_returns(index: Index) -> None:
    for i in range(20):
        index.upsert([(str(i), [1.0, i])])
        assert index.info().vector_count == i + 1
        assert index.query([1.0, i], top_k=1)[0].score == 1.0


def test_an_empty_batch_changes_nothing(index: Index) -> None:
    assert index.upsert([], namespace="ns") == "Success"
    assert index.info().vector_count == 0


@pytest.mark.parametrize(
    "bad",
    [
        ("bad", [1.0, 2.0, 3.0]), ("bad", [1.0, math.nan]), ("bad", [1.0, math.inf]), ("bad", []), ("bad",
        [1.0, 2.0], {"k": {1}}),
        ("bad", [1.0, 2.0], {}, 5), (None, [1.0, 2.0]), {"id": "bad", "vector": [1.0, 2.0], "more": 1},
        {"id": "bad"}, 5,
        ("bad", ([1], [1.0])), ("bad", "text"), Data("bad", "text"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_batch_with_one_bad_record_leaves_the_index_as_it_was(index: Index, bad: Any) -> None:
    index.upsert([("old", [1.0, 0.0], {"k": 1}, "text")])
    before = kept(index, "old"), index.info().vector_count
    with pytest.raises(ClientError):
        index.upsert([("new", [0.0, 1.0]), ("old", [0.5, 0.5]), bad])
    with pytest.raises(ClientError):
        index.upsert([("new", [0.0, 1.0]), bad], namespace="never")
    assert (kept(index, "old"), index.info().vector_count) == before
    assert kept(index, "new") == [None]
    assert index.list_namespaces() == [""]


def test_a_wrong_dimension_is_named(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0])])
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 3, expected: 2"):
        index.upsert([("b", [1.0, 0.0, 0.0])])
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 1, expected: 2"):
        index.upsert([("b", [1.0])], namespace="other")


def test_the_first_batch_must_agree_with_itself(index: Index) -> None:
    with pytest.raises(ClientError):
        index.upsert([("a", [1.0, 0.0]), ("b", [1.0])])
    index.upsert([("b", [1.0])])
    assert index.info().dimension == 1


def test_the_dimension_may_be_fixed_at_creation(make_index: Any) -> None:
    index = make_index(dimension=3)
    assert index.info().dimension == 3
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 2, expected: 3"):
        index.upsert([("a", [1.0, 0.0])])


def test_a_text_needs_an_embedding_model(index: Index) -> None:
    with pytest.raises(ClientError, match=r"Embedding data for this index|requires dense vectors"):
        index.upsert([("a", "some text")])


async def test_an_async_index_keeps_the_same(async_index: AsyncIndex) -> None:
    assert await async_index.upsert([("a", [0.1, 0.2], {"k": 1}, "text")]) == "Success"
    (found,) = await async_index.fetch("a", True, True, "", True)
    assert found is not None
    assert (found.id, found.vector, found.metadata, found.data) == ("a", [0.1, 0.2], {"k": 1}, "text")
    with pytest.raises(DimensionMismatch):
        await async_index.upsert([("b", [1.0])])
