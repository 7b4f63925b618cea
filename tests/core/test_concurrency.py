"""Readers beside a writer: what the thread sanitizer watches."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from clew import _core
from vectors import NONE, bitmap, clustered

# Without codes and with them.
DIMENSIONS = [8, 48]


def in_threads(*works: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # carried to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_readers_see_whole_changes_while_a_writer_works(dimension: int) -> None:
    rows = clustered(1200, dimension, seed=21)
    graph = _core.Graph(dimension, "EUCLIDEAN", link_min=100, ef_construction=32)
    graph.apply(rows[:200], NONE, 1)
    done = threading.Event()

    def write() -> None:
        for seq, start in enumerate(range(200, 1200, 50), 2):
            removed = np.arange(start - 200, start - 150, dtype=np.uint32)
            graph.apply(rows[start : start + 50], removed, seq, 2)
        done.set()

    def read() -> None:
        rounds = 0
        while rounds < 5 or (not done.is_set() and rounds < 500):
            rounds += 1
            assert len(graph.search(rows[rounds], 10)[0]) == 10
            cursor = graph.cursor(
                rows[rounds], allowed=bitmap(np.ones(1200, bool)) if rounds % 3 == 0 else None
            )
            slots: list[int] = []
            while len(batch := cursor.next(60)[0]):
                slots += batch.tolist()
            # Every change adds as many as it removes: a view holds 200, whichever it is.
            assert len(slots) == len(set(slots)) == 200
            assert max(slots) - min(slots) == 199

    in_threads(write, read, read)
    assert graph.live == 200


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_batches_of_queries_and_compaction_run_beside_readers(dimension: int) -> None:
    rows = clustered(1500, dimension, seed=22)
    graph = _core.Graph(dimension, "COSINE", link_min=100, ef_construction=32)
    graph.apply(rows, NONE, 1, 2)
    graph.apply(rows[:0], np.arange(0, 1500, 2, dtype=np.uint32), 2)

    def search() -> None:
        for start in range(0, 100, 20):
            assert graph.search_many(rows[start : start + 20], 5, threads=2)[2].tolist() == [5] * 20

    def compact() -> None:
        for _ in range(3):
            assert graph.compact(2)[0].live == 750

    in_threads(search, compact, search)
