"""The namespaces of an index, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clew.commands import DEFAULT_NAMESPACE, Query
from clew.engine.fair import FairLock
from clew.engine.generation import Generation
from clew.engine.namespace import Namespace
from clew.engine.parts import part_of
from clew.engine.records import Records
from clew.engine.saved import SavedQuery
from clew.engine.snapshot import Snapshot
from clew.engine.uninterrupted import Uninterrupted
from clew.engine.vectors import Vectors, no_vectors
from clew.errors import ClientError, Poisoned
from clew.messages import CLOSED
from clew.types import Metric


class Catalog:
    """What the parts of the engine share. Readers take `namespaces` in one reference.

    Writers hold `writing` and never change a dict of namespaces that readers may have: they replace it. The
    default namespace is in it once the dimension is known, though it always exists. Those that the records
    hold are made by `rebuild`.
    """

    def __init__(self, name: str, records: Records, threads: int, *, read_only: bool = False) -> None:
        self.name = name
        self.read_only = read_only
        self.records = records
        self.threads = threads
        self.writing = FairLock()
        self.metric: Metric = records.settings.metric
        self.type = records.settings.type
        self.dimension = records.settings.dimension
        self.namespaces: dict[str, Namespace] = {}
        self.poisoned = False
        self.closed = False
        self.default_number = records.namespaces()[0].number
        self.seq = records.seq

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One writer at a time, and none once a write failed half-way or the index is closed."""
        with Uninterrupted(), self.writing:
            if self.closed:
                raise ClientError(CLOSED)
            if self.read_only:
                raise ClientError("the index is open for reading only: open it without read_only to write")
            if self.poisoned:
                raise Poisoned("an earlier write failed half-way: close the index and open it again")
            yield

    def namespace_of(self, saved: SavedQuery) -> Namespace | str:
        """The namespace of a query that was saved, or why it cannot go on."""
        number, snapshot = saved.namespace, saved.snapshot
        found = [one for one in self.namespaces.values() if one.number == number]
        if snapshot.end_row == 0 and (found or number == self.default_number):
            # It sees nothing, perhaps from before there was a dimension, and may be of another one. What
            # empties the namespace finds it by the number.
            return Namespace(saved.query.namespace, number, self.empty(self.dimension_for(saved.query)))
        if not found:
            return "its namespace was deleted"
        if not found[0].readable_from <= snapshot.seq <= self.seq:
            return "records that it saw are no longer there"
        return found[0]

    def names(self) -> list[str]:
        """The default namespace first, then in order of creation."""
        return [DEFAULT_NAMESPACE, *(name for name in self.namespaces if name != DEFAULT_NAMESPACE)]

    def dimension_for(self, query: Query) -> int:
        """That of its vector. A query may come before the index has a dimension, and need not have the one it
        gets.
        """
        return len(query.vector) if query.vector is not None else self.dimension or 1

    def no_vectors(self) -> Vectors:
        """None at all, of the type and dimension of the index."""
        return no_vectors(self.type, self.dimension or 0)

    def empty(self, dimension: int) -> Generation:
        """A generation that holds nothing."""
        return Generation(
            part_of(self.type, dimension, self.metric),
            self.metric,
            self.records,
            self.writing,
            Snapshot(self.seq, 0),
        )

    def create(self, name: str, dimension: int) -> Namespace:
        """A new namespace, written down but not shown yet. Inside `writing` of the records."""
        if self.dimension is None:
            self.records.fix_dimension(dimension)
        default = name == DEFAULT_NAMESPACE
        number = self.default_number if default else self.records.add_namespace(name)
        return Namespace(name, number, self.empty(dimension))

    def show(self, namespace: Namespace) -> None:
        """Let readers see `namespace` under its name, instead of what had it before."""
        namespaces = self.namespaces
        if self.dimension is None:
            self.dimension = dimension = namespace.generation.graph.dimension
            default = Namespace(DEFAULT_NAMESPACE, self.default_number, self.empty(dimension))
            namespaces = {DEFAULT_NAMESPACE: default}
        self.namespaces = {**namespaces, namespace.name: namespace}
