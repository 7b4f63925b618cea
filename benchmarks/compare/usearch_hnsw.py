"""usearch: HNSW over float32 vectors, with the parameters given to hnswlib."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np

from benchmarks.peers import Engine, Search
from benchmarks.truth import Floats, Rows


class Usearch(Engine):
    """`usearch.index.Index`, connectivity 16, expansion_add 200, float32."""

    name = "usearch"
    requires = ("usearch.index",)
    changes = True
    package = "usearch"
    metrics: ClassVar[dict[str, str]] = {"EUCLIDEAN": "l2sq", "COSINE": "cos", "DOT_PRODUCT": "ip"}

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        super().__init__(dimension, metric, capacity)
        create = importlib.import_module("usearch.index").Index
        self._index: Any = create(
            ndim=dimension, metric=self.metrics[metric], dtype="f32", connectivity=16, expansion_add=200
        )

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        self._index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=threads)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        self._index.expansion_search = max(ef, k)
        ask = self._index.search
        return lambda query: ask(query, k, threads=1)

    def rows(self, answer: Any) -> Rows:
        return np.asarray(answer.keys, np.int64)

    def search_many(self, k: int, ef: int) -> Search | None:
        return self.search(k, ef)

    def many_rows(self, answer: Any) -> list[Rows]:
        return list(np.asarray(answer.keys, np.int64))

    def grow(self, query: Floats, k: int) -> Any:
        return super().grow(query, min(k, len(self._index)))

    def insert(self, vector: Floats) -> None:
        self._index.add(len(self._index) + self.capacity, vector, threads=1)

    def delete(self, rows: Rows) -> None:
        self._index.remove(rows.astype(np.uint64), compact=False, threads=1)
