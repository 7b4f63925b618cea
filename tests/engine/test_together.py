from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from clew.engine.together import Together


class Log:
    """Carries out numbers; negative ones fail, and slowly, so that others gather."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.gate = threading.Event()
        self.together: Together[int] = Together(self.choose, self.carry_out)

    def choose(self, jobs: Sequence[int]) -> int:
        """As many as have one sign."""
        return next((n for n, job in enumerate(jobs) if (job < 0) != (jobs[0] < 0)), len(jobs))

    def carry_out(self, jobs: Sequence[int]) -> None:
        assert self.gate.wait(10)
        self.lots.append(list(jobs))
        if jobs[0] < 0:
            raise KeyError(jobs[0])


def started(log: Log, jobs: Sequence[int], errors: list[BaseException]) -> list[threading.Thread]:
    """One thread for each job, begun in this order."""

    def run(job: int) -> None:
        try:
            log.together.run(job)
        except KeyError as error:
            errors.append(error)

    threads = []
    for n, job in enumerate(jobs):
        threads.append(threading.Thread(target=run, args=(job,)))
        threads[-1].start()
        until = time.monotonic() + 10
        while n and len(log.together._waiting) < n and time.monotonic() < until:
            time.sleep(0.001)
    return threads


def test_what_gathers_while_a_lot_is_carried_out_is_the_next_lot() -> None:
    log, errors = Log(), list[BaseException]()
    threads = started(log, [1, 2, 3, 4, 5], errors)
    log.gate.set()
    for thread in threads:
        thread.join(10)
    assert log.lots == [[1], [2, 3, 4, 5]]
    assert errors == []


def test_jobs_that_cannot_go_together_go_one_after_the_other_in_order() -> None:
    log, errors = Log(), list[BaseException]()
    threads = started(log, [1, 2, -3, -4, 5], errors)
    log.gate.set()
    for thread in threads:
        thread.join(10)
    assert log.lots == [[1], [2], [-3, -4], [5]]
    assert [type(error) for error in errors] == [KeyError, KeyError]


def test_an_error_ends_only_its_own_lot() -> None:
    log = Log()
    log.gate.set()
    with pytest.raises(KeyError):
        log.together.run(-1)
    log.together.run(1)
    assert log.lots == [[-1], [1]]


def test_every_job_of_many_threads_is_carried_out_once() -> None:
    log = Log()
    log.gate.set()
    threads = [
        threading.Thread(target=lambda t=t: [log.together.run(t * 1000 + i) for i in range(200)])
        for t in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    done = [job for lot in log.lots for job in lot]
    assert sorted(done) == sorted(t * 1000 + i for t in range(1, 9) for i in range(200))
    for t in range(1, 9):
        assert [job for job in done if job // 1000 == t] == [t * 1000 + i for i in range(200)]


def at_once(threads: int, rounds: int, together: Together[int]) -> None:
    """So many threads give a job, wait for it, and give the next."""
    working = [
        threading.Thread(target=lambda t=t: [together.run(t) for _ in range(rounds)]) for t in range(threads)
    ]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()


def test_threads_that_come_without_a_pause_are_in_one_lot() -> None:
    lots: list[int] = []

    def carry_out(jobs: Sequence[int]) -> None:
        lots.append(len(jobs))
        time.sleep(0.02)

    at_once(4, 20, Together(len, carry_out, patience_s=1.0))
    assert sum(lots) == 80
    assert len(lots) < 30


def test_a_thread_that_comes_alone_waits_for_nobody() -> None:
    together: Together[int] = Together(
        len, lambda jobs: time.sleep(0.2 if jobs[0] < 0 else 0.0), patience_s=9
    )
    at_once(2, 3, together)
    together.run(-1)  # waits for the other thread of the last lot, a moment, and there is nobody
    began = time.perf_counter()
    together.run(1)
    assert time.perf_counter() - began < 0.1


def test_who_is_interrupted_while_others_gather_lets_them_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    together: Together[int] = Together(len, done.extend, patience_s=9)
    together._expected, together._last_s = 3, 9.0

    def interrupted(timeout: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(together._gathered, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        together.run(1)
    monkeypatch.undo()
    together._expected = 1
    together.run(2)
    assert done == [2]
