"""Whether what lies beside the records is whole: images of graphs, and the file of open queries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clew._core import DamagedImage, Graph
from clew.engine.image import Note, UnfitImage, image_path, read_image
from clew.engine.memory import fits_memory
from clew.engine.records import StoredNamespace
from clew.engine.restored import require_history
from clew.engine.returned import union
from clew.engine.sqlite import SqliteRecords
from clew.engine.sqlite_queries import QUERIES_FILE, SqliteQueries
from clew.engine.vectors import BothRows, from_blobs
from clew.errors import Corruption
from clew.types import Durability

# Vectors are compared so many at a time.
COMPARED_ROWS = 8_192


def image_remarks(directory: Path, records: SqliteRecords) -> list[str]:
    """What is to be said of images. The graph is made anew from the records where one cannot be used."""
    remarks = []
    for stored in records.namespaces():
        path = image_path(directory, stored.number)
        if not path.exists():
            continue
        try:
            graph, note = read_image(path, mapped=not fits_memory(path))
            _require_use(graph, note, stored, records)
        except (DamagedImage, UnfitImage, OSError) as found:
            damaged = "is damaged" if isinstance(found, DamagedImage) else "cannot be used"
            remarks.append(
                f"the image of namespace {stored.name!r} {damaged}, and its graph will be made anew from the"
                f" records: {found}"
            )
    remarks += [
        f"{path.name} was damaged and set aside; it can be removed"
        for path in sorted(directory.glob("clew.*.image.damaged"))
    ]
    return remarks


def query_problems(directory: Path) -> list[str]:
    """What is wrong with the open queries. An opening sets such a file aside, and they end."""
    if not (directory / QUERIES_FILE).exists():
        return []
    try:
        saved = SqliteQueries(directory, Durability.FULL, read_only=True)
    except Corruption as error:
        return [f"the open queries are damaged: {error}"]
    try:
        [*told] = saved.file.select("PRAGMA integrity_check(5)")
        if told != [("ok",)]:
            return [f"the open queries are damaged: {text}" for (text,) in told]
        return list(_unreadable(saved))
    except Corruption as error:
        return [f"the open queries are damaged: {error}"]
    finally:
        saved.close()


def _require_use(graph: Graph, note: Note, stored: StoredNamespace, records: SqliteRecords) -> None:
    """Raises UnfitImage where an image is not of these records, or shows other vectors than they hold."""
    require_history(graph, note, stored, records)
    rows = note.rows_array()
    settings = records.settings
    for first in range(0, len(rows), COMPARED_ROWS):
        found = records.vectors(rows[first : first + COMPARED_ROWS].tolist())
        slots = [
            slot for slot in range(first, min(first + COMPARED_ROWS, len(rows))) if int(rows[slot]) in found
        ]
        kept = from_blobs(settings.type, graph.dimension, [found[int(rows[slot])] for slot in slots])
        dense = kept.dense if isinstance(kept, BothRows) else kept
        if not np.array_equal(dense, graph.rows(np.array(slots, dtype=np.uint32))):
            raise UnfitImage(
                f"a vector of rows {rows[first]} to {rows[slots[-1]]} is not that of the records"
            )


def _unreadable(saved: SqliteQueries) -> Iterator[str]:
    for query in saved.active():
        try:
            union([*saved.parts(query.number), query.place.tail, query.place.last])
        except (ValueError, IndexError) as error:
            yield f"what query {query.uuid} has returned cannot be read: {error}"
