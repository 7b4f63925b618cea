"""VSAG (pyvsag): its HGraph over float32 vectors."""

from __future__ import annotations

import importlib
import json
from typing import Any, ClassVar

import numpy as np

from benchmarks.peers import Engine, Search
from benchmarks.truth import Floats, Rows


class VsagHgraph(Engine):
    """`hgraph`, degree 32, ef_construction 200, fp32."""

    name = "vsag"
    requires = ("pyvsag",)
    package = "pyvsag"
    metrics: ClassVar[dict[str, str]] = {"EUCLIDEAN": "l2", "COSINE": "cosine", "DOT_PRODUCT": "ip"}

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        settings = {
            "dtype": "float32",
            "metric_type": self.metrics[self.metric],
            "dim": self.dimension,
            "index_param": {
                "base_quantization_type": "fp32",
                "max_degree": 32,
                "ef_construction": 200,
                "build_thread_count": threads,
            },
        }
        self._size = len(vectors)
        self._index: Any = importlib.import_module("pyvsag").Index("hgraph", json.dumps(settings))
        rows = np.arange(self._size, dtype=np.int64)
        self._index.build(vectors=vectors, ids=rows, num_elements=self._size, dim=self.dimension)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        ask, settings = self._index.knn_search, json.dumps({"hgraph": {"ef_search": max(ef, k)}})
        return lambda query: ask(vector=query, k=k, parameters=settings)

    def rows(self, answer: Any) -> Rows:
        """Places it could not fill hold whatever was in memory, with distances that are not finite."""
        found = np.asarray(answer[0], np.int64)
        return found[(found >= 0) & (found < self._size)]

    def grow(self, query: Floats, k: int) -> Any:
        return super().grow(query, min(k, self._size))
