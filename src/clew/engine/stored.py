"""The records of a directory without an engine, as of one moment, beside whoever has it open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clew.engine.records import IndexSettings
from clew.engine.sqlite import RECORDS_FILE, SqliteRecords
from clew.errors import ClientError
from clew.types import Metric


def require_index(directory: Path) -> None:
    """Raises ClientError where `directory` holds no index: opening it would make one."""
    if not (directory / RECORDS_FILE).is_file():
        raise ClientError(f"{directory} holds no index: it has no file {RECORDS_FILE}")


@contextmanager
def stored(directory: Path) -> Iterator[SqliteRecords]:
    """What the index in `directory` holds now; what is written to it later is not seen.

    Raises ClientError where there is no index, Corruption, StorageError.
    """
    require_index(directory)
    records = SqliteRecords(directory, IndexSettings(None, Metric.COSINE), read_only=True)
    try:
        yield records
    finally:
        records.close()


def counts(records: SqliteRecords) -> dict[int, int]:
    """How many records there are, by the number of their namespace; none where there are none."""
    return dict(
        records.file.select(
            "SELECT namespace, count(*) FROM records WHERE deleted_seq IS NULL GROUP BY namespace"
        )
    )


def stored_identity(directory: Path) -> dict[str, Any]:
    """Tells the store in `directory` from another one that took its place, as JSON."""
    found = (directory / RECORDS_FILE).stat()
    return {"directory": str(directory.resolve()), "device": found.st_dev, "inode": found.st_ino}
