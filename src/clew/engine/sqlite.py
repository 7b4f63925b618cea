"""Records in SQLite, through apsw: one file, or memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import msgspec

from clew.engine.records import (
    Batch,
    IndexSettings,
    StoredNamespace,
    StoredRecord,
    StoredVector,
    Texts,
)
from clew.errors import Corruption, StorageError
from clew.types import Metric

RECORDS_FILE = "clew.sqlite"
FORMAT_VERSION = 1
APPLICATION_ID = 0x636C6577  # "clew": tells our files from other people's

# 16 KiB pages and vectors in a table of their own: 2x the rows per second of 4 KiB pages and one table
# for 768 dimensions, and a scan of metadata does not read vectors.
PAGE_BYTES = 16_384

# In memory readers share the writer's connection. It lets go of it after this many rows, about 4 ms.
CHUNK_ROWS = 512

# Rows are read as one range where no more than this many times as many lie in it: looking a row up costs
# about four times as much as passing it.
RANGE_SPARSE_MAX = 4

# Up to this many matches a prefix is looked up by id and sorted by position; past it, walking the
# positions and skipping what does not match finds a page sooner.
PREFIX_SORT_MAX = 10_000

# The smallest code point after the surrogates, which no text holds; and the last code point.
_AFTER_SURROGATES, _LAST = 0xE000, 0x10FFFF

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
CREATE TABLE state (
    seq INTEGER NOT NULL, next_row INTEGER NOT NULL,
    type TEXT NOT NULL, dimension INTEGER, metric TEXT NOT NULL);
CREATE TABLE namespaces (
    namespace INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, next_position INTEGER NOT NULL);
CREATE TABLE records (
    row INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, position INTEGER NOT NULL,
    created_seq INTEGER NOT NULL, deleted_seq INTEGER, id TEXT NOT NULL, metadata TEXT, data TEXT);
CREATE INDEX records_by_position ON records (namespace, position);
CREATE INDEX records_by_id ON records (namespace, id);
CREATE INDEX records_removed ON records (namespace, deleted_seq) WHERE deleted_seq IS NOT NULL;
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
INSERT INTO namespaces (name, next_position) VALUES ('', 0);
"""


