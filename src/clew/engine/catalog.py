"""The namespaces of an index, and what they share."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from clew._core import Graph
from clew.commands import DEFAULT_NAMESPACE
from clew.engine.namespace import Generation, Namespace
from clew.engine.records import Records
from clew.errors import ClientError, Corruption, Poisoned
from clew.types import Metric

# When rebuilding, vectors are handed to the graph of their namespace in stretches of this many.
REBUILD_ROWS = 65_536

CLOSED = "the index is closed"


class Catalog:
    """What the parts of the engine share. Readers take `namespaces` in one reference.

    Writers hold `writing` and never change a dict of namespaces that readers may have: they replace it.
    The default namespace is in it once the dimension is known, though it always exists.
    """

    def __init__(self, name: str, records: Records, threads: int) -> None:
        self.name = name
        self.records = records
        self.threads = threads
        self.writing = threading.Lock()
        self.metric: Metric = records.settings.metric
        self.dimension = records.settings.dimension
        self.namespaces: dict[str, Namespace] = {}
        self.poisoned = False
        self.closed = False
        self._default_number = records.namespaces()[0].number
        self.seq = self._rebuild()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One writer at a time, and none once a write failed half-way or the index is closed."""
        with self.writing:
            if self.closed:
                raise ClientError(CLOSED)
            if self.poisoned:
                raise Poisoned("an earlier write failed half-way: close the index and open it again")
            yield

    def names(self) -> list[str]:
        """The default namespace first, then in order of creation."""
        return [DEFAULT_NAMESPACE, *(name for name in self.namespaces if name != DEFAULT_NAMESPACE)]

    def empty(self, dimension: int) -> Generation:
        """A generation that holds nothing."""
        return Generation(
            Graph(dimension, self.metric.value), self.metric, self.records, self.writing, since=self.seq
        )

    def create(self, name: str, dimension: int) -> Namespace:
        """A new namespace, written down but not shown yet. Inside `writing` of the records."""
        if self.dimension is None:
            self.records.fix_dimension(dimension)
        default = name == DEFAULT_NAMESPACE
        number = self._default_number if default else self.records.add_namespace(name)
        return Namespace(name, number, self.empty(dimension))

    def show(self, namespace: Namespace) -> None:
        """Let readers see `namespace` under its name, instead of what had it before."""
        namespaces = self.namespaces
        if self.dimension is None:
            self.dimension = dimension = namespace.generation.graph.dimension
            default = Namespace(DEFAULT_NAMESPACE, self._default_number, self.empty(dimension))
            namespaces = {DEFAULT_NAMESPACE: default}
        self.namespaces = {**namespaces, namespace.name: namespace}

    def _rebuild(self) -> int:
        """Make the graphs from the records. Returns the seq to go on from.

        A graph needs a higher seq with every stretch. The numbers only have to rise, so the index goes on
        from the highest that was needed.
        """
        stored = self.records.namespaces()
        seq = self.seq = self.records.seq
        if self.dimension is None:
            return seq
        with self.records.writing(seq):
            for one in stored:  # no query is open yet, so nobody sees what was removed
                self.records.purge(one.number, seq)
        by_number = {
            one.number: Namespace(one.name, one.number, self.empty(self.dimension), one.next_position)
            for one in stored
        }
        waiting = {one.number: _Stretch() for one in stored}
        last = 0
        for row, number, position, id, vector in self.records.live():
            stretch = waiting[number]
            stretch.add(row, position, id, vector)
            if len(stretch.ids) == REBUILD_ROWS:
                last += 1
                self._link(by_number[number], stretch, last)
                waiting[number] = _Stretch()
        for number, stretch in waiting.items():
            if stretch.ids:
                last += 1
                self._link(by_number[number], stretch, last)
        self.namespaces = {namespace.name: namespace for namespace in by_number.values()}
        return max(seq, last)

    def _link(self, namespace: Namespace, stretch: _Stretch, seq: int) -> None:
        values = np.frombuffer(b"".join(stretch.vectors), dtype="<f4").astype(np.float32, copy=False)
        n, dimension = len(stretch.ids), self.dimension or 0
        if len(values) != n * dimension:
            raise Corruption(self.name, f"{n} vectors of {dimension} dimensions", f"{len(values)} components")
        vectors = values.reshape(n, dimension)
        namespace.generation.apply(
            stretch.ids, vectors, stretch.rows, stretch.positions, (), seq, self.threads
        )


class _Stretch:
    """Rows of one namespace that wait to be linked."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.rows = array("q")
        self.positions = array("q")
        self.vectors: list[bytes] = []

    def add(self, row: int, position: int, id: str, vector: bytes) -> None:
        self.ids.append(id)
        self.rows.append(row)
        self.positions.append(position)
        self.vectors.append(vector)
