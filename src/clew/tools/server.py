"""Another server as a source, through its `range`: Clew's own, or the hosted service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clew import Index
from clew.errors import ClewError, ClientError
from clew.tools.rows import ROWS_PER_STRETCH, About, ImportedRows, SourcePlace, finite
from clew.types import FetchResult, IndexType, Metric, SparseVector

# The most that the hosted service answers at once.
PAGE_MAX = 1000

# Pages are put together until their vectors have so many numbers: 64 MiB.
NUMBERS_PER_STRETCH = 16 * 1024 * 1024


class ServerSource:
    """Every namespace of the index at `url`, one after the other, in order of insertion.

    What is written there meanwhile may or may not come along; it is no snapshot.
    """

    def __init__(self, url: str, token: str | None = None, *, page: int = PAGE_MAX) -> None:
        self.name = url
        self.identity: dict[str, Any] = {"url": url}
        self._page = page
        self._index = Index(url, token)
        try:
            info = self._index.info()
            # Asked for by itself: `info` counts, but does not say in which order they were made.
            self._names = tuple(self._index.list_namespaces())
        except BaseException:
            self._index.close()
            raise
        dense, sparse = info.dense_index, info.sparse_index
        self.about = About(
            info.dimension or None,
            Metric(info.similarity_function) if info.similarity_function else None,
            info.vector_count,
            self._names,
            IndexType(info.index_type),
            dense.embedding_model if dense else "",
            sparse.embedding_model if sparse else "",
        )

    def stretches(self, place: SourcePlace | None) -> Iterator[ImportedRows]:
        """From `place["cursor"]` in `place["namespace"]` on."""
        first, cursor = (place["namespace"], place["cursor"]) if place else (self._names[0], "")
        if first not in self._names:
            raise ClientError(f"{self.name} has no namespace {first!r} any more; begin anew with --restart")
        for name in self._names[self._names.index(first) :]:
            yield from self._of(name, cursor)
            cursor = ""

    def _of(self, name: str, cursor: str) -> Iterator[ImportedRows]:
        rows_max = min(ROWS_PER_STRETCH, NUMBERS_PER_STRETCH // (self.about.dimension or 1))
        records: list[FetchResult] = []
        while True:
            page = self._index.range(
                cursor,
                self._page,
                include_vectors=True,
                include_metadata=True,
                include_data=True,
                namespace=name,
            )
            records += page.vectors
            cursor = page.next_cursor
            if records and (not cursor or len(records) >= rows_max):
                yield self._rows(name, records, cursor)
                records = []
            if not cursor:
                return

    def _rows(self, name: str, records: list[FetchResult], cursor: str) -> ImportedRows:
        def row(i: int) -> str:
            return f"id {records[i].id!r} of namespace {name!r}"

        dense = sparse = None
        if self.about.type is not IndexType.SPARSE:
            for i, record in enumerate(records):
                if record.vector is None or len(record.vector) != self.about.dimension:
                    found = "no vector" if record.vector is None else f"{len(record.vector)} dimensions"
                    raise ClientError(f"{self.name}, {row(i)}: {found}; expected {self.about.dimension}")
            dense = finite(np.array([record.vector for record in records]), self.name, row)
        if self.about.type is not IndexType.DENSE:
            sparse = [record.sparse_vector or SparseVector([], []) for record in records]
        # At the end of a namespace the next one begins; that of the last is past its last record.
        following = self._after(name) if not cursor else {"namespace": name, "cursor": cursor}
        return ImportedRows(
            [record.id for record in records],
            dense,
            following,
            row,
            [record.metadata for record in records],
            [record.data for record in records],
            [name] * len(records),
            sparse,
        )

    def _after(self, name: str) -> SourcePlace:
        later = self._names[self._names.index(name) + 1 :]
        return {"namespace": later[0] if later else name, "cursor": "" if later else str(2**62)}

    def close(self) -> None:
        """Close the connection."""
        self._index.close()


def connected(url: str, token: str | None, page: int) -> ServerSource:
    """The source at `url`. Raises ClewError that names it."""
    try:
        return ServerSource(url, token, page=page)
    except ClientError:
        raise
    except ClewError as error:
        said = str(error)  # that nobody is there already names the URL
        raise ClientError(said if said.startswith(url) else f"{url}: {said}") from error
