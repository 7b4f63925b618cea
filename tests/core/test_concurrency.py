"""Readers beside a writer: what the thread sanitizer watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

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


@pytest.mark.parametrize("metric", ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"])
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_compaction_and_an_image_beside_a_writer_are_of_one_moment(
    dimension: int, metric: str, tmp_path: Path
) -> None:
    rows = clustered(1600, dimension, seed=23)
    rows[700:730] = rows[7]  # copies
    rows[900] = 1e-30  # kept apart under cosine
    rows *= np.linspace(1, 3, 1600, dtype=np.float32)[:, None]  # the longest is always among the last
    graph = _core.Graph(dimension, metric, link_min=100, ef_construction=32)
    graph.apply(rows[:400], NONE, 1)
    done = threading.Event()

    def write() -> None:
        for seq, start in enumerate(range(400, 1600, 30), 2):
            removed = np.arange(start - 400, start - 370, dtype=np.uint32)
            graph.apply(rows[start : start + 30], removed, seq, 2)
        done.set()

    def look(made: _core.Graph, first: int) -> None:
        # Every change adds as many as it removes.
        assert made.live == 400
        slots = made.search(rows[first], 400, exact=True)[0]
        assert len(slots) == 400
        assert made.rows(slots).shape == (400, dimension)

    def compact() -> None:
        rounds = 0
        while rounds < 3 or not done.is_set():
            rounds += 1
            made, old = graph.compact(2)
            assert made.size == 400
            assert np.ptp(old) == 399
            every = np.arange(400, dtype=np.uint32)
            assert made.rows(every).tobytes() == rows[old].tobytes()
            look(made, int(old[0]))

    def save() -> None:
        rounds = 0
        while rounds < 3 or not done.is_set():
            rounds += 1
            graph.save(str(tmp_path / "image"))
            look(_core.Graph.load(str(tmp_path / "image"))[0], rounds)

    in_threads(write, compact, save)
    assert graph.live == 400
