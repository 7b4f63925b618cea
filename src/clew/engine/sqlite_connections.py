"""Connections to one SQLite file: to write to it, to see it as it is now, and whether it is ours."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import apsw

from clew.engine.lock import ReaderLock
from clew.errors import Corruption, StorageError

# What the log keeps of the disk when it is begun anew.
LOG_BYTES_KEPT = 64 << 20


def connected(name: str, synchronous: str) -> apsw.Connection:
    """One that may write. synchronous: what a commit waits for, FULL or NORMAL."""
    connection = apsw.Connection(name)
    with ExitStack() as opened:
        opened.callback(connection.close)
        connection.set_busy_timeout(5_000)  # only recovery after a crash keeps others waiting
        for pragma in (
            f"synchronous = {synchronous}",
            "fullfsync = 1",  # of macOS alone, where a plain sync stops at the memory of the disk
            "temp_store = MEMORY",
            "cache_size = -16000",
            "wal_autocheckpoint = 0",
            f"journal_size_limit = {LOG_BYTES_KEPT}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        opened.pop_all()
    return connection


def connected_to_read(name: str) -> tuple[apsw.Connection, ReaderLock | None]:
    """One that is pinned to the present moment. Where it cannot be written down that the file is read, one
    without a log is taken as immutable, and the lock keeps it so.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    uri = Path(name).absolute().as_uri()
    try:
        connection = apsw.Connection(f"{uri}?mode=ro", flags=flags)
        connection.set_busy_timeout(5_000)
        connection.execute("BEGIN; SELECT count(*) FROM sqlite_schema").fetchall()
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        if Path(f"{name}-wal").exists():
            raise
        with ExitStack() as opened:
            lock = ReaderLock(Path(name).parent)
            opened.callback(lock.release)
            connection = apsw.Connection(f"{uri}?immutable=1", flags=flags)
            opened.pop_all()
        return connection, lock
    return connection, None


def require_ours(
    connection: apsw.Connection, name: str, application_id: int, version: int, what: str
) -> None:
    """See that a file that exists is `what` in the format that this program writes. Raises Corruption,
    StorageError.
    """
    [(application,)] = connection.execute("PRAGMA application_id")
    if application != application_id:
        raise Corruption(name, what, "another SQLite database")
    [(found,)] = connection.execute("PRAGMA user_version")
    if found != version:
        raise StorageError(
            f"{name} is of format version {found}, and this program knows version {version}: another version "
            "of Clew wrote it"
        )
