"""Whether a store is whole: what must hold between its tables, read without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clew.engine.records import IndexSettings
from clew.engine.sqlite import SqliteRecords
from clew.engine.stored import counts, stored
from clew.engine.vectors import BothRows, SparseRows, from_blobs
from clew.engine.verify_beside import image_remarks, query_problems
from clew.errors import Corruption

# Of one kind so many are told; where one is wrong, thousands may be.
TOLD_MAX = 5

VECTORS_PER_STEP = 8192

# What must not be found. Each selects what is told of it.
_NEVER = (
    (
        "a record has no vector",
        "SELECT printf('row %d, id %Q', row, id) FROM records WHERE row NOT IN (SELECT row FROM vectors)",
    ),
    (
        "a vector belongs to no record",
        "SELECT printf('row %d', row) FROM vectors WHERE row NOT IN (SELECT row FROM records)",
    ),
    (
        "a vector does not have the dimension of the index",
        "SELECT printf('row %d, %d bytes of %s', row, length(vector), typeof(vector)) FROM vectors"
        " CROSS JOIN state WHERE typeof(vector) != 'blob' OR dimension IS NULL OR CASE type"
        " WHEN 'DENSE' THEN length(vector) != 4 * dimension"
        " ELSE length(vector) < 4 * dimension OR (length(vector) - 4 * dimension) % 8 END",
    ),
    (
        "a record belongs to no namespace",
        "SELECT printf('row %d, id %Q', row, id) FROM records"
        " WHERE namespace NOT IN (SELECT namespace FROM namespaces)",
    ),
    (
        "a record has a position that is still to be given",
        "SELECT printf('row %d, id %Q', row, id) FROM records JOIN namespaces USING (namespace)"
        " WHERE position NOT BETWEEN 0 AND next_position - 1",
    ),
    (
        "a record has a row that is still to be given",
        "SELECT printf('row %d, id %Q', row, id) FROM records, state"
        " WHERE row NOT BETWEEN 1 AND next_row - 1",
    ),
    (
        "a record was written or removed by a command that never was",
        "SELECT printf('row %d, id %Q', row, id) FROM records, state"
        " WHERE created_seq > seq OR deleted_seq > seq OR deleted_seq <= created_seq",
    ),
    (
        "an id has two records",
        "SELECT printf('id %Q', id) FROM records INDEXED BY records_by_id WHERE deleted_seq IS NULL"
        " GROUP BY namespace, id HAVING count(*) > 1",
    ),
    (
        "a position has two records",
        "SELECT printf('position %d', position) FROM records WHERE deleted_seq IS NULL"
        " GROUP BY namespace, position HAVING count(*) > 1",
    ),
    (
        "metadata is no JSON object",
        "SELECT printf('row %d, id %Q', row, id) FROM records WHERE metadata IS NOT NULL"
        " AND CASE WHEN json_valid(metadata) THEN json_type(metadata) ELSE '' END != 'object'",
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `removed` are rows kept for open queries, or not yet purged. `remarks` are no problems:
    what they tell of is made anew.
    """

    records: int
    namespaces: int
    removed: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


Step = Callable[[int, int], None]
"""Told how many steps are done, and of how many."""


def verify(directory: Path, step: Step = lambda done, total: None) -> Verdict:
    """Read everything that the index in `directory` keeps, also while it is open elsewhere.

    Raises ClientError where there is no index, StorageError where it cannot be read.
    """
    problems: list[str] = []
    remarks: list[str] = []
    live = namespaces = removed = 0
    try:
        with stored(directory) as records:
            live = sum(counts(records).values())
            namespaces = len(records.namespaces())
            [(every, last)] = records.file.select("SELECT count(*), max(row) FROM records")
            removed = every - live
            total = len(_NEVER) + 1 + (last or 0) // VECTORS_PER_STEP + 1
            for done, found in enumerate(_findings(records), 1):
                problems += found
                step(min(done, total), total)
            if not problems:
                remarks = image_remarks(directory, records)
    except Corruption as error:
        problems.append(str(error))
    problems += query_problems(directory)
    return Verdict(live, namespaces, removed, tuple(problems), tuple(remarks))


def _findings(records: SqliteRecords) -> Iterator[list[str]]:
    """The problems, part by part."""
    told = [text for (text,) in records.file.select(f"PRAGMA integrity_check({TOLD_MAX})")]
    yield [] if told == ["ok"] else [f"the file is damaged: {text}" for text in told]
    for what, sql in _NEVER:
        found = records.file.select(f"{sql} LIMIT {TOLD_MAX}")
        yield [f"{what}: {where}" for (where,) in found]
    row = 0
    while stretch := records.file.select(
        "SELECT row, vector FROM vectors WHERE row > ? AND typeof(vector) = 'blob' ORDER BY row LIMIT ?",
        (row, VECTORS_PER_STEP),
    ):
        row = stretch[-1][0]
        yield _not_finite(stretch, records.settings)


def _not_finite(stretch: list[tuple[int, bytes]], settings: IndexSettings) -> list[str]:
    found = [f"a vector is not finite: row {row}" for row, vector in stretch if not _finite(vector, settings)]
    return found[:TOLD_MAX]


def _finite(vector: bytes, settings: IndexSettings) -> bool:
    """Of its numbers, not of what are indices. What is not of the right length was told already."""
    try:
        whole = from_blobs(settings.type, settings.dimension or 0, [vector])
    except ValueError:
        return True
    parts = (whole.dense, whole.sparse) if isinstance(whole, BothRows) else (whole,)
    return all(np.isfinite(part.values if isinstance(part, SparseRows) else part).all() for part in parts)
