"""Vectors for tests, and the truth about them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NONE = np.zeros(0, np.uint32)


def clustered(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    """Rows in overlapping clusters. The first rows do not depend on `count`."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((40, dimension)) * 2
    noise = rng.standard_normal((20_000, dimension))
    return (centers[rng.integers(0, 40, 20_000)] + noise)[:count].astype(np.float32)


def brute_force(
    rows: NDArray[np.float32], query: NDArray[np.float32], metric: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All rows in order, nearest first, ties by row; and their distances in float64."""
    wide, wide_query = rows.astype(np.float64), query.astype(np.float64)
    if metric == "EUCLIDEAN":
        distances = ((wide - wide_query) ** 2).sum(axis=1)
    else:
        distances = -(wide @ wide_query)
    if metric == "COSINE":
        lengths = np.linalg.norm(wide, axis=1) * np.linalg.norm(wide_query)
        distances = np.divide(distances, lengths, out=np.zeros_like(distances), where=lengths > 0)
    order = np.argsort(distances, kind="stable")
    return order, distances[order]


def bitmap(mask: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Bit s of word s // 64 is mask[s]."""
    packed = np.packbits(mask, bitorder="little")
    return np.concatenate([packed, np.zeros(-len(packed) % 8, np.uint8)]).view(np.uint64)
