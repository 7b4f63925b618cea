"""`update`: only the given parts change."""

from __future__ import annotations

from typing import Any

import pytest

from clew import AsyncIndex, ClientError, DimensionMismatch, Index, MetadataUpdateMode


def kept(index: Index, id: str = "a") -> tuple[Any, ...]:
    (found,) = index.fetch(id, True, True, "", True)
    assert found is not None
    return found.vector, found.metadata, found.data


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert(
        [("a", [1.0, 0.0], {"k": 1, "in": {"x": 1, "y": 2}, "list": [1]}, "text"), ("b", [0.0, 1.0])]
    )
    return index


def test_only_the_given_part_changes(filled: Index) -> None:
    metadata = {"k": 1, "in": {"x": 1, "y": 2}, "list": [1]}
    assert filled.update("a", vector=[0.5, 0.5]) is True
    assert kept(filled) == ([0.5, 0.5], metadata, "text")
    assert filled.update("a", data="other") is True
    assert kept(filled) == ([0.5, 0.5], metadata, "other")
    assert filled.update("a", metadata={"new": 1}) is True
    assert kept(filled) == ([0.5, 0.5], {"new": 1}, "other")
    assert kept(filled, "b") == ([0.0, 1.0], None, None)
    assert filled.info().vector_count == 2


@pytest.mark.parametrize("mode", [MetadataUpdateMode.PATCH, "PATCH"])
def test_a_patch_merges_as_rfc_7396_says(filled: Index, mode: Any) -> None:
    patch = {
        "k": None,
        "in": {"y": 3, "z": {"deep": True}},
        "list": [2, 3],
        "new": {"gone": None, "stays": 1},
    }
    assert filled.update("a", metadata=patch, metadata_update_mode=mode)
    assert kept(filled)[1] == {
        "in": {"x": 1, "y": 3, "z": {"deep": True}},
        "list": [2, 3],
        "new": {"stays": 1},
    }


def test_a_patch_of_a_record_without_metadata_starts_from_nothing(filled: Index) -> None:
    filled.update("b", metadata={"k": {"x": None, "y": 1}}, metadata_update_mode=MetadataUpdateMode.PATCH)
    assert kept(filled, "b")[1] == {"k": {"y": 1}}


def test_an_id_or_namespace_that_is_missing_is_not_updated(filled: Index) -> None:
    assert filled.update("missing", vector=[1.0, 1.0]) is False
    assert filled.update("a", vector=[1.0, 1.0], namespace="missing") is False
    assert filled.list_namespaces() == [""]


def test_queries_and_filters_see_an_update(filled: Index) -> None:
    filled.update("b", vector=[1.0, 0.1], metadata={"k": 5})
    assert [hit.id for hit in filled.query([1.0, 0.1], top_k=1)] == ["b"]
    assert [hit.id for hit in filled.query([1.0, 0.1], filter="k = 5")] == ["b"]
    assert [hit.id for hit in filled.query([1.0, 0.1], filter="k = 1")] == ["a"]
    filled.update("a", metadata={"k": 6})
    assert filled.query([1.0, 0.1], filter="k = 1") == []


def test_an_update_that_is_refused_changes_nothing(filled: Index) -> None:
    before = kept(filled)
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 3, expected: 2"):
        filled.update("a", vector=[1.0, 2.0, 3.0], metadata={"k": 2})
    for wrong in (
        {"metadata": {"k": {1}}},
        {"data": 5, "vector": [1.0, 1.0]},
        {},
        {"metadata_update_mode": "MERGE", "data": "t"},
    ):
        with pytest.raises(ClientError):
            filled.update("a", **wrong)
    assert kept(filled) == before


def test_an_update_keeps_the_place_in_a_range(filled: Index) -> None:
    filled.update("a", vector=[0.3, 0.3])
    assert [record.id for record in filled.range(limit=10).vectors] == ["a", "b"]


async def test_an_async_update_says_whether_it_did(async_index: AsyncIndex) -> None:
    await async_index.upsert([("a", [1.0, 0.0])])
    assert await async_index.update("a", metadata={"k": 1}) is True
    assert await async_index.update("b", metadata={"k": 1}) is False
