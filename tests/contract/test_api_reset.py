"""`reset`: empty one namespace, or all."""

from __future__ import annotations

import pytest

from clew import AsyncIndex, ClientError, Index


@pytest.fixture
def filled(index: Index) -> Index:
    for namespace in ("", "one", "two"):
        index.upsert([(str(i), [1.0, i]) for i in range(5)], namespace=namespace)
    return index


def counts(index: Index) -> dict[str, int]:
    return {name: kept.vector_count for name, kept in index.info().namespaces.items()}


def test_only_the_default_namespace_is_emptied_by_default(filled: Index) -> None:
    assert filled.reset() == "Success"
    assert counts(filled) == {"": 0, "one": 5, "two": 5}
    assert filled.query([1.0, 0.0]) == []
    assert filled.fetch("0") == [None]


def test_a_namespace_is_emptied_and_stays(filled: Index) -> None:
    assert filled.reset("one") == "Success"
    assert counts(filled) == {"": 5, "one": 0, "two": 5}
    assert filled.list_namespaces() == ["", "one", "two"]


def test_all_namespaces_are_emptied_and_stay(filled: Index) -> None:
    assert filled.reset(all=True) == "Success"
    assert counts(filled) == {"": 0, "one": 0, "two": 0}


def test_a_missing_namespace_is_not_made(filled: Index) -> None:
    assert filled.reset("missing") == "Success"
    assert filled.list_namespaces() == ["", "one", "two"]


def test_a_namespace_is_as_new_after_reset(filled: Index) -> None:
    filled.reset()
    filled.upsert([("0", [0.0, 1.0])])
    assert [hit.id for hit in filled.query([1.0, 0.0])] == ["0"]


def test_all_is_true_or_false(filled: Index) -> None:
    with pytest.raises(ClientError, match="^all is"):
        filled.reset("", 1)
    assert counts(filled) == {"": 5, "one": 5, "two": 5}


async def test_an_async_reset_empties_too(async_index: AsyncIndex) -> None:
    await async_index.upsert([("a", [1.0])])
    assert await async_index.reset() == "Success"
    assert (await async_index.info()).vector_count == 0
