"""Inverted lists: scores to the last digit, the same answer however it is found, snapshots."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clew import _core
from sparse_reference import Pairs, ranked, weights
from vectors import NONE, bitmap

SIDES = [[(0, 0.1), (1, 0.2)], [(1, 0.2), (2, 0.3)], [(2, 0.3), (3, 0.4)]]


def arrays(pairs: Pairs) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.array([i for i, _ in pairs], np.int32), np.array([v for _, v in pairs], np.float32)


def rows(documents: list[Pairs]) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.float32]]:
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.uint64)
    return offsets, *arrays([pair for document in documents for pair in document])


def found(hits: tuple[NDArray[np.uint32], NDArray[np.float32]]) -> list[tuple[int, float]]:
    slots, distances = hits
    return list(zip(slots.tolist(), (0 - distances).tolist(), strict=True))


@dataclass
class Kept:
    """Lists, and what must be in them."""

    lists: _core.Sparse = field(default_factory=_core.Sparse)
    live: dict[int, Pairs] = field(default_factory=dict)
    seq: int = 0

    def apply(self, added: list[Pairs], removed: list[int]) -> None:
        self.seq += 1
        first = self.lists.apply(*rows(added), np.array(removed, np.uint32), self.seq)
        for slot in removed:
            del self.live[slot]
        self.live.update(enumerate(added, first))

    def compact(self) -> None:
        self.lists, old = self.lists.compact()
        assert old.tolist() == sorted(self.live)
        self.live = {new: self.live[slot] for new, slot in enumerate(old.tolist())}

    def truth(
        self, query: Pairs, idf: bool, kept: NDArray[np.bool_] | None = None
    ) -> list[tuple[int, float]]:
        documents = {s: d for s, d in self.live.items() if kept is None or kept[s]}
        return ranked(weights(query, list(self.live.values()) if idf else None), documents)


def test_scores_are_the_golden_numbers_to_the_last_digit() -> None:
    lists = _core.Sparse()
    lists.apply(*rows(SIDES), NONE, 1)
    slots, distances = lists.search(*arrays([(0, 0.1), (1, 0.2)]), 10, True)
    assert slots.tolist() == [0, 1]
    assert _core.shortest(-distances) == [0.028608438, 0.018800145]
    assert _core.shortest(-lists.search(*arrays([(2, 0.5), (3, 0.5)]), 1, True)[1]) == [0.26666638]


def test_many_queries_need_offsets_that_fit() -> None:
    lists = _core.Sparse()
    lists.apply(*rows(SIDES), NONE, 1)
    assert lists.search_many(*rows([]), 10)[0].shape == (0, 10)
    slots, distances, counts = lists.search_many(*rows([[(9, 1.0)], [(3, 1.0)]]), 2)
    assert counts.tolist() == [0, 1]
    assert slots[1].tolist() == [2, 2**32 - 1]
    assert distances[1].tolist() == pytest.approx([-0.4, np.inf])
    with pytest.raises(ValueError, match="offsets must rise"):
        lists.search_many(np.array([0, 2], np.uint64), *arrays([(1, 1.0)]), 10)


VALUES = st.one_of(
    st.floats(-4, 4, width=32),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.0, -0.0, 1e30, -1e30, 1e-38]),
)
# Few indices, so that there are many matches and ties; unsorted and with repeats.
PAIRS = st.lists(st.tuples(st.integers(-3, 6), VALUES), min_size=0, max_size=7)
CHANGES = st.lists(st.tuples(st.lists(PAIRS, max_size=9), st.floats(0, 1)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(CHANGES, PAIRS, st.booleans(), st.booleans(), st.randoms())
def test_every_way_to_ask_gives_the_ranking_of_a_plain_loop(
    changes: list[tuple[list[Pairs], float]], query: Pairs, idf: bool, compact: bool, chance: random.Random
) -> None:
    kept = Kept()
    rng = np.random.default_rng(chance.getrandbits(32))
    for added, share in changes:
        kept.apply(added, [slot for slot in kept.live if rng.random() < share / 2])
    if compact:
        kept.compact()
    flags = rng.random(kept.lists.size) < 0.7
    with np.errstate(all="ignore"):
        cases = [(None, kept.truth(query, idf)), (bitmap(flags), kept.truth(query, idf, flags))]
    for allowed, truth in cases:
        if not all(np.isfinite(score) for _, score in truth):
            continue
        for k in (1, 3, 1000):
            assert found(kept.lists.search(*arrays(query), k, idf, allowed)) == truth[:k]
            slots, distances, counts = kept.lists.search_many(
                *rows([query, query]), k, idf, allowed, threads=2
            )
            assert counts.tolist() == [len(truth[:k])] * 2
            for row, n in enumerate(counts.tolist()):
                assert found((slots[row, :n], distances[row, :n])) == truth[:k]
        assert found(kept.lists.search(*arrays(query), 1000, idf, allowed, exhaustive=True)) == truth
        cursor, read = kept.lists.cursor(*arrays(query), idf, allowed), []
        while len((hits := cursor.next(int(rng.integers(1, 5))))[0]):
            read += found(hits)
        assert read == truth


@cache
def many(ordered: bool) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.float32]]:
    """Some windows of slots, rows of 8: few frequent indices, and values that are large in places."""
    rng = np.random.default_rng(5)
    n, stretch = 100_000, 400
    drawn = np.minimum(rng.zipf(1.3, (n, 8)), 5000)
    drawn.sort(axis=1)
    indices = drawn + np.arange(8)  # each once
    if not ordered:
        indices = rng.permuted(indices, axis=1)
    heights = rng.random((n // stretch, 5_008))
    values = np.round(rng.random((n, 8)) * heights[np.arange(n)[:, None] // stretch, indices], 2)
    offsets = np.arange(0, n * 8 + 1, 8, dtype=np.uint64)
    return offsets, indices.ravel().astype(np.int32), values.ravel().astype(np.float32)


def zipf(n: int, seed: int, *, ordered: bool) -> list[Pairs]:
    rng = np.random.default_rng(seed)
    documents = []
    for length in rng.integers(3, 30, n):
        indices = np.unique(np.minimum(rng.zipf(1.3, length), 5000))
        values = np.round(rng.random(len(indices)), 2).astype(np.float32)
        order = np.arange(len(indices)) if ordered else rng.permutation(len(indices))
        documents.append(list(zip(indices[order].tolist(), values[order].tolist(), strict=True)))
    return documents


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.01])
def test_bounds_never_lose_a_result_among_many_windows(ordered: bool, share: float) -> None:
    n, lists = len(many(ordered)[0]) - 1, _core.Sparse()
    lists.apply(*many(ordered), NONE, 1)
    rng = np.random.default_rng(6)
    lists.apply(*rows([]), rng.choice(n, n // 6, replace=False).astype(np.uint32), 2)
    allowed = None if share == 1 else bitmap(rng.random(n) < share)
    for i in range(12):
        sign = -1.0 if i % 4 == 3 else 1.0
        query = [(int(index), 1.0) for index in rng.integers(1, (5, 40, 400)[i % 3], 1 + i % 4)]
        query += [(int(rng.integers(1, 60)), sign)] * (i % 5 > 0)
        slots, distances = lists.search(*arrays(query), n, i % 2 == 0, allowed, exhaustive=True)
        for k in (1, 10, 300):
            best = lists.search(*arrays(query), k, i % 2 == 0, allowed)
            assert (best[0].tolist(), best[1].tolist()) == (slots[:k].tolist(), distances[:k].tolist())
        cursor = lists.cursor(*arrays(query), i % 2 == 0, allowed)
        read = np.concatenate([cursor.next(wanted)[0] for wanted in (7, 1, n)])
        assert read.tolist() == slots.tolist()
        assert len(cursor.next(5)[0]) == 0


@pytest.mark.parametrize("size", [100, 5_000, 60_000])
def test_everything_is_ordered_however_scores_are_spread(size: int) -> None:
    rng = np.random.default_rng(8)
    near = np.float32(1) + rng.integers(0, 50, size).astype(np.float32) * np.finfo(np.float32).eps
    outliers = np.where(rng.random(size) < 0.001, np.float32(1e30), near)
    spreads = (rng.random(size), near, outliers, -outliers, np.ones(size), rng.normal(size=size) ** 9)
    for values in spreads:
        scores = values.astype(np.float32)
        lists = _core.Sparse()
        lists.apply(np.arange(size + 1, dtype=np.uint64), np.zeros(size, np.int32), scores, NONE, 1)
        for batches in ([size], [1000, size], [200, 40_000, size], [*[130, 100, 7, 1, 3000] * 3, size]):
            cursor = lists.cursor(*arrays([(0, 1.0)]))
            read = np.concatenate([cursor.next(wanted)[0] for wanted in batches])
            assert read.tolist() == np.argsort(-scores, kind="stable").tolist()


def test_scores_are_added_up_in_the_order_of_the_record() -> None:
    document = [(5, 1e8), (2, 1.0), (9, -1e8)]
    for order in (document, sorted(document), [*document, (2, 3.0)]):
        kept = Kept()
        kept.apply([order], [])
        query = [(2, 1.0), (5, 1.0), (9, 1.0)]
        assert found(kept.lists.search(*arrays(query), 1)) == kept.truth(query, False)


def test_sums_beyond_float32_stay_within_it() -> None:
    lists = _core.Sparse()
    lists.apply(*rows([[(1, 3e38), (2, 3e38)], [(1, -3e38)], [(1, 3e38), (2, -3e38)]]), NONE, 1)
    most = float(np.finfo(np.float32).max)
    assert found(lists.search(*arrays([(1, 1e10), (2, 1e10)]), 5)) == [(0, most), (1, -most), (2, -most)]


def test_a_cursor_sees_what_was_there_when_it_was_opened() -> None:
    kept = Kept()
    kept.apply(zipf(500, 1, ordered=True), [])
    query = [(1, 1.0), (2, 0.5)]
    truth = kept.truth(query, True)
    cursor = kept.lists.cursor(*arrays(query), True)
    read = found(cursor.next(5))
    kept.apply(zipf(300, 2, ordered=True), list(range(0, 500, 2)))
    read += found(cursor.next(5))
    kept.apply([], sorted(kept.live)[:100])
    assert read + found(cursor.next(1000)) == truth
    indices, values = cursor.weighted
    assert sorted(zip(indices.tolist(), values.tolist(), strict=True)) != sorted(query)


def test_lists_beside_a_graph_show_what_the_graph_shows() -> None:
    lists, graph, query = (
        _core.Sparse(),
        _core.Graph(1, "COSINE"),
        (np.array([1], np.int32), np.ones(1, np.float32)),
    )
    one = np.array([0, 1], np.uint64), np.array([1], np.int32), np.ones(1, np.float32)
    for seq, removed in enumerate(([], [0], [1]), 1):
        shown = lists.search(*query, 5, beside=graph).slots.tolist()
        lists.apply(*one, np.array(removed, np.uint32), seq)
        assert lists.search(*query, 5).slots.tolist() == [seq - 1]
        assert lists.search(*query, 5, beside=graph).slots.tolist() == shown
        assert lists.cursor(*query, beside=graph).next(5).slots.tolist() == shown
        graph.apply(np.ones((1, 1), np.float32), np.array(removed, np.uint32), seq)
        assert lists.cursor(*query, beside=graph).next(5).slots.tolist() == [seq - 1]


def test_counts_for_idf_are_exact_through_overwrites_and_deletes() -> None:
    kept = Kept()
    rng = np.random.default_rng(3)
    for seed in range(30):
        gone = [slot for slot in kept.live if rng.random() < 0.2]
        kept.apply(zipf(int(rng.integers(0, 20)), seed, ordered=False), gone)
        for query in ([(1, 1.0)], [(2, 1.0), (3, 1.0), (1, 2.0)]):
            assert found(kept.lists.search(*arrays(query), 1000, True)) == kept.truth(query, True)


def test_vectors_come_back_as_they_were_given() -> None:
    documents: list[Pairs] = [[(3, 1.0), (-5, 2.5), (3, -0.0)], [], [(2**31 - 1, 1e-40), (-(2**31), 3e38)]]
    lists = _core.Sparse()
    lists.apply(*rows(documents), NONE, 1)
    offsets, indices, values = lists.rows(np.array([2, 0, 1], np.uint32))
    given = [documents[i] for i in (2, 0, 1)]
    assert offsets.tolist() == [0, 2, 5, 5]
    assert indices.tolist() == [i for one in given for i, _ in one]
    assert values.tobytes() == np.array([v for one in given for _, v in one], np.float32).tobytes()


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    lists = _core.Sparse()
    offsets, indices, values = rows(SIDES)
    for wrong in (offsets[1:], offsets[:-1], offsets[::-1].copy(), np.zeros(0, np.uint64)):
        with pytest.raises(ValueError, match="offsets"):
            lists.apply(wrong, indices, values, NONE, 1)
    with pytest.raises(ValueError, match="5 values"):
        lists.apply(offsets, indices, values[:5], NONE, 1)
    with pytest.raises(IndexError):
        lists.apply(offsets, indices, values, np.array([0], np.uint32), 1)
    with pytest.raises(ValueError, match="1 values"):
        lists.search(indices, values[:1], 3)
    with pytest.raises(IndexError):
        lists.rows(np.array([0], np.uint32))
    assert (lists.size, lists.live, lists.indices) == (0, 0, 0)


def test_scores_at_the_edge_of_float32_keep_the_order_of_their_slots() -> None:
    lists = _core.Sparse()
    documents: list[Pairs] = [[(1, -3e38), (3, 1.0)], [(1, -3e38)], [(1, 3e38), (3, 1.0)], [(1, 3e38)]] * 3
    lists.apply(*rows(documents), NONE, 1)
    query = [(1, 1e10), (3, 5.0)]  # the rarer is the weightiest by its value, and looked at first
    everything = found(lists.search(*arrays(query), 12, exhaustive=True))
    assert [slot for slot, _ in everything] == [2, 3, 6, 7, 10, 11, 0, 1, 4, 5, 8, 9]
    for sign in (1.0, -1.0):
        query = [(1, sign * 1e10), (3, 5.0)]
        everything = found(lists.search(*arrays(query), 12, exhaustive=True))
        for k in range(1, 13):
            assert found(lists.search(*arrays(query), k)) == everything[:k]
