"""`delete`: by ids, by prefix or by filter."""

from __future__ import annotations

import pytest

from clew import AsyncIndex, ClientError, Index, InvalidFilter

RECORDS = [(f"{'ab'[i % 2]}-{i}", [1.0, i / 10], {"n": i}) for i in range(10)]


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert(RECORDS)
    index.upsert(RECORDS, namespace="other")
    return index


def left(index: Index) -> set[str]:
    return {hit.id for hit in index.query([1.0, 0.0], top_k=100)}


ALL = {name for name, _, _ in RECORDS}


def test_ids_are_deleted_and_counted_once(filled: Index) -> None:
    assert filled.delete(["a-0", "b-1", "a-0", "missing"]).deleted == 2
    assert left(filled) == ALL - {"a-0", "b-1"}
    assert filled.delete(["a-0", "b-1"]).deleted == 0
    assert filled.delete("a-2").deleted == 1
    assert filled.delete([]).deleted == 0
    assert filled.fetch("a-0") == [None]


def test_a_prefix_deletes_its_records(filled: Index) -> None:
    assert filled.delete(prefix="a-").deleted == 5
    assert left(filled) == {name for name in ALL if name.startswith("b")}


def test_a_filter_deletes_what_it_admits(filled: Index) -> None:
    assert filled.delete(filter="n < 3 OR n = 9").deleted == 4
    assert left(filled) == {name for name, _, kept in RECORDS if 3 <= kept["n"] < 9}


def test_other_namespaces_keep_theirs(filled: Index) -> None:
    filled.delete(prefix="")
    assert left(filled) == set()
    assert filled.info().namespaces["other"].vector_count == 10
    assert filled.delete("a-0", namespace="missing").deleted == 0
    assert filled.list_namespaces() == ["", "other"]


def test_a_deleted_id_may_come_back(filled: Index) -> None:
    filled.delete("a-0")
    filled.upsert([("a-0", [0.0, 1.0])])
    (found,) = filled.fetch("a-0", True, True)
    assert found is not None
    assert (found.vector, found.metadata) == ([0.0, 1.0], None)


def test_exactly_one_criterion_is_given(filled: Index) -> None:
    for criteria in ({}, {"ids": "a", "prefix": "a"}, {"prefix": "a", "filter": "n = 1"}):
        with pytest.raises(ClientError, match=r"Only and only one of the ids, prefix, or filter must be"):
            filled.delete(**criteria)
    assert left(filled) == ALL


@pytest.mark.parametrize("filter", ["n =", "n = [", "("])
def test_a_malformed_filter_deletes_nothing(filled: Index, filter: str) -> None:
    with pytest.raises(InvalidFilter):
        filled.delete(filter=filter)
    assert left(filled) == ALL


def test_an_empty_filter_does_not_delete_everything(filled: Index) -> None:
    with pytest.raises(ClientError):
        filled.delete(filter="")
    assert left(filled) == ALL


async def test_an_async_delete_counts_the_same(async_index: AsyncIndex) -> None:
    await async_index.upsert(RECORDS)
    assert (await async_index.delete(prefix="a-")).deleted == 5
    assert (await async_index.delete("b-1")).deleted == 1
