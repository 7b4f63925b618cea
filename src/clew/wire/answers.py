"""The JSON of answers: what the server writes and the client reads.

Records, with scores and without, are their own JSON (`types.py`); here is the rest. Numbers of vectors and
scores arrive as the shortest decimals of their float32, and JSON keeps them so. What is absent is left out;
`null` is written only for a record that is missing.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from clew.types import QueryResult

T = TypeVar("T")


class _Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """Names in camel case, without what is None."""


class Started(_Answer):
    """A resumable query that was begun."""

    uuid: str
    scores: list[QueryResult]


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
