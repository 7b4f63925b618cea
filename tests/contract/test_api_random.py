"""`random`: one record, with its vector."""

from __future__ import annotations

from clew import AsyncIndex, Index


def test_a_random_record_comes_with_its_vector_only(index: Index) -> None:
    index.upsert([("a", [0.1, 0.2], {"k": 1}, "text")])
    found = index.random()
    assert found is not None
    assert found.keys() == ["id", "vector"]
    assert (found.id, found.vector) == ("a", [0.1, 0.2])


def test_every_record_may_be_drawn_and_no_deleted_one(index: Index) -> None:
    index.upsert([(str(i), [1.0, i]) for i in range(8)], namespace="ns")
    index.delete(["0", "1", "2", "3"], namespace="ns")
    drawn = {found.id for _ in range(200) if (found := index.random("ns"))}
    assert drawn == {"4", "5", "6", "7"}


def test_nothing_is_drawn_from_an_empty_namespace_or_a_missing_one(index: Index) -> None:
    assert index.random() is None
    assert index.random("missing") is None
    assert index.list_namespaces() == [""]


async def test_an_async_index_draws_too(async_index: AsyncIndex) -> None:
    assert await async_index.random() is None
    await async_index.upsert([("a", [1.0])])
    found = await async_index.random()
    assert found is not None
    assert found.id == "a"
