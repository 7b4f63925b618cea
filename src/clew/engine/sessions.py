"""The table of resumable queries that are open, by uuid: how many, for how long, in how much memory."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress

from clew.commands import FetchNext, Query
from clew.engine.background import Background
from clew.engine.check import require_count
from clew.engine.generation import Generation
from clew.engine.namespace import Namespace
from clew.engine.saved import SavedQueries, SavedQuery
from clew.engine.session import Session
from clew.engine.snapshot import Snapshot
from clew.engine.stream import Stream
from clew.engine.streams import Streams
from clew.engine.table import Table
from clew.errors import StorageError
from clew.limits import RESULTS_MAX
from clew.types import QueryResult

# A client that goes away without a word leaves its query open until it has idled long enough. This many
# idle ones bound what they hold.
SESSIONS_MAX = 10_000

# What the streams of all open queries may take. A walk of 1,000 results takes 0.1 MB, a scan of 1M records 16
# MB.
STREAM_BYTES_MAX = 512 << 20

# The sweep sleeps at least this long, so that many deadlines close together cost few sweeps, and at most
# this long: waiting threads cannot be told to wait for years.
SWEEP_MIN_S, SWEEP_MAX_S = 0.05, 3600.0


class Sessions:
    """The open queries by uuid. Any number of threads; `sweep` stops those that idle.

    A thread sweeps by itself: it starts with the first query, sleeps until the next deadline, and ends
    with `close` or when nobody holds this object any more.

    active_max: how many may be open. stream_bytes_max: what their streams may take together; past it those
    least recently used are dropped, and made anew when they are asked again. clock: seconds, monotonic; idle
    limits run on it. wall: seconds that go on while the process does not, for the limits that are saved.
    """

    def __init__(
        self,
        saved: SavedQueries,
        *,
        threads: int = 1,
        active_max: int = SESSIONS_MAX,
        stream_bytes_max: int = STREAM_BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._saved = saved
        self._threads = threads
        self._clock = clock
        self._wall = wall
        self._table = Table(active_max)
        self._streams = Streams(stream_bytes_max)
        self._sweeping = threading.Lock()  # one sweep at a time: to another a session would look at work
        self._sweeper = Background(self, Sessions.sweep, "clew-sweep")

    def __len__(self) -> int:
        return len(self._table)

    @property
    def stream_bytes(self) -> int:
        """What the streams of all open queries take together."""
        return self._streams.bytes

    def require_room(self) -> None:
        """Raise TooManyQueries where the cap is reached."""
        self._table.require_room()

    def restore(self, saved: Iterable[SavedQuery], find: Callable[[SavedQuery], Namespace | str]) -> None:
        """Make those active again that were saved. `find`: the namespace of one, or why it cannot go on."""
        ended = []
        for one in saved:
            self._table.known(one.number)
            left_s = one.place.deadline - self._wall()
            found = find(one) if left_s > 0 else f"it was not used for {one.max_idle_s:g} seconds"
            if isinstance(found, Namespace):
                self._show(one.uuid, self._session(one, found), left_s)
            else:
                ended.append(one.number)
                self._table.remember(one.uuid, found)
        if ended:
            self._saved.end(ended)

    def start(
        self, query: Query, namespace: Namespace, snapshot: Snapshot, stream: Stream, max_idle_s: float
    ) -> tuple[str, list[QueryResult]]:
        """Make a query active: its uuid and first results."""
        name = str(uuid.uuid4())
        number = self._table.number()
        session = Session(
            number,
            query,
            namespace,
            snapshot,
            max_idle_s,
            self._saved,
            self._wall,
            self._threads,
            stream=stream,
        )
        results = session.start(query.top_k)
        if namespace.gone:
            return "", []
        self._saved.begin(
            SavedQuery(number, name, namespace.number, snapshot, max_idle_s, query, session.place())
        )
        try:
            self._show(name, session, max_idle_s)
        except BaseException:
            self._saved.end([number])
            raise
        self._streams.used(session)
        return name, results

    def fetch(self, command: FetchNext) -> list[QueryResult]:
        """The next results of a query, or its last batch again; [] once it is exhausted."""
        n, name = command.additional_k, command.uuid
        if type(n) is not int or not 1 <= n <= RESULTS_MAX:
            require_count("additional_k", n)
        session = self._table.find(name) or self._active(name)
        with session.lock:
            if session.stopped or session.namespace.gone or session.deadline <= self._clock():
                self._require_active(name, session)
            results = session.next(n, command.batch)
            session.deadline = self._clock() + session.max_idle_s
            if session.namespace.gone:  # while it worked, and its records with it
                self._require_active(name, session)
        self._streams.used(session)
        return results

    def put_back(self, name: str, results: list[QueryResult]) -> None:
        """Let query `name` return `results` again, as they did not arrive. Nothing if it is stopped."""
        session = self._table.find(name)
        if session is not None:
            with session.lock:
                session.put_back(results)

    def end(self, name: str) -> None:
        """Stop query `name`. Raises QueryNotActive where it is not active."""
        session = self._active(name)
        with session.lock:
            self._require_active(name, session)
            self._stop(name, session, "it was stopped")

    def oldest(self, namespace: Namespace) -> tuple[str, Session] | None:
        """The query of a namespace that sees the oldest state of it. One that sees no row needs none kept."""
        seeing = (named for named in self._table.of(namespace) if named[1].snapshot.end_row)
        return min(seeing, key=lambda named: named[1].snapshot.seq, default=None)

    def stop(self, name: str, session: Session, reason: str) -> None:
        """Stop a query for a reason that its next call will say. Waits for a call on it."""
        with session.lock:
            if not session.stopped:
                self._stop(name, session, reason)
                session.drop()

    def drop_streams_of(self, generations: Iterable[Generation]) -> None:
        """Let go of these generations, as far as no call is under way on them."""
        self._streams.drop_those_of(list(generations))

    def drop(self, number: int, seq: int, reason: str) -> None:
        """Stop the queries that see a state of namespace `number` older than command `seq`, for a reason that
        their next call will say. Waits for none of them.

        By number, as a query that sees nothing may hold an empty namespace of its own.
        """
        dropped = [
            (name, session)
            for name, session in self._table.all()
            if session.namespace.number == number and session.snapshot.seq < seq
        ]
        for name, session in dropped:
            self._remove(name, session, reason)
        if dropped:
            self._saved.end([session.number for _, session in dropped])

    def sweep(self) -> float:
        """Stop the queries that idled too long. Returns the seconds until the next can have.

        Waits for a sweep under way: afterwards every query is at work or has not idled too long.
        """
        with self._sweeping:
            now = self._clock()
            ended = []
            for name, session in self._table.idle(now):
                if session.lock.acquire(blocking=False):  # else it is at work, and not idle
                    try:
                        if session.deadline <= now:
                            self._remove(name, session, _idled(session))
                            ended.append(session.number)
                    finally:
                        session.lock.release()
            if ended:
                with suppress(StorageError):  # they end again when the index is opened again
                    self._saved.end(ended)
            return min(max(self._table.next_deadline(now) - now, SWEEP_MIN_S), SWEEP_MAX_S)

    def settle(self) -> None:
        """What is saved takes no more of the disk than it must."""
        self._saved.settle()

    def close(self) -> None:
        """End the sweep, and with it the queries; those that are saved go on when the index is opened
        again.
        """
        for name, session in self._table.close():
            self._remove(name, session, "the index was closed")
        self._sweeper.close()

    def _active(self, name: str) -> Session:
        session = self._table.find(name)
        if session is None:
            raise self._table.error(name)
        return session

    def _require_active(self, name: str, session: Session) -> None:
        """Once the lock is held: it may have been stopped meanwhile, or idle and not be swept yet."""
        if session.namespace.gone:
            self._stop(name, session, session.namespace.gone)
        elif session.deadline <= self._clock():
            self._stop(name, session, _idled(session))
        if session.stopped:
            raise self._table.error(name)

    def _session(self, saved: SavedQuery, namespace: Namespace) -> Session:
        return Session(
            saved.number,
            saved.query,
            namespace,
            saved.snapshot,
            saved.max_idle_s,
            self._saved,
            self._wall,
            self._threads,
            place=saved.place,
        )

    def _show(self, name: str, session: Session, idle_s: float) -> None:
        session.deadline = self._clock() + idle_s
        if self._table.add(name, session):
            self._sweeper.wake()

    def _stop(self, name: str, session: Session, reason: str) -> None:
        self._saved.end([session.number])
        self._remove(name, session, reason)

    def _remove(self, name: str, session: Session, reason: str) -> None:
        """Take it from the tables. What it holds goes with the last reference, be it a call under way."""
        self._table.remove(name, session, reason)
        self._streams.forget(session)


def _idled(session: Session) -> str:
    return f"it was not used for {session.max_idle_s:g} seconds"
