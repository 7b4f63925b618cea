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
