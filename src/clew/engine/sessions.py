"""Resumable queries that are open: each a cursor kept under a uuid."""

from __future__ import annotations

import threading
import time
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Callable

from clew._core import Cursor
from clew.commands import Floats, Include
from clew.engine.namespace import Generation, Namespace, Slots
from clew.errors import ClientError, QueryNotActive, TooManyQueries
from clew.types import QueryResult

# A client that goes away without a word leaves its query open until it has idled long enough. This many
# idle ones bound what they hold.
SESSIONS_MAX = 10_000

# So many uuids of queries that were stopped are remembered, with the reason, to say it on the next call.
# 10,000 take about 2 MB.
STOPPED_MAX = 10_000

# The sweep sleeps at least this long, so that many deadlines close together cost few sweeps, and at most
# this long: waiting threads cannot be told to wait for years.
SWEEP_MIN_S, SWEEP_MAX_S = 0.05, 3600.0


class Session:
    """One resumable query. Calls on it are serialised by `lock`."""

    __slots__ = ("_ahead", "_unread", "cursor", "deadline", "generation", "include", "lock", "max_idle_s",
                 "namespace", "stopped")  # fmt: skip

    def __init__(
        self,
        cursor: Cursor,
        generation: Generation,
        namespace: Namespace,
        include: Include,
        max_idle_s: float,
    ) -> None:
        self.cursor = cursor
        self.generation = generation
        self.namespace = namespace
        self.include = include
        self.max_idle_s = max_idle_s
        self.deadline = 0.0
        self.stopped = False
        self.lock = threading.Lock()
        self._ahead: list[QueryResult] = []  # taken from the cursor, to be returned first
        self._unread: tuple[Slots, Floats] | None = None  # likewise; their records are not read yet

    def next(self, n: int) -> list[QueryResult]:
        """The next n results; fewer only at the end. A call that raises loses none of them."""
        results, self._ahead = self._ahead, []
        mixed = bool(results)
        try:
            while len(results) < n:
                hits = self._unread or self.cursor.next(n - len(results))
                if not len(hits[0]):
                    break
                self._unread = hits
                results = results + self.generation.results(*hits, self.include)
                self._unread = None
                if self.namespace.gone:
                    break
        except BaseException:
            self._ahead = results
            raise
        if mixed:
            results.sort(key=_by_score)
        self._ahead = results[n:]
        return results[:n]

    def put_back(self, results: list[QueryResult]) -> None:
        """Return `results` again, first: they did not arrive."""
        self._ahead = sorted(results + self._ahead, key=_by_score)


