"""Results of commands: to the answers that stand for them on the wire, and back."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from clew import commands as c
from clew import types as t
from clew.errors import ServerError
from clew.wire import answers as a

# An answer of more records is encoded record by record, for the reason that `commands` has for large bodies.
TOGETHER_MAX = 32

_encode = msgspec.json.Encoder().encode

# -- the server's side


def apart(rows: list[Any]) -> list[Any]:
    """Rows as they are, or where they are many each encoded by itself, so that the GIL is let go of between
    them.
    """
    return rows if len(rows) <= TOGETHER_MAX else [msgspec.Raw(_encode(row)) for row in rows]


def hits_of_all(results: list[Any]) -> list[Any]:
    """Of one query, or of an array of them. An array of exactly one is answered flat, as the service does."""
    if not results or isinstance(results[0], t.QueryResult):
        return apart(results)
    return apart(results[0]) if len(results) == 1 else apart(list(map(apart, results)))


def started(answer: tuple[str, list[t.QueryResult]]) -> a.Started:
    """Of the start of a resumable query."""
    return a.Started(answer[0], apart(answer[1]))


def page(answer: t.RangeResult) -> t.RangeResult:
    """The answer to `range`, its records encoded by `apart`."""
    return t.RangeResult(answer.next_cursor, apart(answer.vectors))


def about(info: t.InfoResult) -> a.About:
    """`InfoResult` as the wire has it."""
    dense, sparse = info.dense_index, info.sparse_index
    return a.About(
        info.vector_count,
        info.pending_vector_count,
        info.index_size,
        info.dimension,
        info.similarity_function,
        info.index_type,
        {name: a.Counts(n.vector_count, n.pending_vector_count) for name, n in info.namespaces.items()},
        None
        if dense is None
        else a.DenseHalf(dense.dimension, dense.similarity_function, dense.embedding_model),
        None if sparse is None else a.SparseHalf(sparse.embedding_model),
    )


# -- the client's side


def as_all_results(answer: list[t.QueryResult] | list[list[t.QueryResult]], command: c.AnyCommand) -> Any:
    """The answer that `command` has in process."""
    if isinstance(command, c.Query):
        return _flat(answer)
    if isinstance(command, c.QueryMany):
        return _rows(answer, len(command.queries))
    assert isinstance(command, c.QueryArrays)
    rows = _rows(answer, len(command.vectors))
    scores = [np.array([hit.score for hit in row], dtype=np.float32) for row in rows]
    return [[hit.id for hit in row] for row in rows], scores


def as_info(said: a.About) -> t.InfoResult:
    """What `about` was made from."""
    dense, sparse = said.dense_index, said.sparse_index
    return t.InfoResult(
        said.vector_count,
        said.pending_vector_count,
        said.index_size,
        said.dimension,
        said.similarity_function,
        said.index_type,
        None
        if dense is None
        else t.DenseIndexInfo(dense.dimension, dense.similarity_function, dense.embedding_model),
        None if sparse is None else t.SparseIndexInfo(sparse.embedding_model),
        {
            name: t.NamespaceInfo(n.vector_count, n.pending_vector_count)
            for name, n in said.namespaces.items()
        },
    )


def _flat(answer: list[Any]) -> list[t.QueryResult]:
    return answer[0] if answer and isinstance(answer[0], list) else answer


def _rows(answer: list[Any], asked: int) -> list[list[t.QueryResult]]:
    """One row for each query, also where the only one came flat."""
    rows = [_flat(answer)] if asked == 1 else answer
    if len(rows) != asked or any(isinstance(row, t.QueryResult) for row in rows):
        raise ServerError(f"{asked} queries were answered by {len(rows)} results", 200)
    return rows
