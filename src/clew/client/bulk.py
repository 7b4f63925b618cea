"""Whole arrays at once: their arguments checked, the commands they come to, and a progress bar over those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from clew.bars import bar, silent
from clew.client.metadata import to_metadata
from clew.client.steps import Steps
from clew.client.values import refusal, to_count, to_filter, to_ids, to_matrix, to_namespace, to_text
from clew.commands import QueryArrays, UpsertArrays
from clew.errors import ClientError

T = TypeVar("T")

# Rows of `upsert_arrays` that one command carries: enough to link in parallel, few enough that a
# progress bar moves and no other writer waits long.
ROWS_PER_COMMAND = 8192


def upsert_arrays(
    ids: Iterable[str | int],
    vectors: object,
    metadata: Iterable[Any] | None,
    data: Iterable[Any] | None,
    namespace: str | None,
) -> list[UpsertArrays]:
    """The commands of `Index.upsert_arrays`: everything is checked before the first is carried."""
    names = to_ids(ids, "ids")
    rows = to_matrix(vectors, "vectors")
    if len(names) != len(rows):
        raise ClientError(f"ids has {len(names)} elements and vectors {len(rows)} rows; expected as many")
    if len(rows) and not rows.shape[1]:
        raise ClientError("vectors has rows without numbers; expected at least one number each")
    objects = _column(metadata, "metadata", len(rows), to_metadata)
    texts = _column(data, "data", len(rows), to_text)
    space = to_namespace(namespace)
    return [
        UpsertArrays(
            names[part],
            rows[part],
            None if objects is None else objects[part],
            None if texts is None else texts[part],
            space,
        )
        for part in _parts(len(rows))
    ]


def _parts(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROWS_PER_COMMAND):
        yield slice(start, start + ROWS_PER_COMMAND)


def _column(
    values: Iterable[Any] | None, name: str, rows: int, convert: Callable[[object, str], T]
) -> tuple[T | None, ...] | None:
    if values is None:
        return None
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise refusal(name, values, "a list with one element for each id, or None")
    column = tuple(
        [None if value is None else convert(value, f"{name}[{row}]") for row, value in enumerate(values)]
    )
    if len(column) != rows:
        raise ClientError(f"{name} has {len(column)} elements and vectors {rows} rows; expected as many")
    return column


def query_arrays(vectors: object, top_k: object, filter: str | None, namespace: str | None) -> QueryArrays:
    """The command of `Index.query_arrays`."""
    return QueryArrays(
        to_matrix(vectors, "vectors"), to_count(top_k, "top_k"), to_filter(filter), to_namespace(namespace)
    )


def carried(commands: Sequence[UpsertArrays], progress: bool) -> Steps[str]:
    """Carry the commands in order. "Success"."""
    rows = sum(len(command.ids) for command in commands)
    with bar("Indexing", rows, unit="rows") if progress else nullcontext(silent) as advance:
        for command in commands:
            yield command
            advance(len(command.ids))
    return "Success"
