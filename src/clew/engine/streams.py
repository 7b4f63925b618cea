"""How much memory the streams of open queries may take together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from clew.engine.generation import Generation
from clew.engine.session import Session


class Streams:
    """Which queries have a stream, the least recently used first. Past `bytes_max` those are dropped.

    The query that was used last keeps its own, however large it is.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes: OrderedDict[Session, int] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What they take together."""
        return self._total

    def used(self, session: Session) -> None:
        """A query was used, and may have grown. Its lock must not be held."""
        size = session.stream_bytes
        if size == self._bytes.get(session) and self._total <= self._bytes_max:
            # One call into C, which the GIL makes atomic. A `suppress` would cost as much as all of the rest.
            try:  # noqa: SIM105
                self._bytes.move_to_end(session)
            except KeyError:
                pass  # it has ended meanwhile
            return
        with self._lock:
            if session.stopped:
                return
            self._total += size - self._bytes.get(session, 0)
            self._bytes[session] = size
            self._bytes.move_to_end(session)
            surplus, dropped = self._total - self._bytes_max, []
            if surplus <= 0:
                return
            for other, held in list(self._bytes.items()):  # their order may change meanwhile
                if surplus <= 0 or other is session:
                    break
                dropped.append(other)
                surplus -= held
        self._drop(dropped)

    def forget(self, session: Session) -> None:
        """A query has ended."""
        with self._lock:
            self._total -= self._bytes.pop(session, 0)

    def drop_those_of(self, generations: Sequence[Generation]) -> None:
        """Drop every stream that keeps one of these alive."""
        with self._lock:
            those = [session for session in list(self._bytes) if session.generation in generations]
        self._drop(those)

    def _drop(self, sessions: Sequence[Session]) -> None:
        for session in sessions:
            if session.lock.acquire(blocking=False):  # else it is at work: the most recently used of all
                try:
                    session.drop()
                finally:
                    session.lock.release()
                self.forget(session)
