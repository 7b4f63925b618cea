"""Sparse scores as the rules have them: a plain loop over pairs, in float32."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Pairs = Sequence[tuple[int, float]]


def idf(records: int, having: int) -> np.float32:
    return np.float32(math.log1p((records - having + 0.5) / (having + 0.5)))


def weights(query: Pairs, documents: Sequence[Pairs] | None) -> list[tuple[int, np.float32]]:
    """The values of a query; with documents, by how rare their index is among them."""
    if documents is None:
        return [(index, np.float32(value)) for index, value in query]
    having: dict[int, int] = {}
    for document in documents:
        for index in {index for index, _ in document}:
            having[index] = having.get(index, 0) + 1
    return [(i, np.float32(value) * idf(len(documents), having.get(i, 0))) for i, value in query]


def score(query: list[tuple[int, np.float32]], document: Pairs) -> np.float32 | None:
    """None where nothing is in common."""
    total = None
    for index, value in document:
        for wanted, weight in query:
            if wanted == index:
                product = weight * np.float32(value)
                total = np.float32(0) + product if total is None else total + product
    return total


def ranked(query: list[tuple[int, np.float32]], documents: dict[int, Pairs]) -> list[tuple[int, float]]:
    """What matches, best first, ties by key."""
    found = [(key, float(s)) for key, d in documents.items() if (s := score(query, d)) is not None]
    return sorted(found, key=lambda one: (-one[1], one[0]))
