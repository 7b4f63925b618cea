"""Scalable Vector Search (scalable-vs): its static Vamana graph over float32 vectors."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np

from benchmarks.peers import Engine, Search
from benchmarks.truth import Floats, Rows


class SvsVamana(Engine):
    """Degree 32, window 200, alpha 1.2 (0.95 for similarities): the lowest level of hnswlib has 32 links."""

    name = "svs"
    requires = ("svs",)
    package = "scalable-vs"
    metrics: ClassVar[dict[str, str]] = {"EUCLIDEAN": "L2", "COSINE": "Cosine", "DOT_PRODUCT": "MIP"}

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        svs: Any = importlib.import_module("svs")
        alpha = 1.2 if self.metric == "EUCLIDEAN" else 0.95
        settings = svs.VamanaBuildParameters(alpha=alpha, graph_max_degree=32, window_size=200)
        distance = getattr(svs.DistanceType, self.metrics[self.metric])
        self._size = len(vectors)
        self._index: Any = svs.Vamana.build(settings, vectors, distance, num_threads=threads)
        self._index.num_threads = 1

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        self._index.search_window_size = max(ef, k)
        ask = self._index.search
        return lambda query: ask(query[None], k)

    def rows(self, answer: Any) -> Rows:
        return np.asarray(answer[0][0], np.int64)

    def search_many(self, k: int, ef: int) -> Search | None:
        self._index.search_window_size = max(ef, k)
        return lambda queries: self._index.search(queries, k)

    def many_rows(self, answer: Any) -> list[Rows]:
        return list(np.asarray(answer[0], np.int64))

    def grow(self, query: Floats, k: int) -> Any:
        return super().grow(query, min(k, self._size))
