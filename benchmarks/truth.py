"""Exact neighbours, the yardstick of recall: float32 products by block, then float64, ties by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

BLOCK_ROWS = 65_536
MARGIN = 64  # candidates beyond k that are scored again in float64


def distances(base: Floats, query: Floats, metric: str) -> Doubles:
    """Distances of `query` (dimension,) to every row of `base` in float64, smaller is nearer."""
    found = np.empty(len(base), np.float64)
    wanted = query.astype(np.float64)
    for start in range(0, len(base), BLOCK_ROWS):
        block = base[start : start + BLOCK_ROWS].astype(np.float64)
        found[start : start + len(block)] = _exact(block, wanted, metric)
    return found


def order(base: Floats, query: Floats, metric: str) -> tuple[Rows, Doubles]:
    """All rows of `base` nearest first, ties by row, and the distance of each row (not sorted)."""
    found = distances(base, query, metric)
    return np.argsort(found, kind="stable"), found


def nearest(base: Floats, queries: Floats, k: int, metric: str) -> Rows:
    """The `k` nearest rows of each query, shape (len(queries), min(k, len(base)))."""
    k = min(k, len(base))
    best = np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), 64):
        some = queries[start : start + 64]
        for place, candidates in enumerate(_candidates(base, some, k + MARGIN, metric)):
            rows = np.sort(candidates)
            exact = _exact(base[rows].astype(np.float64), some[place].astype(np.float64), metric)
            best[start + place] = rows[np.argsort(exact, kind="stable")[:k]]
    return best


def recall(found: list[Rows], wanted: Rows) -> float:
    """Mean share of `wanted[i]` that is among `found[i]`."""
    k = wanted.shape[1]
    hits = [len(np.intersect1d(rows, right)) for rows, right in zip(found, wanted, strict=False)]
    return float(np.mean(hits) / k)


def _exact(rows: Doubles, query: Doubles, metric: str) -> Doubles:
    if metric == "EUCLIDEAN":
        apart: Doubles = ((rows - query) ** 2).sum(axis=1)
        return apart
    product: Doubles = rows @ query
    if metric == "COSINE":
        product = product / np.maximum(np.linalg.norm(rows, axis=1) * np.linalg.norm(query), 1e-300)
    return -product


def _candidates(base: Floats, queries: Floats, count: int, metric: str) -> list[Rows]:
    """Rows that may be among the `count` nearest of each query, by float32 products."""
    kept: list[list[Rows]] = [[] for _ in queries]
    scores: list[list[Floats]] = [[] for _ in queries]
    for start in range(0, len(base), BLOCK_ROWS):
        block = base[start : start + BLOCK_ROWS]
        apart = -(queries @ block.T)
        if metric == "EUCLIDEAN":
            apart += 0.5 * np.einsum("ij,ij->i", block, block)
        elif metric == "COSINE":
            apart /= np.maximum(np.linalg.norm(block, axis=1), 1e-30)
        take = min(count, len(block))
        part = np.argpartition(apart, take - 1, axis=1)[:, :take]
        for place, rows in enumerate(part):
            kept[place].append(rows.astype(np.int64) + start)
            scores[place].append(apart[place, rows])
    chosen = []
    for rows_of, scores_of in zip(kept, scores, strict=True):
        rows, apart_of = np.concatenate(rows_of), np.concatenate(scores_of)
        take = min(count, len(rows))
        chosen.append(rows[np.argpartition(apart_of, take - 1)[:take]])
    return chosen
