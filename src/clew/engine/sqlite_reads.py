"""Reading records from SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from clew.engine.records import (
    Lineage,
    RemovedVector,
    StoredNamespace,
    StoredRecord,
    StoredVector,
    Texts,
)
from clew.engine.sqlite_file import SqliteFile
from clew.engine.sqlite_prefix import prefix_bounds

# Rows are read as one range where no more than this many times as many lie in it: looking a row up costs
# about four times as much as passing it.
RANGE_SPARSE_MAX = 4

# Up to this many matches a prefix is looked up by id and sorted by position; past it, walking the
# positions and skipping what does not match finds a page sooner.
PREFIX_SORT_MAX = 10_000


class SqliteReads:
    """The reads of a record store. Each is one statement, hence of one moment."""

    file: SqliteFile

    def namespaces(self) -> list[StoredNamespace]:
        """In order of creation; the default one is always there."""
        rows = self.file.select(
            "SELECT namespace, name, next_position, purged_seq FROM namespaces ORDER BY namespace"
        )
        return [StoredNamespace(*row) for row in rows]

    def live(self, since: Mapping[int, int] | None = None) -> Iterator[StoredVector]:
        """Every row that is not removed, in row order; of the namespaces in `since` only from that row on.
        Only while nothing is written.
        """
        since = since or {}
        covered = [one.next_position == 0 or one.number in since for one in self.namespaces()]
        first = min(since.values(), default=0) if all(covered) else 0
        return map(
            StoredVector._make,
            self.file.stream(
                "WITH since (namespace, row) AS MATERIALIZED"
                " (SELECT CAST(key AS INTEGER), value FROM json_each(?))"
                " SELECT records.row, records.namespace, position, id, vector"
                " FROM records NOT INDEXED LEFT JOIN since ON since.namespace = records.namespace"
                " CROSS JOIN vectors ON vectors.row = records.row"
                " WHERE records.row >= ? AND deleted_seq IS NULL AND records.row >= ifnull(since.row, 0)"
                " ORDER BY records.row",
                (msgspec.json.encode(since).decode(), first),
            ),
        )

    def live_rows(self, namespace: int, before_row: int) -> list[int]:
        """The rows before row `before_row` that are not removed, in any order."""
        found = self.file.select(
            "SELECT row FROM records WHERE namespace = ? AND deleted_seq IS NULL AND row < ?",
            (namespace, before_row),
        )
        return [row for (row,) in found]

    def removed_rows(self, namespace: int, after: int, before_row: int) -> list[int]:
        """The rows before row `before_row` that a command later than `after` removed, in any order; those not
        yet purged.
        """
        found = self.file.select(
            "SELECT row FROM records INDEXED BY records_removed"
            " WHERE namespace = ? AND deleted_seq > ? AND row < ?",
            (namespace, after, before_row),
        )
        return [row for (row,) in found]

    def vectors(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The bytes of vectors by row. A row that was dropped is missing."""
        return dict(
            self.file.select(
                "SELECT row, vector FROM vectors WHERE row IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(rows).decode(),),
            )
        )

    def has_been(self, lineage: Lineage, seq: int) -> bool:
        """Whether these records are those that command `seq` left in `lineage`, and what came after."""
        found = self.file.select(
            "SELECT lineage FROM lineages, state WHERE first_seq <= ? AND state.seq >= ?"
            " ORDER BY first_seq DESC LIMIT 1",
            (seq, seq),
        )
        return found == [(lineage,)]

    def _last_lineage(self) -> Lineage:
        found = self.file.select("SELECT lineage FROM lineages ORDER BY first_seq DESC LIMIT 1")
        return found[0][0] if found else b""

    def removed(self, namespace: int, after: int, upto: int) -> list[RemovedVector]:
        """The rows removed by a command later than `after`, up to `upto`, in row order; those not yet
        purged.
        """
        found = self.file.select(
            "SELECT row, deleted_seq, position, id, vector FROM records JOIN vectors USING (row)"
            " WHERE namespace = ? AND deleted_seq > ? AND deleted_seq <= ? ORDER BY row",
            (namespace, after, upto),
        )
        return [RemovedVector(*row) for row in found]

    def removed_count(self, namespace: int, after: int, before_row: int) -> int:
        """How many rows before row `before_row` were removed by a command later than `after` and are kept."""
        [(count,)] = self.file.select(
            "SELECT count(*) FROM records INDEXED BY records_removed"
            " WHERE namespace = ? AND deleted_seq > ? AND row < ?",
            (namespace, after, before_row),
        )
        return int(count)

    def removed_bytes(self, namespace: int, after: int, upto: int) -> int:
        """What the rows hold that were removed by a command later than `after`, up to `upto`, and are
        kept.
        """
        [(held,)] = self.file.select(
            "SELECT sum(octet_length(vector) + octet_length(id)"
            " + coalesce(octet_length(metadata), 0) + coalesce(octet_length(data), 0))"
            " FROM records JOIN vectors USING (row)"
            " WHERE namespace = ? AND deleted_seq > ? AND deleted_seq <= ?",
            (namespace, after, upto),
        )
        return int(held or 0)

    def texts(self, rows: Sequence[int], *, metadata: bool, data: bool) -> dict[int, Texts]:
        """By row. A row that was dropped is missing."""
        found = self.file.select(
            f"SELECT row, {'metadata' if metadata else 'NULL'}, {'data' if data else 'NULL'}"
            " FROM records WHERE row IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(rows).decode(),),
        )
        return {row: Texts(metadata_text, text) for row, metadata_text, text in found}

    def metadata(self, rows: Sequence[int]) -> list[str | None]:
        """The metadata (JSON text) of rows, None where a row has none or was dropped."""
        if not rows:
            return []
        first, last = min(rows), max(rows)
        if last - first < RANGE_SPARSE_MAX * len(rows):
            found = self.file.select(
                "SELECT row, metadata FROM records WHERE row BETWEEN ? AND ?", (first, last)
            )
        else:
            found = self.file.select(
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
        where, bounds = prefix_bounds(prefix)
        by_id = prefix and self._at_most(namespace, where, bounds, PREFIX_SORT_MAX)
        found = self.file.select(
            f"SELECT position, id, {'vector' if vectors else 'NULL'},"
            f" {'metadata' if metadata else 'NULL'}, {'data' if data else 'NULL'}"
            f" FROM records INDEXED BY {'records_by_id' if by_id else 'records_by_position'}"
            f"{' JOIN vectors USING (row)' if vectors else ''}"
            f" WHERE namespace = ? AND created_seq <= ? AND (deleted_seq IS NULL OR deleted_seq > ?)"
            f" AND position >= ?{where} ORDER BY position LIMIT ?",
            (namespace, seq, seq, start, *bounds, -1 if limit is None else limit),
        )
        return [StoredRecord(*row) for row in found]

    def _at_most(self, namespace: int, where: str, bounds: Sequence[str], n: int) -> bool:
        [(count,)] = self.file.select(
            f"SELECT count(*) FROM (SELECT 1 FROM records WHERE namespace = ?{where} LIMIT ?)",
            (namespace, *bounds, n + 1),
        )
        return bool(count <= n)
