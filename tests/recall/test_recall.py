"""How much of the truth a graph query finds. The truth is a float64 scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clew import Index, _core
from worlds import score

pytestmark = pytest.mark.slow

N, DIMENSION, ASKED = 20_000, 48, 100
METRICS = ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"]


def clustered(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    centres = np.random.default_rng(0).standard_normal((200, DIMENSION))
    rows = centres[rng.integers(0, 200, n)] + 0.5 * rng.standard_normal((n, DIMENSION))
    return rows.astype(np.float32)


def reached(lowest: float) -> float:
    """What counts as `lowest`, given that scores are float32."""
    return lowest - 1e-6 * max(1.0, abs(lowest))


class Space:
    """An index and its rows by id."""

    def __init__(self, metric: str) -> None:
        rng = np.random.default_rng(12)
        self.metric = metric
        self.index = Index(similarity_function=metric)
        self.rows = clustered(rng, N)
        self.queries = clustered(rng, ASKED)
        self.alive = np.ones(N, dtype=bool)
        self.part = rng.permutation(N) % 1000
        self.index.upsert_arrays(range(N), self.rows, metadata=[{"part": int(part)} for part in self.part])

    def recall(self, k: int, admitted: Any = True, **how: Any) -> float:
        """The share of the true k nearest whose score is reached: a tie for another counts as found."""
        among = np.flatnonzero(self.alive & admitted)
        rows = self.rows[among].astype(np.float64)
        found = wanted = 0
        for query in self.queries:
            truth = np.sort(score(rows, query.astype(np.float64), self.metric))[::-1][:k]
            hits = self.index.query(query, top_k=k, **how)
            found += sum(hit.score >= reached(truth[-1]) for hit in hits)
            wanted += len(truth)
        return found / wanted


@pytest.fixture(scope="module", params=METRICS)
def space(request: pytest.FixtureRequest) -> Iterator[Space]:
    made = Space(request.param)
    yield made
    made.index.close()


@pytest.mark.parametrize("k", [1, 10, 100])
def test_a_query_finds_nearly_all_of_the_nearest(space: Space, k: int) -> None:
    assert space.recall(k) >= 0.98


def test_pages_together_find_at_least_what_one_query_finds(space: Space) -> None:
    found = wanted = 0
    for query in space.queries[:30]:
        truth = np.sort(score(space.rows.astype(np.float64), query.astype(np.float64), space.metric))[::-1][
            :1000
        ]
        with space.index.resumable_query(query, top_k=10) as pages:
            hits = pages.start()
            while len(hits) < 1000:
                hits += pages.fetch_next(10)
        found += sum(hit.score >= reached(truth[-1]) for hit in hits)
        wanted += 1000
    assert found / wanted >= 0.995


@pytest.mark.parametrize("share", [500, 100, 10, 1])
def test_a_filtered_query_finds_the_nearest_that_match(space: Space, share: int) -> None:
    floor = 0.98 if share > 50 else 0.999
    assert space.recall(10, space.part < share, filter=f"part < {share}") >= floor


def test_recall_stays_after_copies_and_deletes(space: Space) -> None:
    copies = np.random.default_rng(13).choice(N, 2000, replace=False)
    space.rows[copies] = space.rows[copies[:20].repeat(100)]
    space.index.upsert_arrays(
        copies, space.rows[copies], metadata=[{"part": int(space.part[i])} for i in copies]
    )
    assert space.recall(10) >= 0.98
    gone = np.random.default_rng(14).choice(N, N // 2, replace=False)
    space.alive[gone] = False
    assert space.index.delete(gone).deleted == len(gone)
    assert space.recall(10) >= 0.98
    assert space.recall(100) >= 0.97


@pytest.fixture(scope="module")
def walking() -> tuple[_core.Graph, NDArray[np.float32]]:
    rng = np.random.default_rng(13)
    graph = _core.Graph(DIMENSION, "EUCLIDEAN")
    graph.apply(clustered(rng, N), np.empty(0, np.uint32), 1, 2)
    graph.scan_cost = 1e9
    return graph, clustered(rng, ASKED)


@pytest.mark.parametrize("count", [10, 100, 400])
def test_a_first_batch_of_any_size_lacks_little(
    walking: tuple[_core.Graph, NDArray[np.float32]], count: int
) -> None:
    graph, queries = walking
    found = 0
    for query in queries:
        truth = graph.search(query, count, exact=True)[0]
        found += len(np.intersect1d(graph.cursor(query).next(count)[0], truth))
    assert found >= 0.98 * count * len(queries)
