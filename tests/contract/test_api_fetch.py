"""`fetch`: records by id or by prefix."""

from __future__ import annotations

import pytest

from clew import AsyncIndex, ClientError, Index

RECORDS = [(f"{'ab'[i % 2]}-{i}", [1.0, i / 10], {"n": i}, f"text {i}") for i in range(10)]


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert(RECORDS)
    return index


def test_ids_are_answered_in_their_order_with_none_where_missing(filled: Index) -> None:
    found = filled.fetch(["b-1", "missing", "a-0", "b-1"])
    assert [None if record is None else record.id for record in found] == ["b-1", None, "a-0", "b-1"]


def test_one_id_needs_no_list(filled: Index) -> None:
    filled.upsert([(5, [1.0, 1.0])])
    assert [record.id for record in filled.fetch("a-0") if record] == ["a-0"]
    assert [record.id for record in filled.fetch(5) if record] == ["5"]
    assert filled.fetch([]) == []


def test_a_record_carries_what_was_asked_for(filled: Index) -> None:
    (bare,) = filled.fetch("b-1")
    assert bare is not None
    assert bare.keys() == ["id"]
    (full,) = filled.fetch("b-1", include_vectors=True, include_metadata=True, include_data=True)
    assert full is not None
    assert (full.vector, full.metadata, full.data) == ([1.0, 0.1], {"n": 1}, "text 1")


def test_a_prefix_finds_its_records_in_insertion_order(filled: Index) -> None:
    assert [record.id for record in filled.fetch(prefix="b-") if record] == [
        f"b-{i}" for i in range(1, 10, 2)
    ]
    assert filled.fetch(prefix="B-") == []
    assert len(filled.fetch(prefix="")) == 10


@pytest.mark.parametrize("odd", ["a%", "a_", "a*", "a[", "ü", "\U0010ffff", "a\x00b", "'", '"'])
def test_a_prefix_is_taken_literally(index: Index, odd: str) -> None:
    index.upsert([(odd + "x", [1.0]), ("abc", [1.0]), (odd, [1.0]), ("zzz", [1.0])])
    assert [record.id for record in index.fetch(prefix=odd) if record] == [odd + "x", odd]
    assert [record is not None for record in index.fetch([odd, odd + "x", odd + "y"])] == [True, True, False]


def test_a_prefix_finds_at_most_a_thousand(index: Index) -> None:
    index.upsert([(f"p{i}", [1.0]) for i in range(1100)])
    assert [record.id for record in index.fetch(prefix="p") if record] == [f"p{i}" for i in range(1000)]


def test_a_missing_namespace_holds_nothing(filled: Index) -> None:
    assert filled.fetch(["a-0", "b-1"], namespace="missing") == [None, None]
    assert filled.fetch(prefix="a", namespace="missing") == []
    assert filled.list_namespaces() == [""]


def test_exactly_one_of_ids_and_prefix_is_given(filled: Index) -> None:
    with pytest.raises(ClientError, match=r"Only one of ids or prefix must be provided\."):
        filled.fetch(["a-0"], prefix="a")
    with pytest.raises(ClientError, match=r"Only one of ids or prefix must be provided\."):
        filled.fetch()


async def test_an_async_fetch_answers_the_same(async_index: AsyncIndex) -> None:
    await async_index.upsert(RECORDS)
    found = await async_index.fetch(["a-0", "missing"], include_data=True)
    assert [record and record.data for record in found] == ["text 0", None]
    assert len(await async_index.fetch(prefix="a-")) == 5
