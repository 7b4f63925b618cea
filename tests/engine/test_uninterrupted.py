"""Ctrl-C ends no write in the middle, and loses no result."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew import Index
from clew.engine.uninterrupted import Uninterrupted


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """A timer makes an interrupt, as Ctrl-C does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    alarm = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_end() -> None:
    done = []

    def work() -> None:
        with Uninterrupted():
            with Uninterrupted():
                signal.raise_signal(signal.SIGINT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_and_ignored_interrupts_are_left_alone() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Uninterrupted():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = []

    def look() -> None:
        with Uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize("durable", [False, True])
def test_a_write_is_all_or_nothing_and_the_next_one_goes_on(durable: bool, tmp_path: Path) -> None:
    rng = random.Random(4)
    index = Index(tmp_path, durability="normal") if durable else Index()
    with index:
        index.upsert([(str(i), [1.0, i], {"turn": 0}) for i in range(3)])
        query = index.resumable_query([1.0, 0.0], top_k=1)
        query.start()
        interrupted = 0
        for turn in range(1, 200):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 1e-3))
                index.upsert([(str(i), [1.0, i], {"turn": turn}) for i in range(3)])
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            found = index.range(limit=10, include_metadata=True).vectors
            assert len(found) == 3
            assert len({record.metadata["turn"] for record in found if record.metadata}) == 1
        assert interrupted
        assert len(query.fetch_next(9)) == 2
