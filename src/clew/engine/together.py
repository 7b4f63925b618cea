"""Group commit: while one lot of work is being committed the next gathers, and is committed as one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

J = TypeVar("J")

# A lot waits at most for so large a share of the time that the last one took.
PATIENCE_SHARE = 0.5


class Together(Generic[J]):
    """Jobs of any number of threads, carried out in the order they came, several at once where that is
    possible.

    choose: how many of the first of these jobs, at least one, may be carried out at once. carry_out: does it;
    what it raises, all of them raise. No thread serves others for longer than its own job takes: who leads
    hands over. patience_s: for up to so long a lot waits for those to come again who were in the last; else
    threads that come without a pause are in two lots in turn.
    """

    def __init__(
        self,
        choose: Callable[[Sequence[J]], int],
        carry_out: Callable[[Sequence[J]], None],
        *,
        patience_s: float = 0.0,
    ) -> None:
        self._choose = choose
        self._carry_out = carry_out
        self._patience_s = patience_s
        self._lock = threading.Lock()  # of the queue; never held while a job is carried out
        self._waiting: deque[_Ticket[J]] = deque()
        self.led = False  # whether jobs are carried out, or wait for it
        self._last_s = 0.0  # how long the last lot took
        self._expected = 0  # how many jobs there were in it and behind it, and may be again
        self._gathered = threading.Event()  # they are

    def run(self, job: J) -> None:
        """Wait until `job` has been carried out."""
        with self._lock:
            leads, self.led = not self.led, True
            alone = leads and self._expected <= 1
            if not alone:
                ticket = _Ticket(job)
                self._waiting.append(ticket)
                if leads:
                    ticket.wake.set()
                if len(self._waiting) == self._expected:
                    self._gathered.set()
        if alone:  # nobody waits, so there is nothing to choose
            begun = time.perf_counter()
            try:
                self._carry_out([job])
            finally:
                self._hand_over([], begun)
            return
        self._await(ticket)
        if not ticket.done:
            self._lead()
        if ticket.error is not None:
            raise ticket.error

    def _await(self, ticket: _Ticket[J]) -> None:
        """Until it is done, or first in the queue and to lead, and others have come."""
        try:
            ticket.wake.wait()
            if not ticket.done and len(self._waiting) < self._expected:
                self._gathered.wait(min(self._patience_s, PATIENCE_SHARE * self._last_s))
        except BaseException:  # interrupted: nobody waits for it any more, but others wait for who leads
            with self._lock:
                if ticket.wake.is_set() and not ticket.done:
                    self._waiting.popleft()
                    self._wake_next()
                elif ticket in self._waiting:
                    self._waiting.remove(ticket)
            raise

    def _lead(self) -> None:
        """Carry out the first job of the queue, which is ours, and what may go with it."""
        begun = time.perf_counter()
        with self._lock:
            waiting = list(self._waiting)
            lot = waiting[: self._choose([ticket.job for ticket in waiting])]
            for _ in lot:
                self._waiting.popleft()
        try:
            self._carry_out([ticket.job for ticket in lot])
        except BaseException as error:
            for ticket in lot:
                ticket.error = error
        finally:
            self._hand_over(lot, begun)

    def _hand_over(self, lot: Sequence[_Ticket[J]], begun: float) -> None:
        """The jobs of these tickets are done, or one that has none."""
        with self._lock:
            if self._patience_s:
                self._last_s = time.perf_counter() - begun
                self._expected = max(1, len(lot)) + len(self._waiting)
                self._gathered.clear()
            for ticket in lot:
                ticket.done = True
                ticket.wake.set()
            self._wake_next()

    def _wake_next(self) -> None:
        if self._waiting:
            self._waiting[0].wake.set()
        else:
            self.led = False


class _Ticket(Generic[J]):
    """A job in the queue. `wake` is set when it is done, or is to be led by who waits for it."""

    __slots__ = ("done", "error", "job", "wake")

    def __init__(self, job: J) -> None:
        self.job = job
        self.wake = threading.Event()
        self.done = False
        self.error: BaseException | None = None
