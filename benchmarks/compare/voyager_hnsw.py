"""Voyager: Spotify's HNSW over float32 vectors, with the parameters given to hnswlib."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np

from benchmarks.peers import EF_GROW_MIN, Engine, Search
from benchmarks.truth import Floats, Rows


class Voyager(Engine):
    """`voyager.Index`, M=16, ef_construction=200, Float32."""

    name = "voyager"
    requires = ("voyager",)
    package = "voyager"
    spaces: ClassVar[dict[str, str]] = {
        "EUCLIDEAN": "Euclidean",
        "COSINE": "Cosine",
        "DOT_PRODUCT": "InnerProduct",
    }

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        super().__init__(dimension, metric, capacity)
        voyager: Any = importlib.import_module("voyager")
        space = getattr(voyager.Space, self.spaces[metric])
        self._index: Any = voyager.Index(space, dimension, M=16, ef_construction=200, max_elements=capacity)

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        self._size = len(vectors)
        self._index.add_items(vectors, list(range(self._size)), num_threads=threads)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        ask, width = self._index.query, max(ef, k)
        return lambda query: ask(query, k, num_threads=1, query_ef=width)

    def rows(self, answer: Any) -> Rows:
        return np.asarray(answer[0], np.int64).ravel()

    def search_many(self, k: int, ef: int) -> Search | None:
        return self.search(k, ef)

    def many_rows(self, answer: Any) -> list[Rows]:
        return list(np.asarray(answer[0], np.int64))

    def grow(self, query: Floats, k: int) -> Any:
        """Rows the graph cannot reach make it raise, so ask for a little less until it does not."""
        for share in (1, 0.9999, 0.999, 0.99, 0.95, 0.9):
            count = int(min(k, self._size) * share)
            try:
                return self.search(count, max(count, EF_GROW_MIN))(query)
            except RuntimeError:
                continue
        raise RuntimeError("voyager cannot reach nine tenths of its vectors")
