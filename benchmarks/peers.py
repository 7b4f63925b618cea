"""What the suites ask of an index, and the two that are always measured: hnswlib and plain NumPy.

A peer is one small class that inherits `Engine`; name it in `ENGINES`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.paging import Doubling, Pager, Requery
from benchmarks.truth import Floats, Rows

Search = Callable[[Floats], Any]
LADDER = (10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
EF_GROW_MIN = 64  # beam of the small steps when an index is paged by asking for more

ENGINES = {
    "clew": "benchmarks.own:Core",
    "clew-index": "benchmarks.own:ThroughIndex",
    "hnswlib": "benchmarks.peers:Hnswlib",
    "numpy": "benchmarks.peers:Exact",
    "faiss": "benchmarks.compare.faiss_hnsw:FaissHnsw",
    "usearch": "benchmarks.compare.usearch_hnsw:Usearch",
    "svs": "benchmarks.compare.svs_vamana:SvsVamana",
    "voyager": "benchmarks.compare.voyager_hnsw:Voyager",
    "vsag": "benchmarks.compare.vsag_hgraph:VsagHgraph",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter: the vectors whose column value (0..999) is below `below`; `mask` has one bool each."""

    name: str
    below: int
    mask: NDArray[np.bool_]


class Engine(ABC):
    """One index over the rows 0..n-1 of a matrix.

    What a search returns is turned into rows by `rows`, which is never timed.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]]  # modules that must be importable
    package: ClassVar[str]  # the distribution whose version is noted
    ladder: ClassVar[Sequence[int]] = LADDER  # beam widths of the recall curve, fastest first
    filter_ladder: ClassVar[Sequence[int]] = (10, 32, 64, 128, 256)
    threaded_build: ClassVar[bool] = True
    filters: ClassVar[bool] = False
    changes: ClassVar[bool] = False  # inserts and deletes
    exact: ClassVar[bool] = False  # scans: slow, recall 1
    results_max: ClassVar[int] = 2**31  # of one query

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        self.dimension = dimension
        self.metric = metric
        self.capacity = capacity

    @abstractmethod
    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        """Index all `vectors`; `column` holds what filters will ask about, where the index keeps it."""

    @abstractmethod
    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        """What answers one query (dimension,). Valid until another one is asked for."""

    @abstractmethod
    def rows(self, answer: Any) -> Rows:
        """The rows in an answer, nearest first."""

    def search_many(self, k: int, ef: int) -> Search | None:
        """What answers a matrix of queries in one call and one thread, if there is such a call."""
        return None

    def many_rows(self, answer: Any) -> list[Rows]:
        """The rows in an answer of `search_many`, per query."""
        return [np.asarray(row, np.int64) for row in answer]

    def allow(self, selection: Selection) -> Any:
        """`selection` in the form that `search(allowed=)` takes; made once, not timed."""
        raise LookupError(f"{self.name} has no filter")

    def grow(self, query: Floats, k: int) -> Any:
        """The `k` nearest for a user who pages by asking for more each time; fewer only at the end."""
        return self.search(k, max(k, EF_GROW_MIN))(query)

    def pagers(self) -> dict[str, Callable[[Floats, int], Pager]]:
        """Ways to read results in batches: (query, batch) opens one."""
        return {
            "doubling": lambda query, batch: Doubling(self, query, batch),
            "re-query": lambda query, batch: Requery(self, query, batch),
        }

    def insert(self, vector: Floats) -> None:
        """Add one vector as the next row."""
        raise LookupError(f"{self.name} has no insert here")

    def delete(self, rows: Rows) -> None:
        """Remove rows."""
        raise LookupError(f"{self.name} has no delete here")

    def save(self, path: Path) -> bool:
        """Keep the built index for later runs; False where that is not offered."""
        return False

    def load(self, path: Path) -> None:
        """Take up what `save` kept."""
        raise LookupError(f"{self.name} is not saved")


def engine_class(name: str) -> type[Engine]:
    """The class behind a name of `ENGINES`."""
    module, _, attribute = ENGINES[name].partition(":")
    found: type[Engine] = getattr(importlib.import_module(module), attribute)
    return found


def available(name: str) -> bool:
    """Whether the packages that an engine needs are installed."""
    try:
        for module in engine_class(name).requires:
            importlib.import_module(module)
    except ImportError:
        return False
    return True


class Hnswlib(Engine):
    """hnswlib with M=16 (32 links at the lowest level) and ef_construction=200."""

    name = "hnswlib"
    requires = ("hnswlib",)
    package = "hnswlib"
    filters = True
    changes = True
    spaces: ClassVar[dict[str, str]] = {"EUCLIDEAN": "l2", "COSINE": "cosine", "DOT_PRODUCT": "ip"}

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        super().__init__(dimension, metric, capacity)
        self._index: Any = importlib.import_module("hnswlib").Index(self.spaces[metric], dimension)
        self._size = 0

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        self._index.init_index(self.capacity, M=16, ef_construction=200)
        self._index.add_items(vectors, np.arange(len(vectors)), num_threads=threads)
        self._size = len(vectors)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        self._index.set_ef(max(ef, k))
        ask = self._index.knn_query
        if allowed is None:
            return lambda query: ask(query, k, num_threads=1)
        return lambda query: ask(query, k, num_threads=1, filter=allowed)

    def rows(self, answer: Any) -> Rows:
        found: Rows = answer[0][0].astype(np.int64)
        return found

    def search_many(self, k: int, ef: int) -> Search | None:
        return self.search(k, ef)

    def many_rows(self, answer: Any) -> list[Rows]:
        return list(answer[0].astype(np.int64))

    def allow(self, selection: Selection) -> Any:
        return set(np.flatnonzero(selection.mask).tolist()).__contains__

    def grow(self, query: Floats, k: int) -> Any:
        """Rows the graph cannot reach make it raise, so ask for a little less until it does not."""
        for share in (1, 0.9999, 0.999, 0.99, 0.95, 0.9):
            count = int(min(k, self._size) * share)
            try:
                return self.search(count, max(count, EF_GROW_MIN))(query)
            except RuntimeError:
                continue
        raise RuntimeError("hnswlib cannot reach nine tenths of its vectors")

    def insert(self, vector: Floats) -> None:
        self._index.add_items(vector, [self._size], num_threads=1)
        self._size += 1

    def delete(self, rows: Rows) -> None:
        for row in rows.tolist():
            self._index.mark_deleted(row)

    def save(self, path: Path) -> bool:
        self._index.save_index(str(path))
        return True

    def load(self, path: Path) -> None:
        self._index.load_index(str(path), max_elements=self.capacity)
        self._size = int(self._index.get_current_count())


class Exact(Engine):
    """A float32 scan by NumPy (one BLAS thread) and a partial sort: exact, and the yardstick of paging."""

    name = "numpy"
    requires = ("numpy",)
    package = "numpy"
    ladder = (0,)
    filter_ladder = (0,)
    threaded_build = False
    filters = True
    exact = True

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        self._vectors = vectors
        if self.metric == "COSINE":
            self._vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
        euclidean = self.metric == "EUCLIDEAN"
        halves = 0.5 * np.einsum("ij,ij->i", vectors, vectors) if euclidean else np.zeros(len(vectors))
        self._halves = halves.astype(np.float32)

    def scan(self, query: Floats) -> Floats:
        """Something that orders all rows as their distance does: one pass over the matrix."""
        return self._halves - self._vectors @ query

    def scan_and_sort(self, query: Floats) -> NDArray[np.intp]:
        """All rows, nearest first."""
        return np.argsort(self.scan(query))

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        if allowed is None:
            return lambda query: self._nearest(self.scan(query), k)
        vectors, halves = self._vectors, self._halves
        return lambda query: allowed[self._nearest(halves[allowed] - vectors[allowed] @ query, k)]

    def rows(self, answer: Any) -> Rows:
        return np.asarray(answer, np.int64)

    def allow(self, selection: Selection) -> Any:
        return np.flatnonzero(selection.mask)

    @staticmethod
    def _nearest(apart: Floats, k: int) -> NDArray[np.intp]:
        k = min(k, len(apart))
        part = np.argpartition(apart, k - 1)[:k]
        return part[np.argsort(apart[part])]
