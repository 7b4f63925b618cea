"""`info`: counts and kind."""

from __future__ import annotations

from typing import Any

import pytest

from clew import AsyncIndex, Index, NamespaceInfo


def test_a_new_index_is_empty(index: Index) -> None:
    info = index.info()
    assert (info.vector_count, info.pending_vector_count, info.index_type) == (0, 0, "DENSE")
    assert info.namespaces == {"": NamespaceInfo(0, 0)}
    assert info.sparse_index is None
    assert info.similarity_function == "COSINE"


@pytest.mark.parametrize("metric", ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"])
def test_kind_and_counts_are_told(make_index: Any, metric: str) -> None:
    index = make_index(similarity_function=metric)
    index.upsert([(str(i), [1.0, i, 0.0]) for i in range(5)])
    index.upsert([(str(i), [1.0, i, 0.0]) for i in range(3)], namespace="ns")
    info = index.info()
    assert (info.vector_count, info.dimension, info.similarity_function) == (8, 3, metric)
    assert info.dense_index is not None
    assert (
        info.dense_index.dimension,
        info.dense_index.similarity_function,
        info.dense_index.embedding_model,
    ) == (3, metric, "")
    assert {name: kept.vector_count for name, kept in info.namespaces.items()} == {"": 5, "ns": 3}
    assert info.index_size > 0


def test_counts_follow_every_write_at_once(index: Index) -> None:
    index.upsert([(str(i), [1.0, i]) for i in range(5)])
    index.upsert([("0", [1.0, 1.0]), ("0", [1.0, 2.0])])
    index.update("1", metadata={"k": 1})
    assert index.info().vector_count == 5
    index.delete(["0", "1"])
    assert index.info().vector_count == 3
    index.reset()
    assert index.info().vector_count == 0


async def test_an_async_index_tells_the_same(async_index: AsyncIndex) -> None:
    await async_index.upsert([("a", [1.0, 2.0])])
    info = await async_index.info()
    assert (info.vector_count, info.dimension) == (1, 2)
