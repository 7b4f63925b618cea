"""What finds neighbours in a generation: a graph of dense vectors, inverted lists of sparse ones, or both.

A `Graph` of the core is such a part; `SparsePart` and `HybridPart` are used in the same way. All of them
number slots alike and give distances, smaller is nearer: of sparse and fused queries, the negated score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from msgspec.structs import replace as replace_fields
from numpy.typing import NDArray

from clew._core import FusedCursor, Graph, Hits, Sparse, SparseCursor, fused_cursor
from clew.commands import Floats, Query
from clew.engine.calibrate import scan_cost
from clew.engine.fusion import CANDIDATES_MIN, Fusion, fusion_of
from clew.engine.vectors import BothRows, Indices, SparseRows, no_vectors
from clew.types import IndexType, Metric, SparseVector, WeightingStrategy

Slots = NDArray[np.uint32]
Bits = NDArray[np.uint64]

NO_SLOTS: Slots = np.empty(0, dtype=np.uint32)


class Reader(Protocol):
    """Yields what a query finds, nearest first. One caller at a time."""

    def next(self, n: int) -> Hits:
        """Up to n further hits; fewer only at the end, and none ever after."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        ...


class Part(Protocol):
    """See `Graph` in the core for what each of these does. Queries and vectors are of its own kind."""

    @property
    def dimension(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def live(self) -> int: ...  # noqa: D102
    @property
    def bytes(self) -> int: ...  # noqa: D102

    def apply(self, added: Any, removed: Slots, seq: int, threads: int = 1) -> int: ...  # noqa: D102
    def search(self, query: Any, k: int, ef: int = 0, allowed: Bits | None = None) -> Hits: ...  # noqa: D102
    def cursor(self, query: Any, ef: int = 0, allowed: Bits | None = None) -> Reader: ...  # noqa: D102
    def rows(self, slots: Slots) -> Any: ...  # noqa: D102
    def compact(self, threads: int = 1) -> tuple[Any, Slots]: ...  # noqa: D102
    def give_up_compacting(self) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class SparseAsked:
    """A sparse query. `indices` int32 and `values` float32 of one length; `idf`: weighted by rarity."""

    indices: Indices
    values: Floats
    idf: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HybridAsked:
    """A query of a hybrid index: of one half (the other is None), or of both, fused."""

    vector: Floats | None
    sparse: SparseAsked | None
    fusion: Fusion = field(default_factory=Fusion)

    def halves(self) -> tuple[HybridAsked, HybridAsked]:
        """The dense and the sparse half, each asked by itself."""
        return HybridAsked(self.vector, None), HybridAsked(None, self.sparse)


Asked = Floats | SparseAsked | HybridAsked
"""A query of an index, by its type: a vector of shape (dimension,), a sparse query, or either or both."""


def asked_of(kind: IndexType, query: Query) -> Asked:
    """What a query asks, that was checked to fit an index of type `kind`."""
    if kind is IndexType.DENSE:
        assert query.vector is not None
        return query.vector
    sparse = None
    if (vector := query.sparse_vector) is not None:
        idf = query.weighting_strategy is WeightingStrategy.IDF
        indices, values = np.array(vector.indices, np.int32), np.array(vector.values, np.float32)
        sparse = SparseAsked(indices, values, idf)
    if kind is IndexType.SPARSE:
        assert sparse is not None
        return sparse
    return HybridAsked(query.vector, sparse, fusion_of(query))


def with_weights(query: Query, cursor: Reader) -> Query:
    """The query as `cursor` weighted it: it stays so when the records by which it was weighted change."""
    if query.weighting_strategy is None or not isinstance(cursor, SparseCursor | FusedCursor):
        return query
    indices, weights = cursor.weighted
    weighted = SparseVector(indices.tolist(), weights.tolist())
    return replace_fields(query, sparse_vector=weighted, weighting_strategy=None)


def part_of(kind: IndexType, dimension: int, metric: Metric) -> Graph | SparsePart | HybridPart:
    """An empty part for an index of type `kind`."""
    if kind is IndexType.SPARSE:
        return SparsePart(Sparse())
    graph = Graph(dimension, metric.value)
    return graph if kind is IndexType.DENSE else HybridPart(graph, Sparse())


class SparsePart:
    """Inverted lists."""

    dimension = 0

    def __init__(self, sparse: Sparse) -> None:
        self.sparse = sparse

    @property
    def size(self) -> int:
        """Slots ever added, tombstones included."""
        return self.sparse.size

    @property
    def live(self) -> int:
        """Slots visible now."""
        return self.sparse.live

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.sparse.bytes

    def apply(self, added: SparseRows, removed: Slots, seq: int, threads: int = 1) -> int:
        """Add vectors and tombstone slots, both visible at once. Returns the first new slot."""
        return self.sparse.apply(added.offsets, added.indices, added.values, removed, seq)

    def search(self, query: SparseAsked, k: int, ef: int = 0, allowed: Bits | None = None) -> Hits:
        """The k best."""
        return self.sparse.search(query.indices, query.values, k, query.idf, allowed)

    def search_many(
        self, queries: Sequence[SparseAsked], k: int, allowed: Bits | None = None, threads: int = 1
    ) -> tuple[Slots, Floats, NDArray[np.uint32]]:
        """The k best of each, weighted alike: slots (n, k), distances (n, k), how many each row has."""
        offsets = np.cumsum([0, *(len(query.indices) for query in queries)], dtype=np.uint64)
        indices = np.concatenate([query.indices for query in queries])
        values = np.concatenate([query.values for query in queries])
        return self.sparse.search_many(offsets, indices, values, k, queries[0].idf, allowed, threads)

    def cursor(self, query: SparseAsked, ef: int = 0, allowed: Bits | None = None) -> Reader:
        """A cursor over what is visible now."""
        return self.sparse.cursor(query.indices, query.values, query.idf, allowed)

    def rows(self, slots: Slots) -> SparseRows:
        """Copies of vectors."""
        return SparseRows(*self.sparse.rows(slots))

    def compact(self, threads: int = 1) -> tuple[SparsePart, Slots]:
        """The live slots only, and the old slot of each."""
        sparse, old = self.sparse.compact()
        return SparsePart(sparse), old

    def give_up_compacting(self) -> None:
        """It takes too little time to be given up."""


class HybridPart:
    """A graph and inverted lists over the same slots.

    A change is made to the lists first. They keep the state before it until the change after it, so that what
    the graph shows is in the lists too, though linking takes longer.
    """

    def __init__(self, graph: Graph, sparse: Sparse, calibrated: int = 0) -> None:
        self.graph = graph
        self.sparse = sparse
        self._calibrated = calibrated  # how many slots there were when the cost of a scan was measured

    @property
    def dimension(self) -> int:
        """Of the dense half."""
        return self.graph.dimension

    @property
    def size(self) -> int:
        """Slots ever added, tombstones included."""
        return self.graph.size

    @property
    def live(self) -> int:
        """Slots visible now."""
        return self.graph.live

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.graph.bytes + self.sparse.bytes

    def apply(self, added: BothRows, removed: Slots, seq: int, threads: int = 1) -> int:
        """Add vectors and tombstone slots, both visible at once. Returns the first new slot."""
        lists = added.sparse
        self.sparse.apply(lists.offsets, lists.indices, lists.values, removed, seq)
        first = self.graph.apply(added.dense, removed, seq, threads)
        if self.graph.linked and self.graph.size >= 2 * self._calibrated:
            self._calibrated = self.graph.size
            self.graph.scan_cost = scan_cost(self.graph)
        return first

    def search(self, query: HybridAsked, k: int, ef: int = 0, allowed: Bits | None = None) -> Hits:
        """The k best; of both halves, among the first of either."""
        if query.sparse is None:
            assert query.vector is not None
            return self.graph.search(query.vector, k, allowed=allowed)
        if query.vector is None:
            lists, asked = self.sparse, query.sparse
            return lists.search(asked.indices, asked.values, k, asked.idf, allowed, beside=self.graph)
        fusion = replace(query.fusion, window=query.fusion.window or max(k, CANDIDATES_MIN))
        return self._fused(query, fusion, allowed, once=k <= fusion.window).next(k)

    def cursor(self, query: HybridAsked, ef: int = 0, allowed: Bits | None = None) -> Reader:
        """A cursor over what is visible now."""
        if query.sparse is None:
            assert query.vector is not None
            return self.graph.cursor(query.vector, allowed=allowed)
        if query.vector is None:
            lists, asked = self.sparse, query.sparse
            return lists.cursor(asked.indices, asked.values, asked.idf, allowed, beside=self.graph)
        return self._fused(query, query.fusion, allowed)

    def rows(self, slots: Slots) -> BothRows:
        """Copies of vectors."""
        return BothRows(self.graph.rows(slots), SparseRows(*self.sparse.rows(slots)))

    def compact(self, threads: int = 1) -> tuple[HybridPart, Slots]:
        """The live slots only, and the old slot of each. Before it is read: `show`."""
        graph, old = self.graph.compact(threads)
        sparse = Sparse()
        sparse.apply(*self.sparse.rows(old), NO_SLOTS, 0)
        return HybridPart(graph, sparse, self._calibrated), old

    def give_up_compacting(self) -> None:
        """`compact` raises GivenUp from now on, also the call under way."""
        self.graph.give_up_compacting()

    def show(self, seq: int) -> None:
        """Both halves show the same state; from now on under the number `seq`."""
        self.hide(NO_SLOTS, seq)

    def hide(self, removed: Slots, seq: int) -> None:
        """Tombstone slots, and add none."""
        none = no_vectors(IndexType.HYBRID, self.dimension)
        assert isinstance(none, BothRows)
        self.apply(none, removed, seq)

    def _fused(
        self, query: HybridAsked, fusion: Fusion, allowed: Bits | None, *, once: bool = False
    ) -> Reader:
        assert query.vector is not None
        assert query.sparse is not None
        return fused_cursor(
            self.graph,
            self.sparse,
            query.vector,
            query.sparse.indices,
            query.sparse.values,
            idf=query.sparse.idf,
            allowed=allowed,
            algorithm=fusion.algorithm.value,
            dense_weight=fusion.dense_weight,
            window=fusion.window,
            once=once,
        )
