"""Open queries in SQLite, through apsw: a file of their own, so that no batch waits for a large write to
commit.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from clew.engine.saved import Place, SavedQuery, decode_query, encode_query
from clew.engine.snapshot import Snapshot
from clew.engine.sqlite_connections import require_ours
from clew.engine.sqlite_file import SqliteFile
from clew.engine.together import Together
from clew.errors import Corruption
from clew.types import Durability

QUERIES_FILE = "clew.queries.sqlite"
QUERIES_VERSION = 1
APPLICATION_ID = 0x636C6571  # "cleq"

# A batch changes a few hundred bytes, of one page mostly: a small one is written sooner.
PAGE_BYTES = 2_048

# The three tables change at different rates: what was asked never, where the query is with every batch; what
# it returned grows at its end.
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {QUERIES_VERSION};
CREATE TABLE queries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB NOT NULL, namespace INTEGER NOT NULL,
    seq INTEGER NOT NULL, end_row INTEGER NOT NULL, max_idle_s REAL NOT NULL, query BLOB NOT NULL);
CREATE TABLE places (
    number INTEGER PRIMARY KEY, deadline REAL NOT NULL, batch INTEGER NOT NULL, last BLOB NOT NULL,
    tail BLOB NOT NULL);
CREATE TABLE returned (
    number INTEGER NOT NULL, part INTEGER NOT NULL, rows BLOB NOT NULL, PRIMARY KEY (number, part)) WITHOUT
    ROWID;
"""

_PLACE = "INSERT INTO places (deadline, batch, last, tail, number) VALUES (?, ?, ?, ?, ?)"
_MOVE = "UPDATE places SET deadline = ?, batch = ?, last = ?, tail = ? WHERE number = ?"

_log = logging.getLogger("clew.queries")

_Statement = tuple[str, Sequence[Any]]


class SqliteQueries:
    """`SavedQueries` in the file `clew.queries.sqlite` of `directory`."""

    lasting = True

    def __init__(self, directory: Path, durability: Durability, *, read_only: bool = False) -> None:
        self.file = SqliteFile(
            directory / QUERIES_FILE,
            _prepare,
            page_bytes=PAGE_BYTES,
            durability=durability,
            read_only=read_only,
        )
        self._together: Together[list[_Statement]] = Together(len, self._carry_out)
        self._writing = threading.Lock()  # held by those who carry out, and by who vacuums beside them

    def active(self) -> list[SavedQuery]:
        """Every query that was begun and has not ended."""
        found = self.file.select(
            "SELECT number, uuid, namespace, seq, end_row, max_idle_s, query, deadline, batch, last, tail"
            " FROM queries JOIN places USING (number) ORDER BY number"
        )
        try:
            return [_saved(row) for row in found]
        except (msgspec.MsgspecError, ValueError) as error:
            raise Corruption(self.file.name, "open queries", str(error)) from error

    def parts(self, number: int) -> list[bytes]:
        """The packed rows that a query returned before its tail, in the parts they were saved in."""
        found = self.file.select("SELECT rows FROM returned WHERE number = ? ORDER BY part", (number,))
        return [rows for (rows,) in found]

    def begin(self, query: SavedQuery) -> None:
        """A new query; its number was never used before."""
        asked = (
            query.number,
            uuid.UUID(query.uuid).bytes,
            query.namespace,
            *query.snapshot,
            query.max_idle_s,
            encode_query(query.query),
        )
        self._together.run(
            [
                ("INSERT INTO queries VALUES (?, ?, ?, ?, ?, ?, ?)", asked),
                (_PLACE, _bound(query.place, query.number)),
            ]
        )

    def move(self, number: int, place: Place) -> None:
        """A query has come to `place`."""
        moved = (place.deadline, place.batch, place.last, place.tail, number)  # quicker than a call
        if not self._together.led and self._writing.acquire(False):  # nobody is in the way
            try:
                self.file.run_alone(_MOVE, moved)
            finally:
                self._writing.release()
        else:
            self._together.run([(_MOVE, moved)])

    def regroup(self, number: int, place: Place, keep: int, parts: Sequence[bytes]) -> None:
        """The same, and of the parts that it had the first `keep` stay, and `parts` follow."""
        self._together.run(
            [
                (_MOVE, _bound(place, number)),
                ("DELETE FROM returned WHERE number = ? AND part >= ?", (number, keep)),
                *(
                    ("INSERT INTO returned VALUES (?, ?, ?)", (number, part, rows))
                    for part, rows in enumerate(parts, keep)
                ),
            ]
        )

    def end(self, numbers: Sequence[int]) -> None:
        """These queries have ended."""
        tables = ("queries", "places", "returned")
        self._together.run(
            [(f"DELETE FROM {table} WHERE number = ?", (number,)) for number in numbers for table in tables]
        )

    def settle(self) -> None:
        """Do now what the store puts off: after it the disk holds no more than it must."""
        more = True
        while more:
            with self._writing:
                more = self.file.vacuum_step()
        self.file.checkpoint()

    def close(self) -> None:
        """Close it. A second close does nothing."""
        with self._writing:
            self.file.close()

    def _carry_out(self, lot: Sequence[list[_Statement]]) -> None:
        with self._writing:
            if len(lot) == 1 and len(lot[0]) == 1:
                self.file.run_alone(*lot[0][0])
                return
            with self.file.writing():
                for statements in lot:
                    for sql, bindings in statements:
                        self.file.run(sql, bindings)


def opened_queries(directory: Path, durability: Durability) -> tuple[SqliteQueries, list[SavedQuery]]:
    """The open queries in `directory`, and those that are active. A file that is damaged is set aside with a
    warning: queries last for hours, and must not keep anyone from records.
    """
    try:
        return _whole(directory, durability)
    except Corruption as damage:
        path = directory / QUERIES_FILE
        _log.warning("%s is damaged and set aside; the open queries in it have ended: %s", path, damage)
        for ending in ("", "-wal"):
            with suppress(FileNotFoundError):
                Path(f"{path}{ending}").replace(f"{path}.damaged{ending}")
        Path(f"{path}-shm").unlink(missing_ok=True)
        return _whole(directory, durability)


def _whole(directory: Path, durability: Durability) -> tuple[SqliteQueries, list[SavedQuery]]:
    saved = SqliteQueries(directory, durability)
    with ExitStack() as opened:
        opened.callback(saved.close)
        active = saved.active()
        opened.pop_all()
    return saved, active


def _bound(place: Place, number: int) -> Sequence[Any]:
    """The bindings of what writes a place down."""
    return place.deadline, place.batch, place.last, place.tail, number


def _saved(row: Sequence[Any]) -> SavedQuery:
    """Of a row of `queries` and one of `places`."""
    number, name, namespace, seq, end_row, max_idle_s, query, deadline, batch, last, tail = row
    place = Place(deadline, batch, last, tail)
    snapshot = Snapshot(seq, end_row)
    name = str(uuid.UUID(bytes=name))
    return SavedQuery(number, name, namespace, snapshot, max_idle_s, decode_query(query), place)


def _prepare(connection: apsw.Connection, name: str, tables: int) -> None:
    """Make the tables of a new file, or see that an old one is ours."""
    if tables == 0:
        with connection:
            connection.execute(_SCHEMA)
        return
    require_ours(connection, name, APPLICATION_ID, QUERIES_VERSION, "the open queries of a Clew index")
