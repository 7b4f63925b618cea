"""Namespaces: made by the first upsert, listed, deleted, renamed."""

from __future__ import annotations

import pytest

from clew import AsyncIndex, ClientError, Index, NamespaceNotFound


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert([("a", [1.0, 0.0])], namespace="one")
    index.upsert([("b", [0.0, 1.0], {"k": 1})], namespace="two")
    return index


def test_only_an_upsert_makes_a_namespace(index: Index) -> None:
    index.query([1.0, 0.0], namespace="ns")
    index.fetch("a", namespace="ns")
    index.range(namespace="ns")
    index.delete("a", namespace="ns")
    index.update("a", vector=[1.0, 0.0], namespace="ns")
    index.reset("ns")
    index.random("ns")
    assert index.list_namespaces() == [""]
    index.upsert([("a", [1.0, 0.0])], namespace="ns")
    assert index.list_namespaces() == ["", "ns"]


def test_the_default_comes_first_then_the_order_of_creation(index: Index) -> None:
    for namespace in ("zebra", "ape", "ü/ö ?", ""):
        index.upsert([("a", [1.0])], namespace=namespace)
    assert index.list_namespaces() == ["", "zebra", "ape", "ü/ö ?"]


def test_namespaces_do_not_see_one_another(filled: Index) -> None:
    assert filled.fetch("a", namespace="two") == [None]
    assert [hit.id for hit in filled.query([1.0, 0.0], namespace="two")] == ["b"]
    assert filled.query([1.0, 0.0]) == []


def test_a_namespace_is_deleted_with_its_records(filled: Index) -> None:
    assert filled.delete_namespace("one") == "Success"
    assert filled.list_namespaces() == ["", "two"]
    assert filled.fetch("a", namespace="one") == [None]
    filled.upsert([("c", [1.0, 0.0])], namespace="one")
    assert [hit.id for hit in filled.query([1.0, 0.0], namespace="one")] == ["c"]


def test_a_missing_namespace_cannot_be_deleted_or_renamed(filled: Index) -> None:
    with pytest.raises(NamespaceNotFound, match="missing"):
        filled.delete_namespace("missing")
    with pytest.raises(NamespaceNotFound, match="missing"):
        filled.rename_namespace("missing", "other")


def test_the_default_namespace_stays(filled: Index) -> None:
    with pytest.raises(ClientError, match="default namespace"):
        filled.delete_namespace("")
    with pytest.raises(ClientError):
        filled.rename_namespace("", "other")
    with pytest.raises(ClientError):
        filled.rename_namespace("one", "")
    assert filled.list_namespaces() == ["", "one", "two"]


def test_a_namespace_is_renamed_with_its_records(filled: Index) -> None:
    assert filled.rename_namespace("one", "three") == "Success"
    assert set(filled.list_namespaces()) == {"", "three", "two"}
    assert [hit.id for hit in filled.query([1.0, 0.0], namespace="three")] == ["a"]
    assert filled.query([1.0, 0.0], namespace="one") == []
    filled.upsert([("new", [1.0, 0.0])], namespace="three")
    assert filled.info().namespaces["three"].vector_count == 2


def test_a_name_that_is_taken_is_given_only_when_asked(filled: Index) -> None:
    with pytest.raises(ClientError, match="already exists"):
        filled.rename_namespace("one", "two")
    assert filled.rename_namespace("one", "two", delete_existing=True) == "Success"
    assert filled.list_namespaces() == ["", "two"]
    assert [hit.id for hit in filled.query([1.0, 0.0], namespace="two", filter="k = 1")] == []
    assert [hit.id for hit in filled.query([1.0, 0.0], namespace="two")] == ["a"]


async def test_an_async_index_has_namespaces_too(async_index: AsyncIndex) -> None:
    await async_index.upsert([("a", [1.0])], namespace="one")
    assert await async_index.rename_namespace("one", "two") == "Success"
    assert await async_index.list_namespaces() == ["", "two"]
    assert await async_index.delete_namespace("two") == "Success"
    with pytest.raises(NamespaceNotFound):
        await async_index.delete_namespace("two")
