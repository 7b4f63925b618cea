"""P11: no writer waits on an open query."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clew import Index, QueryNotActive

pytestmark = pytest.mark.usefixtures("quick_links")

ROWS = np.random.default_rng(2).standard_normal((2200, 8)).astype(np.float32)


def within(seconds: float, work: Callable[[], Any]) -> None:
    """Run `work` on a thread; fail where it waits for something that does not come."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "a writer waits"
    assert errors == []


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert_arrays([str(i) for i in range(2200)], ROWS, metadata=[{"i": i} for i in range(2200)])
    return index


def test_every_kind_of_write_goes_on_beside_open_queries(filled: Index) -> None:
    queries = [filled.resumable_query(row, top_k=3) for row in ROWS[:50]]
    for query in queries:
        query.start()

    def write() -> None:
        filled.upsert([("new", ROWS[0]), ("5", ROWS[1])])
        filled.update("6", metadata={"i": -1})
        filled.delete(filter="i >= 2000")
        filled.delete(prefix="19")
        filled.upsert([("a", ROWS[0])], namespace="other")
        filled.rename_namespace("other", "another")
        filled.delete_namespace("another")

    within(30, write)
    for query in queries:
        assert len(query.fetch_next(10)) == 10
        query.stop()
    within(30, filled.reset)


def test_a_writer_does_not_wait_for_a_query_that_is_being_read(filled: Index) -> None:
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with filled.resumable_query(ROWS[0], top_k=50) as query:
                query.start()
                query.fetch_next(1000)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        within(60, lambda: [filled.upsert([(f"w{i}", ROWS[i])]) for i in range(100)])
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert filled.info().vector_count == 2300


def test_open_queries_do_not_stop_one_another(filled: Index) -> None:
    first, second = (filled.resumable_query(ROWS[0], top_k=5) for _ in range(2))
    ahead = first.start()
    assert [hit.id for hit in second.start()] == [hit.id for hit in ahead]
    first.stop()
    assert len(second.fetch_next(100)) == 100
    second.stop()


def test_an_idle_query_keeps_no_space_from_being_reclaimed(make_index: Any, clock: Any) -> None:
    index = make_index(clock=clock)
    ids = [str(i) for i in range(300)]  # few enough to be scanned: this is about records

    def rewrite(times: int) -> int:
        for _ in range(times):
            index.upsert_arrays(ids, ROWS[:300])
        return int(index.info().index_size)

    rewrite(4)
    query = index.resumable_query(ROWS[0], top_k=5, max_idle=60)
    query.start()
    pinned = rewrite(10)
    assert len(query.fetch_next(10)) == 10
    clock.advance(60)
    with pytest.raises(QueryNotActive):  # real time has not passed, so the sweep has not come by
        query.fetch_next(1)
    # What the query pinned is used again, as soon as the background has got round to it: a store that kept it
    # would be twice as large by now, and stay so.
    sizes = [rewrite(10)]
    while sizes[-1] > 1.2 * pinned and len(sizes) < 20:
        sizes.append(rewrite(1))
    assert sizes[-1] <= 1.2 * pinned, sizes
