"""A graph (or inverted lists, or both) and what its slots stand for: ids outside, slots inside."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from clew._core import Graph, Hits
from clew.commands import Floats
from clew.engine.answers import Answers
from clew.engine.calibrate import scan_cost
from clew.engine.fair import FairLock
from clew.engine.metadata import metadata_reader
from clew.engine.parts import Asked, Bits, HybridAsked, HybridPart, Part, Reader, SparsePart
from clew.engine.records import Records
from clew.engine.snapshot import Snapshot
from clew.engine.uninterrupted import Uninterrupted
from clew.engine.vectors import Vectors
from clew.filters import Columns
from clew.types import Metric

T = TypeVar("T")

# Compact when more than half of the slots are tombstones, so that compaction costs a write O(1) slots,
# and not below this many, where a scan does not feel them.
TOMBSTONES_MIN = 1024

# A filtered query that a write overtook this often holds the writers up for the moment it needs.
OVERTAKEN_MAX = 8


class Generation(Answers):
    """A graph and what its slots stand for, from one compaction to the next.

    A slot never changes: upserts and updates add slots and tombstone old ones. So whoever holds a
    generation and a cursor of its graph sees, for as long as it likes, what was there when the cursor was
    opened. `ids`, `rows` and `positions` go by slot and grow before the graph shows the slot; `slots` maps
    the ids that are live. A change of `slots` is one call into C, which the GIL makes atomic. `removed` are
    the tombstones, in the order in which they became such.
    """

    __slots__ = ("__weakref__", "_states", "calibrated", "changes", "columns", "dense", "graph",
                 "ids", "metric", "positions", "records", "removed", "rows", "since", "slots",
                 "writing")  # fmt: skip

    def __init__(
        self,
        graph: Part,
        metric: Metric,
        records: Records,
        writing: FairLock,
        snapshot: Snapshot,
        *,
        ids: Iterable[str] = (),
        rows: Iterable[int] = (),
        positions: Iterable[int] = (),
        removed: Iterable[int] = (),
        changes: int = 0,
        calibrated: int = 0,
    ) -> None:
        self.graph = graph
        self.metric = metric.value
        self.dense = isinstance(graph, Graph)
        self.records = records
        self.writing = writing  # held by whoever changes the index
        self.ids = list(ids)
        self.rows = array("q", rows)  # of the record store
        self.positions = array("q", positions)  # in order of insertion, for `range`
        self.removed = array("I", removed)
        self.slots = dict(zip(self.ids, range(len(self.ids)), strict=True))
        for slot in self.removed:
            if self.slots.get(self.ids[slot]) == slot:
                del self.slots[self.ids[slot]]
        self.since = snapshot.seq  # of what it holds nobody sees what was removed by then
        self.changes = changes  # of the graph, which numbers them by itself
        # What a reader sees who finds so many slots and so many of them live: now, and after the change under
        # way. No two states have both in common: a change either adds slots, or only takes from those that
        # are live.
        self._states = {(graph.size, graph.live): snapshot}
        self.calibrated = calibrated  # how many slots there were when the cost of a scan was measured
        self.columns = Columns(metadata_reader(self.rows, records))

    # -- writes: one at a time, after the records are committed

    def apply(
        self,
        ids: Sequence[str],
        vectors: Vectors,
        rows: Sequence[int],
        positions: Iterable[int],
        removed: Sequence[int],
        seq: int,
        threads: int,
    ) -> None:
        """Show added records and hide removed slots, both at once, as command `seq`."""
        kept = set(ids)
        gone = [id for id in map(self.ids.__getitem__, removed) if id not in kept]
        self.ids.extend(ids)
        self.rows.extend(rows)
        self.positions.extend(positions)
        self.removed.extend(removed)
        self.changes += 1
        size, live = self.graph.size, self.graph.live
        [now] = self._states.values()
        after = Snapshot(seq, rows[-1] + 1 if rows else now.end_row)
        self._states = {(size, live): now, (size + len(ids), live + len(ids) - len(removed)): after}
        first = self.graph.apply(vectors, np.array(removed, dtype=np.uint32), self.changes, threads)
        self._states = {(self.graph.size, self.graph.live): after}
        self.slots.update(dict(zip(ids, range(first, first + len(ids)), strict=True)))
        deque(map(self.slots.pop, gone), maxlen=0)
        graph = self.graph
        if isinstance(graph, Graph) and graph.linked and graph.size >= 2 * self.calibrated:
            self.calibrated = graph.size
            graph.scan_cost = scan_cost(graph)

    def crowded(self) -> bool:
        """Whether there are enough tombstones to compact."""
        size = self.graph.size
        return size - len(self.slots) > max(TOMBSTONES_MIN, size // 2)

    def compacted(self, threads: int) -> tuple[Generation, list[int]]:
        """A new generation of the live slots of one moment, and the old slot of each. This one is unchanged,
        and may grow meanwhile. Raises GivenUp.
        """
        graph, old = self.graph.compact(threads)
        kept, changes = old.tolist(), self.changes + 1
        if isinstance(graph, HybridPart):
            graph.show(changes)
        made = Generation(
            graph,
            Metric(self.metric),
            self.records,
            self.writing,
            self.snapshot,
            ids=map(self.ids.__getitem__, kept),
            rows=map(self.rows.__getitem__, kept),
            positions=map(self.positions.__getitem__, kept),
            changes=changes,
            calibrated=self.calibrated,
        )
        return made, kept

    @property
    def snapshot(self) -> Snapshot:
        """The last state that was shown."""
        return next(iter(self._states.values()))

    def show(self, snapshot: Snapshot) -> None:
        """From now on it is shown, as the state `snapshot`."""
        self.since = snapshot.seq
        self._states = {(self.graph.size, self.graph.live): snapshot}

    # -- queries

    def scale_of(self, asked: Asked) -> str | None:
        """The metric of the distances that `graph` gives for `asked`; None where these are negated scores."""
        half = isinstance(asked, HybridAsked) and asked.sparse is None
        return self.metric if self.dense or half else None

    def search(self, asked: Asked, k: int, filter: str) -> Hits:
        """The k nearest, nearest first. `asked` is of the kind that `graph` takes."""
        graph = self.graph
        if not filter:
            return graph.search(asked, k)
        return self.settled(lambda size: graph.search(asked, k, allowed=self.allowed(filter, size)))[0]

    def search_many(self, asked: Floats | Sequence[Asked], k: int, filter: str, threads: int) -> list[Hits]:
        """The same for several, in parallel: vectors, or sparse queries that are weighted alike."""
        graph = self.graph
        assert isinstance(graph, Graph | SparsePart)
        queries: Any = np.asarray(asked) if isinstance(graph, Graph) else asked
        search: Callable[..., Any] = graph.search_many
        (slots, distances, counts), _ = self.settled(
            lambda size: search(queries, k, allowed=self.allowed(filter, size), threads=threads)
        )
        return [
            Hits(row_slots[:n], row_distances[:n])
            for row_slots, row_distances, n in zip(slots, distances, counts.tolist(), strict=True)
        ]

    def cursor(
        self, asked: Asked, filter: str, among: Callable[[int], Bits] | None = None
    ) -> tuple[Reader, Snapshot]:
        """A cursor over what is there now and matches `filter`, and which state that is.

        among: given how many slots there are, the bitmap of those that it may return.
        """

        def open(size: int) -> Reader:
            allowed = self.allowed(filter, size)
            if among is not None:
                allowed = among(size) if allowed is None else allowed & among(size)
            return self.graph.cursor(asked, allowed=allowed)

        return self.settled(open)

    def allowed(self, filter: str, size: int) -> Bits | None:
        """The bitmap of the first `size` slots that match `filter`; None allows all."""
        return self.columns.allowed(filter, size) if filter else None

    def settled(self, open: Callable[[int], T]) -> tuple[T, Snapshot]:
        """What `open`, given how many slots there are, gives for a state that did not change meanwhile.

        A record written between a filter and the look at the graph would be missing altogether: its new slot
        is not in the bitmap, its old one no longer visible. Then all is done again.
        """
        graph = self.graph
        for _ in range(OVERTAKEN_MAX):
            size = graph.size
            live = graph.live  # read after the size, and below before it: see _states
            opened = open(size)
            state = self._states.get((size, live))
            if graph.live == live and graph.size == size and state is not None:
                return opened, state
        with Uninterrupted(), self.writing:
            [state] = self._states.values()
            return open(graph.size), state

    def find(self, ids: Sequence[str]) -> list[int | None]:
        """The live slots of ids, None where there is none; all of one moment, as C finds them."""
        return list(map(self.slots.get, ids))

    def matching(self, filter: str) -> list[int]:
        """The live slots that match `filter`. Only while nothing is written."""
        size = self.graph.size
        bits = np.unpackbits(self.columns.allowed(filter, size).view(np.uint8), count=size, bitorder="little")
        ids, slots = self.ids, self.slots
        return [slot for slot in np.flatnonzero(bits).tolist() if slots.get(ids[slot]) == slot]