class SqliteRecords:
    """`Records` in the file `clew.sqlite` of `directory`, or in memory (None).

    asked: the settings of a new store; a store that exists keeps its own.

    On disk, readers have connections of their own and see the last commit (WAL). In memory there is one
    connection under a lock; reads by row are right in the middle of a write, as rows never change, and
    the others go by seq.
    """

    def __init__(self, directory: Path | None, asked: IndexSettings) -> None:
        self._file = ":memory:" if directory is None else str(directory / RECORDS_FILE)
        self._shared = directory is None
        self._lock = threading.Lock()  # in memory: of the one connection, held per statement
        self._idle: list[apsw.Connection] = []
        self._closed = False
        with self._translated():
            self._writer = self._connect()
            self._prepare(asked)
            [(seq, next_row, _, dimension, metric)] = self._writer.execute("SELECT * FROM state")
        self.settings = IndexSettings(dimension, Metric(metric))
        self.seq: int = seq
        self._seq: int = seq  # of the command being written
        self._next_row: int = next_row

    # -- writes

    @contextmanager
    def writing(self, seq: int) -> Iterator[None]:
        """Everything written inside is committed together as command `seq`, or not at all."""
        settings, next_row = self.settings, self._next_row
        self._seq = seq
        with self._translated():
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("UPDATE state SET seq = ?, next_row = ?", (seq, self._next_row))
                self._run("COMMIT")
            except BaseException:
                self.settings, self._next_row = settings, next_row
                if self._writer.in_transaction:  # SQLite ends it by itself after some errors
                    self._run("ROLLBACK")
                raise
        self.seq = seq

    def fix_dimension(self, dimension: int) -> None:
        """Write down the dimension, also in `settings`; a roll-back takes it out again."""
        self._run("UPDATE state SET dimension = ?", (dimension,))
        self.settings = IndexSettings(dimension, self.settings.metric)

    def add_namespace(self, name: str) -> int:
        """A new namespace; returns its number."""
        self._run("INSERT INTO namespaces (name, next_position) VALUES (?, 0)", (name,))
        number: int = self._writer.last_insert_rowid()
        return number

    def rename_namespace(self, number: int, name: str) -> None:
        """Give a namespace another name."""
        self._run("UPDATE namespaces SET name = ? WHERE namespace = ?", (name, number))

    def empty_namespace(self, number: int) -> None:
        """Drop every row of a namespace at once, also the removed ones; positions restart at 0."""
        self._drop("namespace = ?", (number,))
        self._run("UPDATE namespaces SET next_position = 0 WHERE namespace = ?", (number,))

    def drop_namespace(self, number: int) -> None:
        """The same, and the namespace with them."""
        self._drop("namespace = ?", (number,))
        self._run("DELETE FROM namespaces WHERE namespace = ?", (number,))

    def add(self, namespace: int, batch: Batch, positions: Sequence[int], next_position: int) -> int:
        """Add rows, numbered upwards from the number that is returned."""
        first, seq = self._next_row, self._seq
        texts = zip(positions, batch.ids, batch.metadata, batch.data, strict=True)
        self._run_many(
            "INSERT INTO records VALUES (?, ?, ?, ?, NULL, ?, ?, ?)",
            (
                (row, namespace, position, seq, id, metadata, data)
                for row, (position, id, metadata, data) in enumerate(texts, first)
            ),
        )
        vectors = batch.vectors.astype("<f4", copy=False)
        self._run_many(
            "INSERT INTO vectors VALUES (?, ?)",
            ((row, vector.tobytes()) for row, vector in enumerate(vectors, first)),
        )
        self._run("UPDATE namespaces SET next_position = ? WHERE namespace = ?", (next_position, namespace))
        self._next_row = first + len(batch.ids)
        return first

    def remove(self, rows: Sequence[int]) -> None:
        """Mark rows removed as of this command."""
        seq = self._seq
        self._run_many("UPDATE records SET deleted_seq = ? WHERE row = ?", ((seq, row) for row in rows))

    def purge(self, namespace: int, seq: int) -> None:
        """Drop the rows of a namespace that were removed at `seq` or before."""
        self._drop("namespace = ? AND deleted_seq <= ?", (namespace, seq))

    # -- reads

    def namespaces(self) -> list[StoredNamespace]:
        """In order of creation; the default one is always there."""
        rows = self._select("SELECT namespace, name, next_position FROM namespaces ORDER BY namespace")
        return [StoredNamespace(*row) for row in rows]

    def live(self) -> Iterator[StoredVector]:
        """Every row that is not removed, in row order. Only while nothing is written."""
        with self._translated():
            yield from map(
                StoredVector._make,
                self._writer.execute(
                    "SELECT row, namespace, position, id, vector"
                    " FROM records NOT INDEXED JOIN vectors USING (row)"
                    " WHERE deleted_seq IS NULL ORDER BY row"
                ),
            )

    def texts(self, rows: Sequence[int], *, metadata: bool, data: bool) -> dict[int, Texts]:
        """By row. A row that was dropped is missing."""
        found = self._select(
            f"SELECT row, {'metadata' if metadata else 'NULL'}, {'data' if data else 'NULL'}"
            " FROM records WHERE row IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(rows).decode(),),
        )
        return {row: Texts(metadata_text, text) for row, metadata_text, text in found}

    def metadata(self, rows: Sequence[int]) -> list[str | None]:
        """The metadata (JSON text) of ascending rows, None where a row has none or was dropped."""
        if not rows:
            return []
        first, last = rows[0], rows[-1]
        if last - first < RANGE_SPARSE_MAX * len(rows):
            found = self._select("SELECT row, metadata FROM records WHERE row BETWEEN ? AND ?", (first, last))
        else:
            found = self._select(
                "SELECT row, metadata FROM records WHERE row IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(rows).decode(),),
            )
        return list(map(dict(found).get, rows))

    def stretch(
        self,
        namespace: int,
        seq: int,
        *,
        start: int = 0,
        limit: int | None = None,
        prefix: str = "",
        vectors: bool = False,
        metadata: bool = False,
        data: bool = False,
    ) -> list[StoredRecord]:
        """What a namespace held after command `seq`, in order of position."""
        where, bounds = _prefix_bounds(prefix)
        by_id = prefix and self._at_most(namespace, where, bounds, PREFIX_SORT_MAX)
        found = self._select(
            f"SELECT position, id, {'vector' if vectors else 'NULL'},"
            f" {'metadata' if metadata else 'NULL'}, {'data' if data else 'NULL'}"
            f" FROM records INDEXED BY {'records_by_id' if by_id else 'records_by_position'}"
            f"{' JOIN vectors USING (row)' if vectors else ''}"
            f" WHERE namespace = ? AND created_seq <= ? AND (deleted_seq IS NULL OR deleted_seq > ?)"
            f" AND position >= ?{where} ORDER BY position LIMIT ?",
            (namespace, seq, seq, start, *bounds, -1 if limit is None else limit),
        )
        return [StoredRecord(*row) for row in found]

    def bytes(self) -> int:
        """How much the store occupies."""
        [(pages, page_bytes)] = self._select("SELECT * FROM pragma_page_count(), pragma_page_size()")
        return int(pages * page_bytes)

    def close(self) -> None:
        """Close it. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        with self._translated(), self._lock:
            while self._idle:
                self._idle.pop().close()
            self._writer.close()

    # -- below

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(self._file)
        connection.set_busy_timeout(5_000)  # only recovery after a crash keeps others waiting
        for pragma in ("synchronous = FULL", "temp_store = MEMORY", "cache_size = -16000"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _prepare(self, asked: IndexSettings) -> None:
        """Make the tables of a new store, or see that an old one is ours."""
        [(application_id,)] = self._writer.execute("PRAGMA application_id")
        [(version,)] = self._writer.execute("PRAGMA user_version")
        [(tables,)] = self._writer.execute("SELECT count(*) FROM sqlite_schema")
        if tables == 0:
            self._writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._writer.execute("PRAGMA journal_mode = WAL")
            with self._writer:
                self._writer.execute(_SCHEMA)
                self._writer.execute(
                    "INSERT INTO state VALUES (0, 1, 'DENSE', ?, ?)", (asked.dimension, asked.metric.value)
                )
        elif application_id != APPLICATION_ID:
            raise Corruption(self._file, "the records of a Clew index", "another SQLite database")
        elif version != FORMAT_VERSION:
            raise Corruption(self._file, f"format version {FORMAT_VERSION}", f"version {version}")

    def _run(self, sql: str, bindings: Sequence[Any] = ()) -> None:
        with self._lock:
            self._writer.execute(sql, bindings)

    def _run_many(self, sql: str, bindings: Iterator[Sequence[Any]]) -> None:
        while chunk := list(islice(bindings, CHUNK_ROWS)):
            with self._lock:
                self._writer.executemany(sql, chunk)

    def _drop(self, where: str, bindings: Sequence[Any]) -> None:
        self._run(f"DELETE FROM vectors WHERE row IN (SELECT row FROM records WHERE {where})", bindings)
        self._run(f"DELETE FROM records WHERE {where}", bindings)

    def _select(self, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """All rows of one statement, hence of one moment."""
        with self._translated():
            if self._shared:
                with self._lock:
                    return self._writer.execute(sql, bindings).fetchall()
            try:
                reader = self._idle.pop()
            except IndexError:
                reader = self._connect()
            try:
                return reader.execute(sql, bindings).fetchall()
            finally:
                self._idle.append(reader)

    def _at_most(self, namespace: int, where: str, bounds: Sequence[str], n: int) -> bool:
        [(count,)] = self._select(
            f"SELECT count(*) FROM (SELECT 1 FROM records WHERE namespace = ?{where} LIMIT ?)",
            (namespace, *bounds, n + 1),
        )
        return bool(count <= n)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of SQLite as ours."""
        try:
            yield
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise Corruption(self._file, "the records of a Clew index", str(error)) from error
        except apsw.FullError as error:
            raise StorageError(f"{self._file}: the disk is full; nothing was written") from error
        except apsw.Error as error:
            raise StorageError(f"{self._file}: {error}") from error


def _prefix_bounds(prefix: str) -> tuple[str, tuple[str, ...]]:
    """SQL for "id begins with `prefix`" as bounds that an index serves, in code point order.

    Not LIKE or substr: they end a text at its first NUL.
    """
    head = prefix.rstrip(chr(_LAST))
    if not prefix:
        return "", ()
    if not head:
        return " AND id >= ?", (prefix,)
    after = ord(head[-1]) + 1
    after = _AFTER_SURROGATES if 0xD800 <= after < _AFTER_SURROGATES else after
    return " AND id >= ? AND id < ?", (prefix, head[:-1] + chr(after))
