"""P12: any number of threads may use one index and one query."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from clew import Index

pytestmark = pytest.mark.usefixtures("quick_links")

ROWS = np.random.default_rng(4).standard_normal((2400, 8)).astype(np.float32)


@pytest.mark.parametrize("n", [500, 2400])
def test_threads_that_share_a_query_get_every_result_once_among_them(index: Index, n: int) -> None:
    index.upsert_arrays([str(i) for i in range(n)], ROWS[:n])
    query = index.resumable_query(ROWS[0], top_k=10)
    ids = [hit.id for hit in query.start()]

    def take(size: int) -> list[str]:
        mine: list[str] = []
        while batch := query.fetch_next(size):
            assert all(a.score >= b.score for a, b in pairwise(batch))
            mine += [hit.id for hit in batch]
        return mine

    with ThreadPoolExecutor(6) as pool:
        for mine in pool.map(take, [3, 7, 20, 50, 90, 1]):
            ids += mine
    query.stop()
    assert sorted(ids, key=int) == [str(i) for i in range(n)]


def test_threads_write_and_read_one_index_at_once(index: Index) -> None:
    def write(part: int) -> None:
        for start in range(0, 300, 50):
            ids = [f"{part}-{i}" for i in range(start, start + 50)]
            index.upsert(list(zip(ids, ROWS[start : start + 50], strict=True)))
            index.delete(ids[::10])

    def read(part: int) -> None:
        for i in range(12):
            with index.resumable_query(ROWS[i + part], top_k=5) as query:
                first = query.start()
                ids = [hit.id for hit in first + list(query)]
            assert len(ids) == len(set(ids))
            index.query(ROWS[i], top_k=10, include_vectors=True)
            index.info()

    index.upsert([("seed", ROWS[0])])
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, part) for part in range(3) for work in (write, read)]:
            done.result()
    assert index.info().vector_count == 1 + 3 * 270
    with index.resumable_query(ROWS[0], top_k=100) as query:
        assert len(query.start() + list(query)) == 1 + 3 * 270


def test_a_batch_of_writes_is_seen_whole_or_not_at_all(index: Index) -> None:
    index.upsert([(str(i), ROWS[i], {"turn": 0}) for i in range(50)])

    def write() -> None:
        for turn in range(1, 40):
            index.upsert([(str(i), ROWS[i], {"turn": turn}) for i in range(50)])

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            hits = index.query(ROWS[0], top_k=100, include_metadata=True)
            assert len(hits) == 50
            assert len({hit.metadata["turn"] for hit in hits if hit.metadata}) == 1
        writing.result()
