"""The tables of a record store in SQLite, and how those of an earlier version become those of this one."""

from __future__ import annotations

import apsw

from clew.engine.records import IndexSettings
from clew.engine.sqlite_file import require_version
from clew.errors import Corruption, StorageError

FORMAT_VERSION = 3
APPLICATION_ID = 0x636C6577  # "clew": tells our files from other people's

# 16 KiB pages and vectors in a table of their own: 2x the rows per second of 4 KiB pages and one table
# for 768 dimensions, and a scan of metadata does not read vectors.
PAGE_BYTES = 16_384

_LINEAGES = "CREATE TABLE lineages (first_seq INTEGER PRIMARY KEY, lineage BLOB NOT NULL);"
_FIRST_LINEAGE = "INSERT INTO lineages VALUES (0, randomblob(16));"

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
CREATE TABLE state (
    seq INTEGER NOT NULL, next_row INTEGER NOT NULL,
    type TEXT NOT NULL, dimension INTEGER, metric TEXT NOT NULL,
    embedding_model TEXT NOT NULL DEFAULT '', sparse_embedding_model TEXT NOT NULL DEFAULT '');
CREATE TABLE namespaces (
    namespace INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, next_position INTEGER NOT NULL,
    purged_seq INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
    row INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, position INTEGER NOT NULL,
    created_seq INTEGER NOT NULL, deleted_seq INTEGER, id TEXT NOT NULL, metadata TEXT, data TEXT);
CREATE INDEX records_by_position ON records (namespace, position);
CREATE INDEX records_by_id ON records (namespace, id);
CREATE INDEX records_removed ON records (namespace, deleted_seq) WHERE deleted_seq IS NOT NULL;
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
{_LINEAGES}
{_FIRST_LINEAGE}
INSERT INTO namespaces (name, next_position) VALUES ('', 0);
"""

# What version 1 lacked: no open query outlived its process, so none of what was purged is missed. The file is
# written anew, as only then free pages can be given back to the system.
_FROM_1 = (
    "ALTER TABLE namespaces ADD COLUMN purged_seq INTEGER NOT NULL DEFAULT 0;"
    "UPDATE namespaces SET purged_seq = (SELECT seq FROM state);"
    "ALTER TABLE state ADD COLUMN embedding_model TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE state ADD COLUMN sparse_embedding_model TEXT NOT NULL DEFAULT '';"
)
# Version 2 had no images, which lineages are for.
_FROM_2 = f"{_LINEAGES}{_FIRST_LINEAGE}PRAGMA user_version = {FORMAT_VERSION};"


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
    [(application_id,)] = connection.execute("PRAGMA application_id")
    [(version,)] = connection.execute("PRAGMA user_version")
    if application_id != APPLICATION_ID:
        raise Corruption(name, "the records of a Clew index", "another SQLite database")
    if version in (1, 2) and not read_only:
        with connection:
            connection.execute(f"{_FROM_1}{_FROM_2}" if version == 1 else _FROM_2)
        if version == 1:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
    elif version == 2:  # as it is on the disk
        connection.execute(_LINEAGES.replace("TABLE", "TEMP TABLE"))
    else:
        require_version(name, version, FORMAT_VERSION)
