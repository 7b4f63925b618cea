"""One namespace: ids outside, slots inside."""

from __future__ import annotations

import threading
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clew._core import Cursor, Graph, scores, shortest
from clew.commands import Floats, Include
from clew.engine.calibrate import scan_cost
from clew.engine.records import Records, Texts, decode_metadata, partial_decoder
from clew.filters import Columns
from clew.types import FetchResult, Metadata, Metric, QueryResult

T = TypeVar("T")
Slots = NDArray[np.uint32]

# Compact when more than half of the slots are tombstones, so that compaction costs a write O(1) slots,
# and not below this many, where a scan does not feel them.
TOMBSTONES_MIN = 1024

# A filtered query that a write overtook this often holds the writers up for the moment it needs.
OVERTAKEN_MAX = 8

# Metadata is read for the filter columns in stretches of this many slots.
COLUMNS_SLOTS = 4096

_NO_TEXTS = Texts(None, None)


class Generation:
    """A graph and what its slots stand for, from one compaction to the next.

    A slot never changes: upserts and updates add slots and tombstone old ones. So whoever holds a
    generation and a cursor of its graph sees, for as long as it likes, what was there when the cursor was
    opened. `ids`, `rows` and `positions` go by slot and grow before the graph shows the slot; `slots` maps
    the ids that are live. A change of `slots` is one call into C, which the GIL makes atomic.
    """

    __slots__ = ("__weakref__", "calibrated", "columns", "graph", "ids", "metric", "positions", "records",
                 "rows", "since", "slots", "writing")  # fmt: skip

    def __init__(
        self,
        graph: Graph,
        metric: Metric,
        records: Records,
        writing: threading.Lock,
        *,
        ids: Iterable[str] = (),
        rows: Iterable[int] = (),
        positions: Iterable[int] = (),
        since: int = 0,
        calibrated: int = 0,
    ) -> None:
        self.graph = graph
        self.metric = metric.value
        self.records = records
        self.writing = writing  # held by whoever changes the index
        self.ids = list(ids)
        self.rows = array("q", rows)  # of the record store
        self.positions = array("q", positions)  # in order of insertion, for `range`
        self.slots = dict(zip(self.ids, range(len(self.ids)), strict=True))
        self.since = since  # the seq as of which it holds every live slot and no tombstone
        self.calibrated = calibrated  # how many slots there were when the cost of a scan was measured
        self.columns = Columns(_metadata_reader(self.rows, records))

    # -- writes: one at a time, after the records are committed

    def apply(
        self,
        ids: Sequence[str],
        vectors: Floats,
        rows: Iterable[int],
        positions: Iterable[int],
        removed: Sequence[int],
        seq: int,
        threads: int,
    ) -> None:
        """Show added records and hide removed slots, both at once.

        Either records are added, and removed slots are those that they replace, or slots are only removed.
        """
        gone = [] if ids else list(map(self.ids.__getitem__, removed))
        self.ids.extend(ids)
        self.rows.extend(rows)
        self.positions.extend(positions)
        first = self.graph.apply(vectors, np.array(removed, dtype=np.uint32), seq, threads)
        self.slots.update(dict(zip(ids, range(first, first + len(ids)), strict=True)))
        deque(map(self.slots.pop, gone), maxlen=0)
        if self.graph.linked and self.graph.size >= 2 * self.calibrated:
            self.calibrated = self.graph.size
            self.graph.scan_cost = scan_cost(self.graph)

    def crowded(self) -> bool:
        """Whether there are enough tombstones to compact."""
        size = self.graph.size
        return size - len(self.slots) > max(TOMBSTONES_MIN, size // 2)

    def compacted(self, seq: int, threads: int) -> Generation:
        """A new generation of the live slots. This one is unchanged."""
        graph, old = self.graph.compact(threads)
        kept = old.tolist()
        return Generation(
            graph,
            Metric(self.metric),
            self.records,
            self.writing,
            ids=map(self.ids.__getitem__, kept),
            rows=map(self.rows.__getitem__, kept),
            positions=map(self.positions.__getitem__, kept),
            since=seq,
            calibrated=self.calibrated,
        )

    # -- queries

    def search(self, vector: Floats, k: int, filter: str) -> tuple[Slots, Floats]:
        """The k nearest, nearest first: slots and distances."""
        if filter:
            return self.cursor(vector, filter).next(k)
        return self.graph.search(vector, k)

    def search_many(self, vectors: Floats, k: int, filter: str, threads: int) -> list[tuple[Slots, Floats]]:
        """The same for every row of `vectors`, in parallel."""
        graph = self.graph
        slots, distances, counts = self._settled(
            filter, lambda allowed: graph.search_many(vectors, k, allowed=allowed, threads=threads)
        )
        return [
            (row_slots[:n], row_distances[:n])
            for row_slots, row_distances, n in zip(slots, distances, counts.tolist(), strict=True)
        ]

    def cursor(self, vector: Floats, filter: str) -> Cursor:
        """A cursor over what is there now and matches `filter`."""
        graph = self.graph
        return self._settled(filter, lambda allowed: graph.cursor(vector, allowed=allowed))

    def _settled(self, filter: str, open: Callable[[NDArray[np.uint64] | None], T]) -> T:
        """What `open` gives for the slots that `filter` allows, all of one moment.

        A record written between the filter and the look at the graph would be missing altogether: its
        new slot is not in the bitmap, its old one no longer visible. Then both are done again.
        """
        if not filter:
            return open(None)
        graph, columns = self.graph, self.columns
        for _ in range(OVERTAKEN_MAX):
            size = graph.size
            opened = open(columns.allowed(filter, size))
            if graph.size == size:
                return opened
        with self.writing:
            return open(columns.allowed(filter, graph.size))

    def find(self, ids: Sequence[str]) -> list[int | None]:
        """The live slots of ids, None where there is none; all of one moment, as C finds them."""
        return list(map(self.slots.get, ids))

    def matching(self, filter: str) -> list[int]:
        """The live slots that match `filter`. Only while nothing is written."""
        size = self.graph.size
        bits = np.unpackbits(self.columns.allowed(filter, size).view(np.uint8), count=size, bitorder="little")
        ids, slots = self.ids, self.slots
        return [slot for slot in np.flatnonzero(bits).tolist() if slots.get(ids[slot]) == slot]

    # -- answers

    def results(self, slots: Slots, distances: Floats, include: Include) -> list[QueryResult]:
        """What a query answers. Without the hits whose records were dropped with their namespace."""
        found = slots.tolist()
        ids = map(self.ids.__getitem__, found)
        values = scores(distances, self.metric)
        if not (include.metadata or include.data or include.vectors):
            return list(map(QueryResult, ids, values))
        texts = self._texts(found, include)
        vectors = self._vectors(slots, include)
        return [
            QueryResult(id, score, vector, None, _metadata(text), text.data)
            for id, score, vector, text in zip(ids, values, vectors, texts, strict=True)
            if text is not None
        ]

    def fetched(self, slots: list[int], include: Include) -> list[FetchResult | None]:
        """What a fetch answers, slot by slot."""
        ids = map(self.ids.__getitem__, slots)
        vectors = self._vectors(np.array(slots, dtype=np.uint32), include)
        return [
            None if text is None else FetchResult(id, vector, None, _metadata(text), text.data)
            for id, vector, text in zip(ids, vectors, self._texts(slots, include), strict=True)
        ]

    def _texts(self, slots: list[int], include: Include) -> list[Texts | None]:
        if not (include.metadata or include.data):
            return [_NO_TEXTS] * len(slots)
        rows = list(map(self.rows.__getitem__, slots))
        texts = self.records.texts(rows, metadata=include.metadata, data=include.data)
        return list(map(texts.get, rows))

    def _vectors(self, slots: Slots, include: Include) -> Sequence[list[float] | None]:
        if not include.vectors or not len(slots):
            return [None] * len(slots)
        dimension = self.graph.dimension
        values = shortest(self.graph.rows(slots))
        return [values[start : start + dimension] for start in range(0, len(values), dimension)]


class Namespace:
    """A name and its present generation, which readers take in one reference.

    Writers change it one at a time, under the write lock of the index.
    """

    __slots__ = ("_retired", "generation", "gone", "name", "next_position", "number", "purge_seq")

    def __init__(self, name: str, number: int, generation: Generation, next_position: int = 0) -> None:
        self.name = name
        self.number = number  # in the record store
        self.generation = generation
        self.next_position = next_position
        self.gone: str | None = None  # what became of it, once it was reset or deleted
        self.purge_seq: int | None = None  # rows removed by then are seen by nobody
        self._retired: list[weakref.ref[Generation]] = []  # still held by a query perhaps, oldest first

    def compact(self, seq: int, threads: int) -> None:
        """Start a new generation without tombstones. Open queries stay with theirs."""
        self._retired.append(weakref.ref(self.generation))
        self.generation = self.generation.compacted(seq, threads)

    def settle(self) -> None:
        """See which generations are held by nobody any more, and set `purge_seq` by that."""
        held = [generation for retired in self._retired if (generation := retired())]
        if len(held) < len(self._retired):
            self._retired = list(map(weakref.ref, held))
            self.purge_seq = (held[0] if held else self.generation).since


def _metadata(text: Texts) -> Metadata | None:
    return None if text.metadata is None else decode_metadata(text.metadata)


def _metadata_reader(
    rows: array[int], records: Records
) -> Callable[[int, int, frozenset[str]], Iterator[Metadata | None]]:
    """Reads the metadata of slots for the filter columns. Does not hold the generation."""

    def read(start: int, stop: int, keys: frozenset[str]) -> Iterator[Metadata | None]:
        decode = partial_decoder(keys)
        for first in range(start, stop, COLUMNS_SLOTS):
            wanted = rows[first : min(first + COLUMNS_SLOTS, stop)].tolist()
            for text in records.metadata(wanted):
                yield None if text is None else decode(text)

    return read
