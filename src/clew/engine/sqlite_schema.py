"""The tables of a record store in SQLite."""

from __future__ import annotations

from pathlib import Path

import apsw

from clew.engine.records import IndexSettings
from clew.engine.sqlite_connections import require_ours
from clew.engine.sqlite_queries import QUERIES_FILE
from clew.errors import Corruption, StorageError

FORMAT_VERSION = 1
APPLICATION_ID = 0x636C6577  # "clew": tells our files from other people's

# 16 KiB pages and vectors in a table of their own: 2x the rows per second of 4 KiB pages and one table
# for 768 dimensions, and a scan of metadata does not read vectors.
PAGE_BYTES = 16_384

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
CREATE TABLE state (
    seq INTEGER NOT NULL, next_row INTEGER NOT NULL,
    type TEXT NOT NULL, dimension INTEGER, metric TEXT NOT NULL,
    embedding_model TEXT NOT NULL, sparse_embedding_model TEXT NOT NULL);
CREATE TABLE namespaces (
    namespace INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, next_position INTEGER NOT NULL,
    purged_seq INTEGER NOT NULL);
CREATE TABLE records (
    row INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, position INTEGER NOT NULL,
    created_seq INTEGER NOT NULL, deleted_seq INTEGER, id TEXT NOT NULL, metadata TEXT, data TEXT);
CREATE INDEX records_by_position ON records (namespace, position);
CREATE INDEX records_by_id ON records (namespace, id);
CREATE INDEX records_removed ON records (namespace, deleted_seq) WHERE deleted_seq IS NOT NULL;
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE lineages (first_seq INTEGER PRIMARY KEY, lineage BLOB NOT NULL);
INSERT INTO lineages VALUES (0, randomblob(16));
INSERT INTO namespaces (name, next_position, purged_seq) VALUES ('', 0, 0);
"""


def require_not_lost(path: Path) -> None:
    """Raises Corruption where the file of records is empty or missing, and what lies beside it says that
    there were some: SQLite would take it for a new one.

    To be asked before it is opened, and by its bytes, not by its tables: SQLite removes the log of a file
    that is empty, and a loss of power may rightly leave a file of one page and no tables.
    """
    there = path.exists()
    if there and path.stat().st_size:
        return
    beside = [*sorted(path.parent.glob("clew.*.image")), *path.parent.glob(QUERIES_FILE)]
    if beside:
        raise Corruption(
            str(path),
            "the records of a Clew index",
            f"{'an empty' if there else 'no'} file, though {beside[0].name} lies beside it: put a backup in"
            " its place, or remove what is there to begin anew",
        )


def prepare(
    connection: apsw.Connection, name: str, tables: int, asked: IndexSettings, *, read_only: bool
) -> None:
    """Make the tables of a new store, or see that an old one is ours and of this version."""
    if tables == 0:
        if read_only:
            raise StorageError(f"{name} holds no index yet, and read_only does not make one")
        with connection:
            connection.execute(_SCHEMA)
            connection.execute(
                "INSERT INTO state VALUES (0, 1, ?, ?, ?, ?, ?)",
                (
                    asked.type.value,
                    asked.dimension,
                    asked.metric.value,
                    asked.embedding_model,
                    asked.sparse_embedding_model,
                ),
            )
        return
    require_ours(connection, name, APPLICATION_ID, FORMAT_VERSION, "the records of a Clew index")
