"""P9: a query untouched for max_idle seconds is stopped, without a request having to arrive."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest

from clew import Index, QueryNotActive
from clew.engine.sessions import Session


@pytest.fixture
def timed(make_index: Any, clock: Any) -> Index:
    index: Index = make_index(clock=clock)
    index.upsert([(str(i), [1.0, i]) for i in range(100)])
    return index


def test_a_query_expires_after_max_idle_seconds_and_says_so(timed: Index, clock: Any) -> None:
    query = timed.resumable_query([1.0, 0.0], top_k=2, max_idle=5)
    query.start()
    clock.advance(5)
    for call in (lambda: query.fetch_next(1), query.stop, query.start):
        with pytest.raises(QueryNotActive, match="5 seconds"):
            call()


def test_every_batch_starts_the_time_anew(timed: Index, clock: Any) -> None:
    with timed.resumable_query([1.0, 0.0], top_k=2, max_idle=5) as query:
        query.start()
        for _ in range(5):
            clock.advance(4)
            assert len(query.fetch_next(2)) == 2


def test_the_default_is_an_hour(timed: Index, clock: Any) -> None:
    query = timed.resumable_query([1.0, 0.0], top_k=2)
    query.start()
    clock.advance(3599)
    assert len(query.fetch_next(2)) == 2
    clock.advance(3600)
    with pytest.raises(QueryNotActive, match="3600 seconds"):
        query.fetch_next(1)


def test_a_query_that_is_new_does_not_age(timed: Index, clock: Any) -> None:
    with timed.resumable_query([1.0, 0.0], top_k=2, max_idle=5) as query:
        clock.advance(100)
        assert len(query.start()) == 2


def test_leaving_the_block_of_an_expired_query_raises_nothing(timed: Index, clock: Any) -> None:
    with timed.resumable_query([1.0, 0.0], max_idle=5) as query:
        query.start()
        clock.advance(6)


def open_cursors() -> int:
    gc.collect()
    return sum(isinstance(thing, Session) for thing in gc.get_objects())


def test_the_sweep_frees_what_idle_queries_hold_without_a_request(index: Index) -> None:
    index.upsert([(str(i), [1.0, i]) for i in range(100)])
    before = open_cursors()
    kept = index.resumable_query([1.0, 0.0], top_k=2, max_idle=600)
    kept.start()
    assert open_cursors() == before + 1
    queries = [index.resumable_query([1.0, 0.0], top_k=2, max_idle=0.3) for _ in range(5)]
    for query in queries:
        query.start()
    until = time.monotonic() + 20
    time.sleep(0.3)
    while open_cursors() > before + 1 and time.monotonic() < until:
        time.sleep(0.2)  # looking at every object costs more than the rest of this test
    assert open_cursors() == before + 1
    for query in queries:
        with pytest.raises(QueryNotActive, match=r"0\.3 seconds"):
            query.fetch_next(1)
    assert len(kept.fetch_next(3)) == 3
    kept.stop()
