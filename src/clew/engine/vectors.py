"""The vectors of records, many at once: dense, sparse or both, in memory and as the bytes that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew._core import shortest
from clew.commands import Floats
from clew.types import IndexType, SparseVector

Indices = NDArray[np.int32]
Offsets = NDArray[np.uint64]

_NO_OFFSETS = np.zeros(1, dtype=np.uint64)
# Of a stored entry: its index and its value.
_ENTRY_BYTES = 8


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Sparse vectors one after the other: row i has the entries from `offsets[i]` to `offsets[i + 1]`.

    offsets: uint64, shape (n + 1,). indices: int32, values: float32, as many of each as `offsets` ends with.
    """

    offsets: Offsets
    indices: Indices
    values: Floats

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Sequence[int]) -> SparseRows:
        parts = [slice(int(self.offsets[row]), int(self.offsets[row + 1])) for row in rows]
        return SparseRows(
            _offsets([part.stop - part.start for part in parts]),
            np.concatenate([self.indices[part] for part in parts] or [self.indices[:0]]),
            np.concatenate([self.values[part] for part in parts] or [self.values[:0]]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class BothRows:
    """The vectors of hybrid records: `dense` of shape (n, dimension), float32, and as many of `sparse`."""

    dense: Floats
    sparse: SparseRows

    def __len__(self) -> int:
        return len(self.dense)

    def __getitem__(self, rows: Sequence[int]) -> BothRows:
        return BothRows(self.dense[rows], self.sparse[rows])


Vectors = Floats | SparseRows | BothRows
"""Vectors of the records of one index; by its type floats of shape (n, dimension), sparse ones, or both."""


def dimension_of(vectors: Vectors) -> int:
    """How many dimensions the dense part has; 0 where there is none."""
    if isinstance(vectors, SparseRows):
        return 0
    return int((vectors.dense if isinstance(vectors, BothRows) else vectors).shape[1])


def no_vectors(kind: IndexType, dimension: int) -> Vectors:
    """None at all, of an index of type `kind`."""
    none: Vectors = from_blobs(kind, dimension, [])
    return none


def sparse_rows(vectors: Sequence[SparseVector]) -> SparseRows:
    """Checked sparse vectors as one."""
    return SparseRows(
        _offsets([len(one.indices) for one in vectors]),
        np.array([index for one in vectors for index in one.indices], dtype=np.int32),
        np.array([value for one in vectors for value in one.values], dtype=np.float32),
    )


def joined(parts: Sequence[Any]) -> Any:
    """Vectors of one kind, those of each of `parts` after those of the part before. At least one part."""
    first = parts[0]
    if isinstance(first, BothRows):
        return BothRows(joined([one.dense for one in parts]), joined([one.sparse for one in parts]))
    if isinstance(first, SparseRows):
        lengths = np.concatenate([np.diff(one.offsets) for one in parts])
        return SparseRows(
            _offsets(lengths),
            np.concatenate([one.indices for one in parts]),
            np.concatenate([one.values for one in parts]),
        )
    return np.concatenate(parts)


# -- as bytes: dense components, then sparse indices, then sparse values, all little-endian, 4 bytes each


def blobs(vectors: Vectors) -> Iterator[bytes]:
    """The bytes of each vector, in order."""
    if isinstance(vectors, BothRows):
        for dense, sparse in zip(blobs(vectors.dense), blobs(vectors.sparse), strict=True):
            yield dense + sparse
    elif isinstance(vectors, SparseRows):
        indices, values = vectors.indices.astype("<i4", copy=False), vectors.values.astype("<f4", copy=False)
        for start, stop in pairwise(vectors.offsets.tolist()):
            yield indices[start:stop].tobytes() + values[start:stop].tobytes()
    else:
        for row in vectors.astype("<f4", copy=False):
            yield row.tobytes()


def from_blobs(kind: IndexType, dimension: int, stored: Sequence[bytes]) -> Any:
    """The vectors that `blobs` made these bytes of. ValueError where no vectors of `kind` can have been."""
    dense_bytes = 0 if kind is IndexType.SPARSE else 4 * dimension
    sparse = None
    if kind is not IndexType.DENSE:
        if any(len(blob) < dense_bytes or (len(blob) - dense_bytes) % _ENTRY_BYTES for blob in stored):
            raise ValueError("a vector whose length does not fit")
        sparse = _sparse_from([blob[dense_bytes:] for blob in stored])
        if kind is IndexType.SPARSE:
            return sparse
        stored = [blob[:dense_bytes] for blob in stored]
    values = np.frombuffer(b"".join(stored), dtype="<f4").astype(np.float32, copy=False)
    if len(values) != len(stored) * dimension:
        raise ValueError(f"{len(stored)} vectors of {len(values)} components, not {dimension} each")
    dense = values.reshape(len(stored), dimension)
    return dense if sparse is None else BothRows(dense, sparse)


def _sparse_from(stored: Sequence[bytes]) -> SparseRows:
    lengths = [len(blob) // _ENTRY_BYTES for blob in stored]
    halves = [(blob[: len(blob) // 2], blob[len(blob) // 2 :]) for blob in stored]
    return SparseRows(
        _offsets(lengths),
        np.frombuffer(b"".join(half for half, _ in halves), dtype="<i4").astype(np.int32, copy=False),
        np.frombuffer(b"".join(half for _, half in halves), dtype="<f4").astype(np.float32, copy=False),
    )


def _offsets(lengths: Sequence[int] | NDArray[Any]) -> Offsets:
    if not len(lengths):
        return _NO_OFFSETS
    return np.concatenate([_NO_OFFSETS, np.cumsum(np.asarray(lengths), dtype=np.uint64)])


# -- as users see them


def shown(vectors: Vectors) -> Iterator[tuple[list[float] | None, SparseVector | None]]:
    """The dense and the sparse part of each vector; None for a part that the index does not have."""
    if isinstance(vectors, BothRows):
        for (dense, _), (_, sparse) in zip(shown(vectors.dense), shown(vectors.sparse), strict=True):
            yield dense, sparse
    elif isinstance(vectors, SparseRows):
        indices, values = vectors.indices.tolist(), shortest(vectors.values)
        for start, stop in pairwise(vectors.offsets.tolist()):
            yield None, SparseVector(indices[start:stop], values[start:stop])
    else:
        dimension, numbers = vectors.shape[1], shortest(vectors)
        for start in range(0, len(numbers), dimension):
            yield numbers[start : start + dimension], None
