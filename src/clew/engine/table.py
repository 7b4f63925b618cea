"""Which resumable queries are open, by uuid."""

from __future__ import annotations

import threading

from clew.engine.ended import Ended
from clew.engine.namespace import Namespace
from clew.engine.session import Session
from clew.errors import ClientError, QueryNotActive, TooManyQueries
from clew.messages import CLOSED

Named = tuple[str, Session]


class Table:
    """The sessions by uuid, at most `active_max`, and why others ended lately. Any number of threads."""

    def __init__(self, active_max: int) -> None:
        self._active_max = active_max
        self._sessions: dict[str, Session] = {}
        self._ended = Ended()
        self._last_number = 0
        self._next_deadline = float("inf")  # no query that is open has one before it
        self._closed = False
        self._lock = threading.Lock()  # never held while a query works
        # The query of a name, if it is open. Not a method around it: every batch is looked up.
        self.find = self._sessions.get

    def __len__(self) -> int:
        return len(self._sessions)

    def require_room(self) -> None:
        """Raise TooManyQueries where the cap is reached."""
        if len(self._sessions) >= self._active_max:
            raise TooManyQueries(
                f"{self._active_max} resumable queries are active already: stop some, or let them idle out"
            )

    def number(self) -> int:
        """A number that no query had before. Raises TooManyQueries."""
        with self._lock:
            self.require_room()
            self._last_number += 1
            return self._last_number

    def known(self, number: int) -> None:
        """A query of an earlier process had this number."""
        self._last_number = max(self._last_number, number)

    def add(self, name: str, session: Session) -> bool:
        """A query is open from now on. Whether its deadline is before `next_deadline`, which it then becomes.
        Raises ClientError where the table is closed.
        """
        with self._lock:
            if self._closed:
                raise ClientError(CLOSED)
            self._sessions[name] = session
            first = session.deadline < self._next_deadline
            if first:
                self._next_deadline = session.deadline
            return first

    def remove(self, name: str, session: Session, reason: str) -> None:
        """A query has ended, for a reason that its next call will say."""
        with self._lock:
            session.stopped = True
            if self._sessions.pop(name, None) is not None:
                self._ended.remember(name, reason)

    def remember(self, name: str, reason: str) -> None:
        """A query that is not here has ended."""
        self._ended.remember(name, reason)

    def error(self, name: str) -> QueryNotActive:
        """What the call on a query says that is not open."""
        return self._ended.error(name)

    def all(self) -> list[Named]:
        """Every open query."""
        with self._lock:
            return list(self._sessions.items())

    def of(self, namespace: Namespace) -> list[Named]:
        """Those of one namespace."""
        return [named for named in self.all() if named[1].namespace is namespace]

    def idle(self, now: float) -> list[Named]:
        """Those whose deadline is over."""
        with self._lock:
            return [(name, one) for name, one in self._sessions.items() if one.deadline <= now]

    def next_deadline(self, now: float) -> float:
        """When to look at what idles; infinite without queries. That of a query stays when it has ended:
        queries that come and go do not move it.
        """
        with self._lock:
            if self._next_deadline <= now:
                deadlines = (one.deadline for one in self._sessions.values())
                self._next_deadline = min(deadlines, default=float("inf"))
            return self._next_deadline

    def close(self) -> list[Named]:
        """No more are added. Returns those that are open."""
        with self._lock:
            self._closed = True
        return self.all()
