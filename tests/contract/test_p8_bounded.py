"""P8: open queries hold bounded memory, and there is a cap on how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clew import Index, TooManyQueries

pytestmark = pytest.mark.usefixtures("quick_links")

ROWS = np.random.default_rng(5).standard_normal((3000, 8)).astype(np.float32)


def test_queries_that_lost_their_caches_lose_nothing_else(make_index: Any, clock: Any) -> None:
    index: Index = make_index(clock=clock, stream_bytes_max=0)
    index.upsert_arrays(
        [str(i) for i in range(3000)], ROWS, metadata=[{"even": i % 2 == 0} for i in range(3000)]
    )
    filters = ["", "even = true", ""]
    queries = [index.resumable_query(row, top_k=3, filter=f) for row, f in zip(ROWS, filters, strict=False)]
    found = [[hit.id for hit in query.start()] for query in queries]
    for turn in range(6):
        index.delete([str(i) for i in range(turn * 100, turn * 100 + 50)])
        index.upsert_arrays([str(i) for i in range(2000 + turn * 50, 2050 + turn * 50)], ROWS[:50])
        for ids, query in zip(found, queries, strict=True):
            ids += [hit.id for hit in query.fetch_next(40)]
    for ids, query, filter in zip(found, queries, filters, strict=True):
        while batch := query.fetch_next(1000):
            ids += [hit.id for hit in batch]
        query.stop()
        assert sorted(ids) == sorted(str(i) for i in range(0, 3000, 2 if filter else 1))


def test_one_query_more_than_the_cap_is_an_error_until_another_ends(make_index: Any, clock: Any) -> None:
    index: Index = make_index(clock=clock, sessions_max=3)
    index.upsert_arrays([str(i) for i in range(100)], ROWS[:100])
    queries = [index.resumable_query(ROWS[0], top_k=2) for _ in range(4)]
    for query in queries[:3]:
        query.start()
    with pytest.raises(TooManyQueries, match="3 resumable queries are active"):
        queries[3].start()
    assert len(queries[0].fetch_next(5)) == 5
    queries[0].stop()
    assert len(queries[3].start()) == 2
    for query in queries[1:]:
        query.stop()
