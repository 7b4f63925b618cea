"""One resumable query: what it is (its truth) and what makes it quick (a stream, which can be made again)."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence

import numpy as np

from clew._core import Hits, pack, unpack
from clew.commands import Include, Query
from clew.engine.generation import Generation
from clew.engine.namespace import Namespace
from clew.engine.returned import TAIL_BYTES_MAX, Rows, added, union
from clew.engine.saved import Place, SavedQueries
from clew.engine.seek import sought
from clew.engine.snapshot import Chosen, Snapshot
from clew.engine.stream import Stream, joined
from clew.errors import ClientError
from clew.types import QueryResult

NO_HITS = Hits(np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.float32))


class Session:
    """A query that is open. Calls on it are serialised by `lock`, which its caller holds.

    Its truth is the query, the snapshot, and the rows it returned: those of the last batch apart, so that the
    batch can be given again, those of some before it as a tail, and those before in packed parts. All else is
    made from it. Where `saved` lasts, the truth is committed before a batch is returned.
    """

    __slots__ = ("_ahead", "_at_work", "_last", "_last_packed", "_parts", "_saved", "_stream", "_tail",
                 "_threads", "_wall", "_yielded", "batch", "deadline", "lock", "max_idle_s", "namespace",
                 "number", "query", "snapshot", "stopped", "stream_bytes")  # fmt: skip

    def __init__(
        self,
        number: int,
        query: Query,
        namespace: Namespace,
        snapshot: Snapshot,
        max_idle_s: float,
        saved: SavedQueries,
        wall: Callable[[], float],
        threads: int,
        *,
        stream: Stream | None = None,
        place: Place | None = None,
    ) -> None:
        self.number = number
        self.query = query
        self.namespace = namespace
        self.snapshot = snapshot
        self.max_idle_s = max_idle_s
        self.batch = 0 if place is None else place.batch  # the number of the last; that of the start is 0
        self.deadline = 0.0
        self.stopped = False
        self.stream_bytes = 0  # memory that its stream takes; 0 without one
        self.lock = threading.Lock()
        self._saved = saved
        self._wall = wall
        self._threads = threads
        self._stream = stream
        self._ahead: Sequence[Hits] = ()  # taken from the stream and not returned
        self._at_work = False  # the stream may have given more than was returned
        # Of the last batch, for as long as the stream.
        self._last: Hits | None = NO_HITS if place is None else None
        self._last_packed = b"" if place is None else place.last
        self._tail = b"" if place is None else place.tail  # of batches before that
        # Returned before those; None: see `saved`.
        self._parts: list[bytes] | None = [] if place is None else None
        # Where nothing is saved: the slots of all that the present stream returned before the last batch.
        self._yielded: array[int] | None = None

    def start(self, n: int) -> list[QueryResult]:
        """The first n results. The caller saves the query before it returns them."""
        stream, hits = self._seek(), self._take(n)
        results = stream.results(hits, self.query.include)
        self._last = hits
        self.stream_bytes = stream.bytes
        if self._saved.lasting:
            self._last_packed = stream.packed(hits)
        return results

    def place(self) -> Place:
        """How far it has come, to be saved."""
        return self._place(self.batch, self._last_packed, self._tail)

    def next(self, n: int, batch: int | None) -> list[QueryResult]:
        """The next n results, fewer only at the end; or the last batch again. What raises loses none."""
        if batch == self.batch:
            return self._again()
        if batch is not None and batch != self.batch + 1:
            raise ClientError(
                f"batch must be {self.batch} for the last batch again or {self.batch + 1} for the next,"
                f" got {batch!r}"
            )
        if self._at_work:  # Ctrl-C ended the last call, and what it had found went with it
            self.drop()
        self._at_work = True
        stream = self._stream or self._seek()
        hits = self._take(n) if self._ahead else stream.next(n)
        try:
            results = stream.results(hits, self.query.include)
            self._move(stream, hits)
        except Exception:
            self._ahead = [hits, *self._ahead]
            self._at_work = False
            raise
        self._at_work = False
        self.stream_bytes = stream.bytes
        return results

    def put_back(self, results: list[QueryResult]) -> None:
        """Return the results of an earlier batch again: they did not arrive."""
        if not results:
            return
        ids = {result.id for result in results}
        if self._last is not None and {one.id for one in self._results(self._last)} == ids:
            self._unmove(self._last)
        else:
            self._return_later(ids)

    # -- the stream, which can be dropped

    @property
    def generation(self) -> Generation | None:
        """What its stream keeps alive."""
        return None if self._stream is None else self._stream.generation

    def drop(self) -> None:
        """Let go of the stream. The next batch makes another, from what was returned."""
        if self._stream is None:
            return
        parts, packed = self._parts, self._last_packed
        if self._saved.lasting:
            parts = None
        elif self._last is not None:
            yielded = np.frombuffer(self._yielded or b"", dtype=np.uint32)
            rows = self._stream.rows(Hits(yielded, np.zeros(len(yielded), dtype=np.float32)))
            # Where Ctrl-C came between, the last batch is among these too.
            before = np.setdiff1d(rows, self._stream.rows(self._last))
            parts, _ = added(self._known_parts(), pack(before))
            packed = self._stream.packed(self._last)
        # No call from here on: nothing comes between.
        self._parts, self._last_packed = parts, packed
        self._stream, self._ahead, self._last, self._yielded = None, (), None, None
        self.stream_bytes = 0

    def _seek(self) -> Stream:
        """The stream; made anew where there is none."""
        if self._stream is None:
            self._stream = sought(
                self.namespace, self.query, self.snapshot, Chosen(self._returned()), self._threads
            )
            self.stream_bytes = self._stream.bytes
        return self._stream

    # -- below

    def _take(self, n: int) -> Hits:
        """The next n hits: what is ahead, then from the stream."""
        ahead, self._ahead = self._ahead, ()
        if not ahead:
            return self._seek().next(n)
        hits = joined(ahead)
        if hits.count < n:
            return joined([hits, self._seek().next(n - hits.count)])
        slots, distances = hits.slots, hits.distances
        if hits.count > n:
            self._ahead = [Hits(slots[n:], distances[n:])]
        return Hits(slots[:n], distances[:n])

    def _results(self, hits: Hits) -> list[QueryResult]:
        return self._seek().results(hits, self.query.include)

    def _again(self) -> list[QueryResult]:
        """The last batch: as it was yielded, or found anew from its rows, in the order it had."""
        if self._last is not None:
            return self._results(self._last)
        last = unpack(self._last_packed)
        stream = sought(
            self.namespace,
            self.query,
            self.snapshot,
            Chosen(last, only=True),
            self._threads,
            fused=Chosen(union([*self._known_parts(), self._tail])),
        )
        return stream.results(stream.next(max(1, len(last))), self.query.include)

    def _move(self, stream: Stream, hits: Hits) -> None:
        """`hits` of `stream` are the next batch. Where the query is saved, that is committed first."""
        if self._saved.lasting:
            last, tail = stream.packed(hits), self._tail + self._last_packed
            if len(tail) < TAIL_BYTES_MAX:
                deadline = self._wall() + self.max_idle_s
                self._saved.move(self.number, Place(deadline, self.batch + 1, last, tail))
            else:
                parts, keep = added(self._known_parts(), pack(unpack(tail)))
                tail = b""
                self._saved.regroup(self.number, self._place(self.batch + 1, last, tail), keep, parts[keep:])
                self._parts = parts
            self._tail, self._last_packed = tail, last
        else:
            if self._last is None:  # of an earlier stream
                self._parts, _ = added(self._known_parts(), self._last_packed)
                self._last_packed = b""
            elif self._yielded is None:
                self._yielded = array("I", self._last.packed)
            else:
                self._yielded.frombytes(self._last.packed)
        self._last = hits
        self.batch += 1

    def _unmove(self, hits: Hits) -> None:
        """The last batch did not arrive: it comes again with the next, which has its number."""
        if self._saved.lasting:
            self._saved.move(self.number, self._place(self.batch - 1, b"", self._tail))
            self._last_packed = b""
        self._ahead = [hits, *self._ahead]
        self._last = NO_HITS
        self.batch -= 1

    def _return_later(self, ids: set[str]) -> None:
        """Take the records named so out of what was returned. The stream is made anew, and finds them."""
        self.drop()
        returned = self._returned()
        only = Chosen(returned, only=True)
        stream = sought(self.namespace, self.query, self.snapshot, only, self._threads)
        hits = stream.next(max(1, len(returned)))
        names = [result.id for result in stream.results(hits, Include())]
        kept = [name not in ids for name in names]
        parts = [pack(stream.rows(hits)[np.array(kept, dtype=np.bool_)])]
        self._saved.regroup(self.number, self._place(self.batch, b"", b""), 0, parts)
        self._parts, self._tail, self._last_packed = parts, b"", b""

    def _place(self, batch: int, last: bytes, tail: bytes) -> Place:
        return Place(self._wall() + self.max_idle_s, batch, last, tail)

    def _returned(self) -> Rows:
        """Every row that it has returned."""
        return union([*self._known_parts(), self._tail, self._last_packed])

    def _known_parts(self) -> list[bytes]:
        if self._parts is None:
            self._parts = self._saved.parts(self.number)
        return self._parts
