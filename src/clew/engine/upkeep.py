"""What is done in the background: namespaces compacted, records purged that nobody sees, space given back,
images made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from clew._core import GivenUp
from clew.engine.background import Background
from clew.engine.catalog import Catalog
from clew.engine.compaction import compact
from clew.engine.generation import Generation
from clew.engine.images import Images
from clew.engine.namespace import Namespace
from clew.engine.session import Session
from clew.engine.sessions import Sessions
from clew.errors import ClewError, ClientError
from clew.messages import CLOSED

# What open queries may keep of records that were removed. Past it the oldest of them is stopped, and told
# why.
PINNED_BYTES_MAX = 4 << 30

# Records are purged so many in one transaction, which takes some ms.
PURGED_AT_ONCE = 512

# A store gives space back once so much of it is free, and that is so large a share: less is soon used again.
FREE_BYTES_MIN, FREE_SHARE_MIN = 16 << 20, 0.25

ROW_MAX = 2**63 - 1

# While open queries keep what was removed, it is looked after them so often.
LOOK_S = 2.0

_log = logging.getLogger("clew.upkeep")


class Upkeep:
    """Keeps an index small. Its thread starts with the first need, and ends with `close` or with the index.

    pinned_bytes_max: what open queries, of all namespaces together, may keep of records that were removed.
    stream_bytes_max: what the generations may take that only queries still hold.
    """

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        images: Images,
        *,
        pinned_bytes_max: int,
        stream_bytes_max: int,
    ) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._images = images
        self._pinned_bytes_max = pinned_bytes_max
        self._stream_bytes_max = stream_bytes_max
        self._turn = threading.Lock()  # one at a time
        self._background = Background(self, Upkeep._look, "clew-upkeep")

    def due(self) -> None:
        """Wake the thread."""
        self._background.wake()

    def written(self, namespaces: Iterable[Namespace]) -> None:
        """Wake the thread if a changed namespace needs compacting or a new image."""
        if any(one.generation.crowded() or self._images.due(one) for one in namespaces):
            self.due()

    def opened(self) -> None:
        """The index was opened: what an earlier process removed may be kept still, and images be missing."""
        namespaces = self._catalog.namespaces.values()
        self.written(namespaces)
        removed = self._catalog.records.removed_count
        if any(removed(one.number, 0, ROW_MAX) for one in namespaces):
            self.due()

    def compact(self) -> int:
        """Now, all of it, however little there is; the bytes of disk that the index is smaller by. Raises
        ClientError where the index is closed meanwhile.
        """
        records = self._catalog.records
        with self._turn:
            before = records.bytes() + records.free_bytes()
            self._compact(lambda generation: generation.graph.size > len(generation.slots))
            self._purge()
            if self._background.closed:
                raise ClientError(CLOSED)
            while self._give_back():
                pass
            records.settle()
            self._sessions.settle()
            return max(0, before - records.bytes() - records.free_bytes())

    def work(self) -> bool:
        """Whatever is due. Whether open queries keep anything that could go otherwise."""
        with self._turn:
            self._compact(Generation.crowded)
            pinned = self._purge()
            records = self._catalog.records
            free = records.free_bytes()
            if free > max(FREE_BYTES_MIN, FREE_SHARE_MIN * records.bytes()):
                while self._give_back():
                    pass
            self._images.keep_up(self._catalog)
            return pinned

    def close(self) -> None:
        """End the thread, and leave images behind that are as new as they need to be. A compaction under way
        is given up: it may take minutes, and begins anew when the index is opened again.
        """
        self._background.closing()
        for namespace in self._catalog.namespaces.values():
            namespace.generation.graph.give_up_compacting()
        self._background.close()
        with self._turn, suppress(ClewError):  # after a write that failed the graph is not to be trusted
            self._images.finish(self._catalog)

    def _look(self) -> float | None:
        """Do what is due; seconds until it is looked again."""
        try:
            return LOOK_S if self.work() else None
        except (ClewError, MemoryError) as error:
            if not self._background.closed:
                _log.warning("the index is not kept small: %s", error)
            return None

    def _compact(self, needs_it: Callable[[Generation], bool]) -> None:
        with suppress(GivenUp):
            for namespace in self._catalog.namespaces.values():
                if not self._background.closed and needs_it(namespace.generation):
                    compact(namespace, self._catalog, lambda: self._background.closed)

    def _purge(self) -> bool:
        """Drop what nobody sees. Whether open queries keep anything that would be dropped without them."""
        pinned = False
        self._bound_memory()
        self._bound_pinned()
        for namespace in self._catalog.namespaces.values():
            line = self._line(namespace)
            while not self._background.closed and self._purge_some(namespace, line):
                pass
            namespace.forget(line)
            pinned |= line < namespace.generation.since
        return pinned

    def _purge_some(self, namespace: Namespace, line: int) -> bool:
        """For as long as writers made it wait, so that it keeps pace with them and they wait no longer for it
        than it did for them. Whether there may be more.
        """
        catalog, asked = self._catalog, time.perf_counter()
        with catalog.exclusive():
            if namespace.gone:
                return False
            begun, purged = time.perf_counter(), PURGED_AT_ONCE
            while purged == PURGED_AT_ONCE and time.perf_counter() - begun <= begun - asked:
                with catalog.records.writing(catalog.seq):
                    purged = catalog.records.purge(namespace.number, line, PURGED_AT_ONCE)
            return purged == PURGED_AT_ONCE

    def _line(self, namespace: Namespace) -> int:
        """The seq up to which removed records can be purged: older than every open query and every generation
        still held.
        """
        held = [generation.since for generation in namespace.retired()]
        oldest = self._sessions.oldest(namespace)
        if oldest is not None:
            held.append(oldest[1].snapshot.seq)
        return min([namespace.generation.since, *held])

    def _bound_memory(self) -> None:
        """Queries let go of generations that are gone, the oldest first, while these take too much memory."""
        retired = [one for namespace in self._catalog.namespaces.values() for one in namespace.retired()]
        surplus = sum(generation.graph.bytes for generation in retired) - self._stream_bytes_max
        for generation in sorted(retired, key=lambda one: one.since):
            if surplus <= 0:
                break
            self._sessions.drop_streams_of([generation])
            surplus -= generation.graph.bytes

    def _bound_pinned(self) -> None:
        """Stop the oldest queries while what all of them keep is too much."""
        found = map(self._pinned, self._catalog.namespaces.values())
        pinned = [one for one in found if one is not None]
        while (kept := sum(one.bytes for one in pinned)) > self._pinned_bytes_max:
            oldest = min(pinned, key=lambda one: one.session.number)
            self._sessions.stop(
                oldest.name,
                oldest.session,
                f"{kept} bytes of records that were removed are kept for open queries, at most "
                f"{self._pinned_bytes_max} may be, and it was the oldest of these",
            )
            pinned.remove(oldest)
            left = self._pinned(oldest.namespace)
            if left is not None:
                pinned.append(left)

    def _pinned(self, namespace: Namespace) -> _Pinned | None:
        """What the queries of a namespace keep, which is what the one keeps that sees its oldest state."""
        oldest = self._sessions.oldest(namespace)
        if oldest is None:
            return None
        kept = self._catalog.records.removed_bytes(
            namespace.number, oldest[1].snapshot.seq, namespace.generation.since
        )
        return _Pinned(namespace, *oldest, kept) if kept else None

    def _give_back(self) -> bool:
        with self._catalog.exclusive():
            return not self._background.closed and self._catalog.records.give_back()


class _Pinned(NamedTuple):
    """What is kept of a namespace, and the query without which less of it would be."""

    namespace: Namespace
    name: str
    session: Session
    bytes: int