class Sessions:
    """The open queries by uuid. Any number of threads; `sweep` stops those that idle.

    A thread sweeps by itself: it starts with the first query, sleeps until the next deadline, and ends
    with `close` or when nobody holds this object any more.
    """

    def __init__(
        self, *, active_max: int = SESSIONS_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._active_max = active_max
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._stopped: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()  # of the two tables; never held while a query works
        self._sweeping = threading.Lock()  # one sweep at a time: to another a session would look at work
        self._wake = threading.Event()
        self._sweeper: threading.Thread | None = None
        self._sweep_at = float("inf")
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions)

    def require_room(self) -> None:
        """Raise TooManyQueries where the cap is reached."""
        if len(self._sessions) >= self._active_max:
            raise TooManyQueries(
                f"{self._active_max} resumable queries are active already: stop some, or let them idle out"
            )

    def keep(self, session: Session) -> str:
        """Make `session` active; returns its uuid."""
        name = str(uuid.uuid4())
        session.deadline = self._clock() + session.max_idle_s
        with self._lock:
            self.require_room()
            if self._closed:
                raise ClientError("the index is closed")
            self._sessions[name] = session
            if self._sweeper is None:
                self._sweeper = threading.Thread(
                    target=_sweep_on, args=(weakref.ref(self), self._wake), name="clew-sweep", daemon=True
                )
                weakref.finalize(self, self._wake.set)
                self._sweeper.start()
            if session.deadline < self._sweep_at:
                self._wake.set()
        return name

    def fetch(self, name: str, n: int) -> list[QueryResult]:
        """The next n results of query `name`; [] once it is exhausted."""
        session = self._active(name)
        with session.lock:
            self._require_active(name, session)
            results = session.next(n)
            session.deadline = self._clock() + session.max_idle_s
            if session.namespace.gone:  # while it worked, and its records with it
                self._require_active(name, session)
        return results

    def put_back(self, name: str, results: list[QueryResult]) -> None:
        """Let query `name` return `results` again, as they did not arrive. Nothing if it is stopped."""
        session = self._sessions.get(name)
        if session is not None:
            with session.lock:
                session.put_back(results)

    def end(self, name: str) -> None:
        """Stop query `name`. Raises QueryNotActive where it is not active."""
        session = self._active(name)
        with session.lock:
            self._require_active(name, session)
            self._stop(name, session, "it was stopped")

    def drop(self, namespace: Namespace) -> None:
        """Stop the queries of a namespace that is gone. Waits for none of them."""
        with self._lock:
            dropped = [(name, s) for name, s in self._sessions.items() if s.namespace is namespace]
        for name, session in dropped:
            self._stop(name, session, str(namespace.gone))

    def sweep(self) -> float:
        """Stop the queries that idled too long. Returns the seconds until the next can have.

        Waits for a sweep under way: afterwards every query is at work or has not idled too long.
        """
        with self._sweeping:
            now = self._clock()
            with self._lock:
                idle = [(name, s) for name, s in self._sessions.items() if s.deadline <= now]
            for name, session in idle:
                if session.lock.acquire(blocking=False):  # else it is at work, and not idle
                    try:
                        if session.deadline <= now:
                            self._stop(name, session, _idled(session))
                    finally:
                        session.lock.release()
            with self._lock:
                self._sweep_at = min((s.deadline for s in self._sessions.values()), default=float("inf"))
            return min(max(self._sweep_at - now, SWEEP_MIN_S), SWEEP_MAX_S)

    def close(self) -> None:
        """Stop every query, and the sweep."""
        with self._lock:
            self._closed = True
            open_ones = list(self._sessions.items())
        for name, session in open_ones:
            self._stop(name, session, "the index was closed")
        self._wake.set()
        if self._sweeper is not None:
            self._sweeper.join()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _active(self, name: str) -> Session:
        session = self._sessions.get(name)
        if session is None:
            raise self._not_active(name)
        return session

    def _require_active(self, name: str, session: Session) -> None:
        """Once the lock is held: it may have been stopped meanwhile, or idle and not be swept yet."""
        if session.namespace.gone:
            self._stop(name, session, session.namespace.gone)
        elif session.deadline <= self._clock():
            self._stop(name, session, _idled(session))
        if session.stopped:
            raise self._not_active(name)

    def _stop(self, name: str, session: Session, reason: str) -> None:
        """Take it from the table. What it holds goes with the last reference, be it a call under way."""
        with self._lock:
            session.stopped = True
            if self._sessions.pop(name, None) is not None:
                self._stopped[name] = reason
                if len(self._stopped) > STOPPED_MAX:
                    self._stopped.popitem(last=False)

    def _not_active(self, name: str) -> QueryNotActive:
        reason = self._stopped.get(name)
        text = f"Resumable query {name} does not exist"
        return QueryNotActive(f"{text}: {reason}" if reason else text)


def _sweep_on(sessions_of: weakref.ref[Sessions], wake: threading.Event) -> None:
    """The thread: sweep, sleep until the next deadline or a nearer one, again."""
    while True:
        wake.clear()
        sessions = sessions_of()
        if sessions is None or sessions.closed:
            return
        timeout = sessions.sweep()
        del sessions
        wake.wait(timeout)


def _idled(session: Session) -> str:
    return f"it was not used for {session.max_idle_s:g} seconds"


def _by_score(result: QueryResult) -> float:
    return -result.score
