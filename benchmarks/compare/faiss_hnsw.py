"""faiss: its HNSW over float32 vectors, with the parameters given to hnswlib."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.peers import Engine, Search, Selection
from benchmarks.truth import Floats, Rows


class FaissHnsw(Engine):
    """`IndexHNSWFlat`, M=16, efConstruction=200. Cosine is a dot product of normalised vectors."""

    name = "faiss"
    requires = ("faiss",)
    filters = True
    package = "faiss-cpu"

    def __init__(self, dimension: int, metric: str, capacity: int) -> None:
        super().__init__(dimension, metric, capacity)
        self._faiss: Any = importlib.import_module("faiss")
        kind = self._faiss.METRIC_L2 if metric == "EUCLIDEAN" else self._faiss.METRIC_INNER_PRODUCT
        self._index: Any = self._faiss.IndexHNSWFlat(dimension, 16, kind)
        self._index.hnsw.efConstruction = 200
        self._bits: list[Any] = []

    def build(self, vectors: Floats, threads: int = 1, column: Rows | None = None) -> None:
        self._faiss.omp_set_num_threads(threads)
        self._index.add(self._prepared(vectors))
        self._faiss.omp_set_num_threads(1)

    def search(self, k: int, ef: int, allowed: Any = None) -> Search:
        settings = {"efSearch": max(ef, k)} | ({"sel": allowed} if allowed is not None else {})
        parameters = self._faiss.SearchParametersHNSW(**settings)
        ask = self._index.search
        return lambda query: ask(query[None], k, params=parameters)

    def rows(self, answer: Any) -> Rows:
        found: Rows = answer[1][0].astype(np.int64)
        return found[found >= 0]

    def search_many(self, k: int, ef: int) -> Search | None:
        parameters = self._faiss.SearchParametersHNSW(efSearch=max(ef, k))
        return lambda queries: self._index.search(queries, k, params=parameters)

    def many_rows(self, answer: Any) -> list[Rows]:
        return list(answer[1].astype(np.int64))

    def allow(self, selection: Selection) -> Any:
        bits = np.packbits(selection.mask, bitorder="little")
        self._bits.append(bits)  # the selector only points at them
        return self._faiss.IDSelectorBitmap(len(selection.mask), self._faiss.swig_ptr(bits))

    def _prepared(self, vectors: Floats) -> Floats:
        if self.metric != "COSINE":
            return vectors
        return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
