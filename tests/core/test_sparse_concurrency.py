"""Readers of inverted lists beside a writer: what the thread sanitizer watches."""

from __future__ import annotations

import threading

import numpy as np

from clew import _core
from vectors import NONE

N, LIVE, STEP = 1200, 200, 50


def lists_of(start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One index that all have, one that some have, one of its own."""
    indices = [[1, 2 + i % 7, 100 + i] for i in range(start, stop)]
    values = np.tile(np.array([1, 0.5, 1], np.float32), stop - start)
    return (
        np.arange(0, 3 * (stop - start) + 1, 3, dtype=np.uint64),
        np.ravel(indices).astype(np.int32),
        values,
    )


def in_threads(*works: object) -> None:
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as failure:  # carried to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_readers_see_whole_changes_while_a_writer_works() -> None:
    lists, done = _core.Sparse(), threading.Event()
    lists.apply(*lists_of(0, LIVE), NONE, 1)

    def write() -> None:
        for seq, start in enumerate(range(LIVE, N, STEP), 2):
            removed = np.arange(start - LIVE, start - LIVE + STEP, dtype=np.uint32)
            lists.apply(*lists_of(start, start + STEP), removed, seq)
        done.set()

    def read() -> None:
        rounds = 0
        while rounds < 5 or (not done.is_set() and rounds < 500):
            rounds += 1
            query = np.array([1, 2 + rounds % 7], np.int32), np.ones(2, np.float32)
            assert len(lists.search(*query, 10, True)[0]) == 10
            cursor, slots = lists.cursor(*query, True), []
            while len(batch := cursor.next(60)[0]):
                slots += batch.tolist()
            # Every change adds as many as it removes: a view holds LIVE, whichever it is.
            assert len(slots) == len(set(slots)) == LIVE
            assert max(slots) - min(slots) == LIVE - 1
            if rounds % 7 == 0:
                assert lists.compact()[0].live == LIVE

    in_threads(write, read, read)
    assert lists.live == LIVE


def test_both_halves_of_a_hybrid_query_are_of_one_moment() -> None:
    graph, lists, done = (
        _core.Graph(4, "EUCLIDEAN", link_min=100, ef_construction=32),
        _core.Sparse(),
        threading.Event(),
    )
    rows = np.random.default_rng(2).standard_normal((N, 4)).astype(np.float32)
    lists.apply(*lists_of(0, LIVE), NONE, 1)
    graph.apply(rows[:LIVE], NONE, 1)

    def write() -> None:
        for seq, start in enumerate(range(LIVE, N, STEP), 2):
            removed = np.arange(start - LIVE, start - LIVE + STEP, dtype=np.uint32)
            lists.apply(*lists_of(start, start + STEP), removed, seq)
            graph.apply(rows[start : start + STEP], removed, seq)
        done.set()

    def read() -> None:
        rounds = 0
        while rounds < 5 or (not done.is_set() and rounds < 500):
            rounds += 1
            query = rows[rounds], np.array([1], np.int32), np.ones(1, np.float32)
            cursor = _core.fused_cursor(graph, lists, *query, idf=True, window=50 * (rounds % 2))
            slots: list[int] = []
            while len(batch := cursor.next(60)[0]):
                slots += batch.tolist()
            assert len(slots) == len(set(slots)) == LIVE
            assert max(slots) - min(slots) == LIVE - 1

    in_threads(write, read, read)
