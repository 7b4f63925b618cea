"""Answers: as the result of a response on the server's side, and back on the client's.

Numbers of vectors and scores arrive here as the shortest decimals of their float32, and JSON keeps them so.
What is absent is left out; `null` is written only for a record that is missing.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from clew import commands as c
from clew import types as t
from clew.errors import ServerError

T = TypeVar("T")


class _Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """Names in camel case, without what is None."""


class Sparse(_Answer):
    """A sparse vector."""

    indices: list[int]
    values: list[float]


class Found(_Answer):
    """A record."""

    id: str
    vector: list[float] | None = None
    sparse_vector: Sparse | None = None
    metadata: dict[str, Any] | None = None
    data: str | None = None


class Hit(_Answer):
    """A record with its score."""

    id: str
    score: float
    vector: list[float] | None = None
    sparse_vector: Sparse | None = None
    metadata: dict[str, Any] | None = None
    data: str | None = None


class Started(_Answer):
    """A resumable query that was begun."""

    uuid: str
    scores: list[Hit]


class Page(_Answer):
    """A stretch of a namespace."""

    next_cursor: str
    vectors: list[Found]


class Deleted(_Answer):
    """How many records a delete removed."""

    deleted: int


class Updated(_Answer):
    """How many records an update changed."""

    updated: int


class Renamed(_Answer):
    """That a namespace has another name."""

    renamed: bool


class Counts(_Answer):
    """Of a namespace."""

    vector_count: int
    pending_vector_count: int


class DenseHalf(_Answer):
    """The dense half of an index."""

    dimension: int
    similarity_function: str
    embedding_model: str


class SparseHalf(_Answer):
    """The sparse half of an index."""

    embedding_model: str


class About(_Answer):
    """An index."""

    vector_count: int
    pending_vector_count: int
    index_size: int
    dimension: int
    similarity_function: str
    index_type: str
    namespaces: dict[str, Counts]
    dense_index: DenseHalf | None = None
    sparse_index: SparseHalf | None = None


class Envelope(msgspec.Struct, Generic[T]):
    """Every answer that is no error."""

    result: T


def decoder(kind: Any) -> msgspec.json.Decoder[Envelope[Any]]:
    """Reads an answer whose result is a `kind`."""
    return msgspec.json.Decoder(Envelope[kind])


# -- the server's side


def hits(results: list[t.QueryResult]) -> list[Hit]:
    """Of a query or a batch."""
    return [Hit(r.id, r.score, r.vector, _sparse(r.sparse_vector), r.metadata, r.data) for r in results]


def hits_of_all(results: list[Any]) -> list[Any]:
    """Of one query, or of an array of them. An array of exactly one is answered flat, as the service does."""
    if not results or isinstance(results[0], t.QueryResult):
        return hits(results)
    return hits(results[0]) if len(results) == 1 else list(map(hits, results))


def started(answer: tuple[str, list[t.QueryResult]]) -> Started:
    """Of the start of a resumable query."""
    return Started(answer[0], hits(answer[1]))


def found(record: t.FetchResult | None) -> Found | None:
    """Of a record."""
    if record is None:
        return None
    sparse = _sparse(record.sparse_vector)
    return Found(record.id, record.vector, sparse, record.metadata, record.data)


def all_found(records: list[t.FetchResult | None]) -> list[Found | None]:
    """Of a fetch."""
    return list(map(found, records))


def page(answer: t.RangeResult) -> Page:
    """Of a range."""
    return Page(answer.next_cursor, [one for one in map(found, answer.vectors) if one])


def about(info: t.InfoResult) -> About:
    """Of info."""
    dense, sparse = info.dense_index, info.sparse_index
    return About(
        info.vector_count,
        info.pending_vector_count,
        info.index_size,
        info.dimension,
        info.similarity_function,
        info.index_type,
        {name: Counts(n.vector_count, n.pending_vector_count) for name, n in info.namespaces.items()},
        None
        if dense is None
        else DenseHalf(dense.dimension, dense.similarity_function, dense.embedding_model),
        None if sparse is None else SparseHalf(sparse.embedding_model),
    )


def _sparse(vector: t.SparseVector | None) -> Sparse | None:
    return None if vector is None else Sparse(vector.indices, vector.values)


# -- the client's side


def as_results(hits: list[Hit]) -> list[t.QueryResult]:
    """What `hits` was made from."""
    return [
        t.QueryResult(h.id, h.score, h.vector, _as_sparse(h.sparse_vector), h.metadata, h.data) for h in hits
    ]


def as_all_results(answer: list[Hit] | list[list[Hit]], command: c.AnyCommand) -> Any:
    """The answer that `command` has in process."""
    if isinstance(command, c.Query):
        return as_results(_flat(answer))
    if isinstance(command, c.QueryMany):
        return list(map(as_results, _rows(answer, len(command.queries))))
    assert isinstance(command, c.QueryArrays)
    rows = _rows(answer, len(command.vectors))
    scores = [np.array([hit.score for hit in row], dtype=np.float32) for row in rows]
    return [[hit.id for hit in row] for row in rows], scores


def as_record(record: Found | None) -> t.FetchResult | None:
    """What `found` was made from."""
    if record is None:
        return None
    sparse = _as_sparse(record.sparse_vector)
    return t.FetchResult(record.id, record.vector, sparse, record.metadata, record.data)


def as_range(answer: Page) -> t.RangeResult:
    """What `page` was made from."""
    return t.RangeResult(answer.next_cursor, [one for one in map(as_record, answer.vectors) if one])


def as_info(a: About) -> t.InfoResult:
    """What `about` was made from."""
    dense, sparse = a.dense_index, a.sparse_index
    return t.InfoResult(
        a.vector_count,
        a.pending_vector_count,
        a.index_size,
        a.dimension,
        a.similarity_function,
        a.index_type,
        None
        if dense is None
        else t.DenseIndexInfo(dense.dimension, dense.similarity_function, dense.embedding_model),
        None if sparse is None else t.SparseIndexInfo(sparse.embedding_model),
        {name: t.NamespaceInfo(n.vector_count, n.pending_vector_count) for name, n in a.namespaces.items()},
    )


def _as_sparse(vector: Sparse | None) -> t.SparseVector | None:
    return None if vector is None else t.SparseVector(vector.indices, vector.values)


def _flat(answer: list[Any]) -> list[Hit]:
    return answer[0] if answer and isinstance(answer[0], list) else answer


def _rows(answer: list[Any], asked: int) -> list[list[Hit]]:
    """One row for each query, also where the only one came flat."""
    rows = [_flat(answer)] if asked == 1 else answer
    if len(rows) != asked or any(isinstance(row, Hit) for row in rows):
        raise ServerError(f"{asked} queries were answered by {len(rows)} results", 200)
    return rows
