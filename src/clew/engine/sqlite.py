"""Records in SQLite, through apsw: one file, or memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from clew.engine.records import IndexSettings, Lineage, NewRecords
from clew.engine.sqlite_file import SqliteFile
from clew.engine.sqlite_reads import SqliteReads
from clew.engine.sqlite_schema import PAGE_BYTES, prepare, require_not_lost
from clew.engine.vectors import blobs
from clew.types import Durability, IndexType, Metric

RECORDS_FILE = "clew.sqlite"

# A lineage is drawn by each process that writes, with its first command. So many are kept; an image that
# is older than all of them is not known any more.
LINEAGE_BYTES, LINEAGES_MAX = 16, 10_000


class SqliteRecords(SqliteReads):
    """`Records` in the file `clew.sqlite` of `directory`, or in memory (None).

    asked: the settings of a new store; a store that exists keeps its own. read_only: another process may
    write to it meanwhile; this one sees it as it was when it was opened.

    In memory readers share the writer's connection: reads by row are right in the middle of a write, as rows
    never change, and the others go by seq.
    """

    def __init__(
        self,
        directory: Path | None,
        asked: IndexSettings,
        *,
        durability: Durability = Durability.FULL,
        read_only: bool = False,
    ) -> None:
        if directory is not None:
            require_not_lost(directory / RECORDS_FILE)
        self.file = SqliteFile(
            None if directory is None else directory / RECORDS_FILE,
            lambda connection, name, tables: prepare(connection, name, tables, asked, read_only=read_only),
            page_bytes=PAGE_BYTES,
            durability=durability,
            read_only=read_only,
        )
        [(seq, next_row, kind, dimension, metric, *models)] = self.file.select("SELECT * FROM state")
        self.settings = IndexSettings(dimension, Metric(metric), IndexType(kind), *models)
        self.seq: int = seq
        self._seq: int = seq  # of the command being written
        self._next_row: int = next_row
        self.lineage = self._last_lineage()
        self._begun = False  # whether the lineage is that of this process
        self._run, self._run_many, self._select = self.file.run, self.file.run_many, self.file.select

    # -- writes

    @contextmanager
    def writing(self, seq: int) -> Iterator[None]:
        """Everything written inside is committed together as command `seq`, or not at all."""
        settings, next_row = self.settings, self._next_row
        begins = not self._begun and seq > self.seq
        lineage = os.urandom(LINEAGE_BYTES) if begins else self.lineage
        self._seq = seq
        try:
            with self.file.writing():
                yield
                if begins:
                    self._begin(lineage)
                self._run("UPDATE state SET seq = ?, next_row = ?", (seq, self._next_row))
        except BaseException:
            self.settings, self._next_row = settings, next_row
            raise
        self.seq, self.lineage, self._begun = seq, lineage, self._begun or begins

    def fix_dimension(self, dimension: int) -> None:
        """Write down the dimension, also in `settings`; a roll-back takes it out again."""
        self._run("UPDATE state SET dimension = ?", (dimension,))
        self.settings = replace(self.settings, dimension=dimension)

    def add_namespace(self, name: str) -> int:
        """A new namespace; returns its number."""
        self._run("INSERT INTO namespaces (name, next_position, purged_seq) VALUES (?, 0, 0)", (name,))
        number: int = self.file.connection.last_insert_rowid()
        return number

    def rename_namespace(self, number: int, name: str) -> None:
        """Give a namespace another name."""
        self._run("UPDATE namespaces SET name = ? WHERE namespace = ?", (name, number))

    def empty_namespace(self, number: int) -> None:
        """Drop every row of a namespace at once, also the removed ones; positions restart at 0."""
        self._drop("namespace = ?", (number,))
        self._run(
            "UPDATE namespaces SET next_position = 0, purged_seq = ? WHERE namespace = ?", (self._seq, number)
        )

    def drop_namespace(self, number: int) -> None:
        """The same, and the namespace with them."""
        self._drop("namespace = ?", (number,))
        self._run("DELETE FROM namespaces WHERE namespace = ?", (number,))

    def add(self, namespace: int, new: NewRecords, positions: Sequence[int], next_position: int) -> int:
        """Add rows, numbered upwards from the number that is returned."""
        first, seq = self._next_row, self._seq
        texts = zip(positions, new.ids, new.metadata, new.data, strict=True)
        self._run_many(
            "INSERT INTO records VALUES (?, ?, ?, ?, NULL, ?, ?, ?)",
            (
                (row, namespace, position, seq, id, metadata, data)
                for row, (position, id, metadata, data) in enumerate(texts, first)
            ),
        )
        self._run_many("INSERT INTO vectors VALUES (?, ?)", enumerate(blobs(new.vectors), first))
        self._run("UPDATE namespaces SET next_position = ? WHERE namespace = ?", (next_position, namespace))
        self._next_row = first + len(new.ids)
        return first

    def remove(self, rows: Sequence[int]) -> None:
        """Mark rows removed as of this command."""
        seq = self._seq
        self._run_many("UPDATE records SET deleted_seq = ? WHERE row = ?", ((seq, row) for row in rows))

    def purge(self, namespace: int, seq: int, limit: int) -> int:
        """Drop up to `limit` rows that were removed at `seq` or before; returns how many."""
        rows = self._select(
            "SELECT row FROM records INDEXED BY records_removed"
            " WHERE namespace = ? AND deleted_seq <= ? LIMIT ?",
            (namespace, seq, limit),
        )
        if rows:
            self._run(
                "UPDATE namespaces SET purged_seq = max(purged_seq, ?) WHERE namespace = ?", (seq, namespace)
            )
            self._run_many("DELETE FROM vectors WHERE row = ?", iter(rows))
            self._run_many("DELETE FROM records WHERE row = ?", iter(rows))
        return len(rows)

    def bytes(self) -> int:
        """How much the store occupies, what is free in it left out."""
        return self.file.bytes()

    def free_bytes(self) -> int:
        """How much of it is free, to be used again or given back."""
        return self.file.free_bytes()

    def give_back(self) -> bool:
        """Give some free space back to the system. Whether there may be more. Not inside `writing`."""
        return self.file.vacuum_step()

    def settle(self) -> None:
        """Bring everything into the main file, as far as readers allow."""
        self.file.checkpoint()

    def copy_to(self, directory: Path, step: Callable[[int, int], None] = lambda done, total: None) -> None:
        """A copy of one moment in another directory, made while others read and write."""
        self.file.copy_to(directory / RECORDS_FILE, step)

    def close(self) -> None:
        """Close it. A second close does nothing."""
        self.file.close()

    # -- below

    def _begin(self, lineage: Lineage) -> None:
        self._run("INSERT INTO lineages VALUES (?, ?)", (self._seq, lineage))
        self._run(
            "DELETE FROM lineages WHERE first_seq <"
            " (SELECT first_seq FROM lineages ORDER BY first_seq DESC LIMIT 1 OFFSET ?)",
            (LINEAGES_MAX - 1,),
        )

    def _drop(self, where: str, bindings: Sequence[Any]) -> None:
        self._run(f"DELETE FROM vectors WHERE row IN (SELECT row FROM records WHERE {where})", bindings)
        self._run(f"DELETE FROM records WHERE {where}", bindings)
