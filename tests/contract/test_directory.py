"""An index in a directory: what was kept is there again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clew import AlreadyOpen, AsyncIndex, ClientError, Index

pytestmark = pytest.mark.usefixtures("quick_links")

ROWS = np.random.default_rng(11).standard_normal((3000, 8)).astype(np.float32)


def test_a_directory_opened_again_holds_everything(tmp_path: Path) -> None:
    with Index(tmp_path / "deep" / "dir", similarity_function="EUCLIDEAN") as index:
        index.upsert_arrays(range(3000), ROWS, metadata=[{"n": i} for i in range(3000)])
        index.delete(filter="n >= 2900")
        index.update("5", metadata={"n": -5})
        index.upsert([("6", ROWS[7], None, "text")], namespace="ns")
        before = (
            index.query(ROWS[5], top_k=100, include_metadata=True),
            index.range("10", 50),
        )
        index.list_namespaces()
    with Index(str(tmp_path / "deep" / "dir")) as index:
        assert index.info().similarity_function == "EUCLIDEAN"
        assert index.info().vector_count == 2901
        after = (
            index.query(ROWS[5], top_k=100, include_metadata=True),
            index.range("10", 50),
        )
        index.list_namespaces()
        assert [hit.id for hit in after[0]] == [hit.id for hit in before[0]]
        assert after[1:] == before[1:]
        index.upsert([("new", ROWS[0])])
        with index.resumable_query(ROWS[5], top_k=1000) as query:
            assert len(list(query)) == 2901


def test_settings_that_contradict_the_directory_are_refused(tmp_path: Path) -> None:
    with Index(tmp_path, similarity_function="EUCLIDEAN", dimension=2):
        pass
    with pytest.raises(ClientError, match="EUCLIDEAN"):
        Index(tmp_path, similarity_function="COSINE")
    with pytest.raises(ClientError, match="2"):
        Index(tmp_path, dimension=3)
    Index(tmp_path, similarity_function="EUCLIDEAN", dimension=2).close()


def test_a_directory_is_opened_by_one_at_a_time(tmp_path: Path) -> None:
    with Index(tmp_path), pytest.raises(AlreadyOpen):
        Index(tmp_path)
    Index(tmp_path).close()


def test_a_closed_index_says_so(index: Index) -> None:
    index.upsert([("a", [1.0, 0.0])])
    query = index.resumable_query([1.0, 0.0], top_k=1)
    query.start()
    index.close()
    index.close()
    for call in (index.info, lambda: index.query([1.0, 0.0]), lambda: index.upsert([("b", [1.0, 0.0])])):
        with pytest.raises(ClientError, match="closed"):
            call()
    with pytest.raises(ClientError, match="closed"):
        query.fetch_next(1)


async def test_a_closed_async_index_says_so(async_index: AsyncIndex) -> None:
    await async_index.upsert([("a", [1.0, 0.0])])
    await async_index.close()
    await async_index.close()
    with pytest.raises(ClientError, match="closed"):
        await async_index.info()
