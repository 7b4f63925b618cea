"""What an import reads: stretches of records, each with the place where the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clew.commands import Floats
from clew.errors import ClientError
from clew.types import IndexType, Metadata, Metric, SparseVector

# As many as one command of `upsert_arrays` carries: enough to link in parallel and to share a commit, few
# enough that what an interruption makes to be done again is a second's work.
ROWS_PER_STRETCH = 8192

SourcePlace = dict[str, Any]
"""Where a source goes on, as JSON: what it means is known to that source alone."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a source before its records are read. What it does not say is None.

    namespaces: those that the target must have afterwards, also if nothing is in them.
    rows: how many records will come.
    """

    dimension: int | None
    metric: Metric | None
    rows: int
    namespaces: tuple[str, ...] = ()
    type: IndexType | None = None
    embedding_model: str = ""
    sparse_embedding_model: str = ""


@dataclass(frozen=True, slots=True)
class ImportedRows:
    """Records in order. `vectors` has shape (len(ids), dimension), float32, finite; None of a SPARSE index.

    namespaces: of each record; None says nothing, so that the default one is meant.
    next: where the stretch after this one begins.
    row: names record i for an error, as in "row 7".
    """

    ids: Sequence[str | int]
    vectors: Floats | None
    next: SourcePlace
    row: Callable[[int], str]
    metadata: Sequence[Metadata | None] | None = None
    data: Sequence[str | None] | None = None
    namespaces: Sequence[str] | None = None
    sparse: Sequence[SparseVector] | None = None

    def chosen(self, which: Sequence[int]) -> ImportedRows:
        """Those at ascending places `which`; the same where that is all of them."""
        if len(which) == len(self.ids):
            return self
        return ImportedRows(
            [self.ids[i] for i in which],
            None if self.vectors is None else self.vectors[which],
            self.next,
            lambda i: self.row(which[i]),
            None if self.metadata is None else [self.metadata[i] for i in which],
            None if self.data is None else [self.data[i] for i in which],
            None if self.namespaces is None else [self.namespaces[i] for i in which],
            None if self.sparse is None else [self.sparse[i] for i in which],
        )


class Source(Protocol):
    """Where records come from.

    name: for people.
    identity: as JSON; an interrupted import goes on only with a source of the same identity.
    """

    name: str
    identity: dict[str, Any]
    about: About

    def stretches(self, place: SourcePlace | None) -> Iterator[ImportedRows]:
        """Every record from `place` on; None is the beginning. Raises ClientError that names file and row."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


def finite(values: NDArray[Any], where: str, row: Callable[[int], str]) -> Floats:
    """Rows of numbers as float32. Raises ClientError for the first that float32 cannot hold."""
    if values.dtype.kind not in "fiu":
        raise ClientError(f"{where} holds {values.dtype}; expected numbers")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(values, dtype=np.float32)
    good = np.isfinite(floats)
    if not good.all():
        i, j = (int(place) for place in np.argwhere(~good)[0])
        raise ClientError(f"{where}, {row(i)}: [{j}] is {values[i, j]}; expected a finite number in float32")
    return floats
