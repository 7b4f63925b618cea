"""Two rankings made one: the golden numbers, and a plain reference in float32."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from clew import _core

F = np.float32
Hits = list[tuple[int, np.float32]]


class Half:
    """Slots and scores, read as a cursor is."""

    def __init__(self, hits: Hits, *, dense: bool = False) -> None:
        self.hits = hits
        self.at = 0
        self.dense = dense

    def __call__(self, n: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        part = self.hits[self.at : self.at + n]
        self.at += len(part)
        scores = np.array([score for _, score in part], np.float32)
        return np.array([slot for slot, _ in part], np.uint32), 1 - 2 * scores if self.dense else -scores


def halves(dense: Hits, sparse: Hits) -> tuple[Half, Half]:
    return Half(dense, dense=True), Half(sparse)


def some_half(rng: np.random.Generator, slots: int, share: float) -> Hits:
    chosen = rng.permutation(slots)[: int(slots * share)]
    scores = (np.round(rng.random(len(chosen)) * 16) / 16).astype(np.float32)  # 1 - 2 * score is exact
    return sorted(zip(chosen.tolist(), scores, strict=True), key=lambda hit: (-hit[1], hit[0]))


def normalised(hits: Hits) -> list[np.float32]:
    if not hits:
        return []
    scores = [score for _, score in hits]
    n = F(len(scores))
    mean = F(0)
    for score in scores:
        mean += score - scores[0]
    mean = scores[0] + mean / n
    squares = F(0)
    for score in scores:
        squares += (score - mean) * (score - mean)
    deviation = np.sqrt(squares / (n - F(1))) if n > 1 else F(0)
    low = mean - F(3) * deviation
    spread = (mean + F(3) * deviation) - low
    return [(score - low) / spread if deviation > 0 and spread > 0 else F(0.5) for score in scores]


def fused(dense: Hits, sparse: Hits, algorithm: str, weight: float, first_rank: int = 0) -> Hits:
    total: dict[int, np.float32] = {}
    for half, share in ((dense, F(2) * F(weight)), (sparse, F(2) * (F(1) - F(weight)))):
        parts = (
            [F(1) / F(60 + first_rank + rank) for rank in range(len(half))]
            if algorithm == "RRF"
            else normalised(half)
        )
        for (slot, _), part in zip(half, parts, strict=True):
            total[slot] = total[slot] + share * part if slot in total else share * part
    return sorted(total.items(), key=lambda hit: (-hit[1], hit[0]))


def found(hits: tuple[NDArray[np.uint32], NDArray[np.float32]]) -> Hits:
    return list(zip(hits[0].tolist(), 0 - hits[1], strict=True))


@pytest.mark.parametrize("algorithm", ["RRF", "DBSF"])
@pytest.mark.parametrize("weight", [0.5, 0.0, 0.8])
def test_each_batch_fuses_the_next_of_either_half_that_were_not_returned(
    algorithm: str, weight: float
) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        dense, sparse = some_half(rng, 60, 1.0), some_half(rng, 60, rng.random())
        streams = _core.FusedStreams(
            *halves(dense, sparse), "COSINE", algorithm=algorithm, dense_weight=weight
        )
        returned: set[int] = set()
        while len(returned) < 60:
            k = int(rng.integers(1, 15))
            left = [[hit for hit in half if hit[0] not in returned][:k] for half in (dense, sparse)]
            batch = found(streams.next(k))
            assert batch == fused(*left, algorithm, weight)[:k]
            returned |= {slot for slot, _ in batch}
        assert found(streams.next(3)) == []


@pytest.mark.parametrize("algorithm", ["RRF", "DBSF"])
@pytest.mark.parametrize("window", [1, 7, 30, 200])
def test_a_window_gives_one_ranking_whatever_the_batches(algorithm: str, window: int) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        dense, sparse = some_half(rng, 60, rng.random()), some_half(rng, 60, rng.random())
        rankings = []
        for largest in (200, 20, 3):
            streams = _core.FusedStreams(*halves(dense, sparse), "COSINE", algorithm=algorithm, window=window)
            ranking: Hits = []
            while batch := found(streams.next(int(rng.integers(1, largest + 1)))):
                ranking += batch
            rankings.append(ranking)
        assert rankings[0] == rankings[1] == rankings[2]
        slots, scores = [slot for slot, _ in ranking], [score for _, score in ranking]
        assert sorted(slots) == sorted({slot for slot, _ in dense + sparse})
        assert all(a >= b for a, b in pairwise(scores))
        first = fused(dense[:window], sparse[:window], algorithm, 0.5)
        assert ranking[: len(first)] == first
        second = fused(dense[window : 2 * window], sparse[window : 2 * window], algorithm, 0.5, window)
        known = {slot for slot, _ in first}
        fresh = [slot for slot, _ in second if slot not in known]
        assert set(slots[len(first) : len(first) + len(fresh)]) == set(fresh)


@pytest.mark.parametrize("score", [0.1, 0.7, 0.9602055])
@pytest.mark.parametrize("n", [2, 3, 6, 7, 10, 100])
def test_scores_that_are_equal_are_normalised_to_a_half(score: float, n: int) -> None:
    sparse = [(slot, F(score)) for slot in range(n)]
    streams = _core.FusedStreams(*halves([], sparse), "COSINE", algorithm="DBSF", window=n)
    assert found(streams.next(n)) == [(slot, F(0.5)) for slot in range(n)]


def test_the_golden_numbers_of_both_algorithms() -> None:
    graph, lists = _core.Graph(2, "COSINE"), _core.Sparse()
    none = np.zeros(0, np.uint32)
    lists.apply(
        np.array([0, 2, 4, 6], np.uint64),
        np.array([0, 1, 1, 2, 2, 3], np.int32),
        np.array([0.1, 0.2, 0.2, 0.3, 0.3, 0.4], np.float32),
        none,
        1,
    )
    graph.apply(np.array([[0.1, 0.2], [0.2, 0.3], [0.3, 0.4]], np.float32), none, 1)

    def asked(
        vector: list[float], indices: list[int], values: list[float], **how: object
    ) -> _core.FusedCursor:
        pair = np.array(indices, np.int32), np.array(values, np.float32)
        return _core.fused_cursor(graph, lists, np.array(vector, np.float32), *pair, **how)  # type: ignore[arg-type]

    def shown(hits: tuple[NDArray[np.uint32], NDArray[np.float32]]) -> list[tuple[int, float]]:
        return list(zip(hits[0].tolist(), _core.shortest(-hits[1]), strict=True))

    assert shown(asked([0.1, 0.1], [3, 4], [0.1, 0.2], window=100).next(1)) == [(2, 0.033333335)]
    assert shown(asked([0.5, 0.1], [0, 1], [0.5, 0.1], window=100, once=True).next(1)) == [(0, 0.032795697)]
    cursor = asked([0.1, 0.1], [0], [0.1], idf=True, algorithm="DBSF")
    assert shown(cursor.next(2)) == [(2, 0.617851), (0, 0.5)]
    assert shown(cursor.next(1)) == [(1, 0.5)]
    assert shown(cursor.next(5)) == []


def test_what_does_not_fit_is_refused() -> None:
    graph, lists = _core.Graph(2, "COSINE"), _core.Sparse()
    pair = np.zeros(1, np.int32), np.zeros(1, np.float32)
    with pytest.raises(ValueError, match="3 dimensions, expected 2"):
        _core.fused_cursor(graph, lists, np.zeros(3, np.float32), *pair)
    for how, message in (({"algorithm": "SUM"}, "SUM"), ({"dense_weight": 1.5}, "0 to 1")):
        with pytest.raises(ValueError, match=message):
            _core.fused_cursor(graph, lists, np.zeros(2, np.float32), *pair, **how)
