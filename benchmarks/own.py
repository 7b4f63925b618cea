"""Clew as the suites see it: its core with arrays in and out, and the `Index` that users hold."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.paging import Pager
from benchmarks.peers import Engine, Search, Selection
from benchmarks.truth import Floats, Rows


class CoreCursor:
    """A cursor of the core as a pager."""

    def __init__(self, graph: Any, query: Floats, exact: bool, allowed: Any) -> None:
        self._cursor = graph.cursor(query, 0, allowed, exact)
        self.close = self._cursor.close

    def next(self, count: int) -> Any:
        """The next batch, as a pair of arrays."""
        return tuple(self._cursor.next(count))

    def rows(self, answer: Any) -> Rows:
        """The rows in a batch."""
        found: Rows = answer[0].astype(np.int64)
        return found


class Core(Engine):
    """`clew._core.Graph`: what the algorithm costs, without ids, records and scores."""

    name = "clew"
    requires = ("clew._core",)
    package = "clew"
    filter_ladder = (0,)
    filters = True
    changes = True

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        super().__init__(dimension, metric, capacity)
        self.graph: Any = importlib.import_module("clew._core").Graph(dimension, metric)
        self._seq = 0

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        self._apply(vectors, np.empty(0, np.uint32), threads)
        # As the engine does when a graph is made.
        self.graph.scan_cost = importlib.import_module("clew.engine.calibrate").scan_cost(self.graph)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        ask = self.graph.search  # of its hits a pair of arrays is made, as of those of peers
        if allowed is None:
            return lambda query: tuple(ask(query, k, ef))
        return lambda query: tuple(ask(query, k, ef, allowed))

    def rows(self, answer: Any) -> Rows:
        found: Rows = answer[0].astype(np.int64)
        return found

    def search_many(self, k: int, ef: int) -> Search | None:
        ask = self.graph.search_many
        return lambda queries: ask(queries, k, ef)

    def many_rows(self, answer: Any) -> list[Rows]:
        return [row[:count].astype(np.int64) for row, count in zip(answer[0], answer[2], strict=True)]

    def allow(self, selection: Selection) -> Any:
        bits = np.zeros(-(-len(selection.mask) // 64) * 64, np.uint8)
        bits[: len(selection.mask)] = selection.mask
        return np.packbits(bits, bitorder="little").view(np.uint64)

    def grow(self, query: Floats, k: int) -> Any:
        return tuple(self.graph.search(query, k))

    def pagers(self) -> dict[str, Callable[[Floats, int], Pager]]:
        return {"cursor": lambda query, batch: CoreCursor(self.graph, query, False, None)}

    def filtered_pager(self, allowed: Any) -> Callable[[Floats, int], Pager]:
        """Opens a cursor over what `allowed` admits."""
        return lambda query, batch: CoreCursor(self.graph, query, False, allowed)

    def insert(self, vector: Floats) -> None:
        self._apply(vector[None], np.empty(0, np.uint32), 1)

    def delete(self, rows: Rows) -> None:
        self._apply(np.empty((0, self.dimension), np.float32), rows.astype(np.uint32), 1)

    def _apply(self, added: Floats, removed: Any, threads: int) -> None:
        self._seq += 1
        self.graph.apply(added, removed, self._seq, threads)


class IndexQuery:
    """A resumable query of an index as a pager."""

    def __init__(self, index: Any, query: Floats, batch: int, text: str) -> None:
        self._query = index.resumable_query(vector=query, top_k=batch, filter=text)
        self._started = False

    def next(self, count: int) -> Any:
        """The next batch; the first starts the query."""
        if self._started:
            return self._query.fetch_next(count)
        self._started = True
        return self._query.start()

    def rows(self, answer: Any) -> Rows:
        """The rows in a batch."""
        return np.array([int(hit.id) for hit in answer], np.int64)

    def close(self) -> None:
        """Stop the query."""
        self._query.stop()


class ThroughIndex(Engine):
    """`clew.Index` in memory, with ids that are row numbers; its beam width is its own affair."""

    name = "clew-index"
    requires = ("clew.client.index", "clew._core")
    package = "clew"
    ladder = (0,)
    results_max = 1_000
    filter_ladder = (0,)
    threaded_build = False
    filters = True

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        super().__init__(dimension, metric, capacity)
        create = importlib.import_module("clew").Index
        self.index: Any = create(dimension=dimension, similarity_function=metric)

    @property
    def graph(self) -> Any:
        """The graph of its vectors."""
        return self.index._backend.engine._catalog.namespaces[""].generation.graph

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        ids = [str(row) for row in range(len(vectors))]
        metadata = None if column is None else [{"draw": value} for value in column.tolist()]
        self.index.upsert_arrays(ids, vectors, metadata=metadata)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        ask, text = self.index.query, allowed or ""
        return lambda query: ask(vector=query, top_k=k, filter=text)

    def rows(self, answer: Any) -> Rows:
        return np.array([int(hit.id) for hit in answer], np.int64)

    def search_many(self, k: int, ef: int) -> Search | None:
        ask = self.index.query_arrays
        return lambda queries: ask(queries, top_k=k)

    def many_rows(self, answer: Any) -> list[Rows]:
        return [np.array([int(name) for name in names], np.int64) for names in answer[0]]

    def allow(self, selection: Selection) -> Any:
        return f"draw < {selection.below}"

    def pagers(self) -> dict[str, Callable[[Floats, int], Pager]]:
        return {"resumable query": lambda query, batch: IndexQuery(self.index, query, batch, "")}

    def filtered_pager(self, allowed: Any) -> Callable[[Floats, int], Pager]:
        """Opens a resumable query with a filter."""
        return lambda query, batch: IndexQuery(self.index, query, batch, allowed)
