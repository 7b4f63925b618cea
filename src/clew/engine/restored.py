"""A generation made from an image, and from what the records say has changed since."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clew._core import Graph, Sparse
from clew.engine.calibrate import scan_cost
from clew.engine.fair import FairLock
from clew.engine.generation import Generation
from clew.engine.image import Note, UnfitImage
from clew.engine.parts import NO_SLOTS, HybridPart, Slots
from clew.engine.records import Records, StoredNamespace
from clew.engine.returned import Rows
from clew.engine.snapshot import Snapshot
from clew.engine.vectors import from_blobs
from clew.types import IndexType

# Reading a slot of an image takes about this share of the time that linking it anew does, or less.
READ_SHARE = 1 / 32

# The lists of a hybrid index, which no image has, are made of so many records at a time.
LISTED_ROWS = 65_536


def restored(
    graph: Graph, note: Note, stored: StoredNamespace, records: Records, writing: FairLock
) -> Generation:
    """The generation of an image without what was removed since. What was added since is yet to be linked.

    Raises UnfitImage where the image is not of these records, or making the graph anew costs less.
    """
    require_history(graph, note, stored, records)
    metric, rows = records.settings.metric, note.rows_array()
    gone = _removed_since(rows, note, stored, records)
    removed = np.concatenate([note.removed_array(), gone])
    if graph.size - len(removed) < READ_SHARE * graph.size:
        raise UnfitImage("almost all of what it shows is no longer there")
    changes = note.changes
    part: Graph | HybridPart = graph
    if records.settings.type is IndexType.HYBRID:
        live = np.ones(len(rows), dtype=np.bool_)
        live[removed] = False
        sparse, listed = _lists(rows, live, note.removed_array(), records)
        changes = max(changes, listed) + 1
        # Both halves show a state under the number of the last change.
        part = HybridPart(graph, sparse, graph.size)
        part.hide(gone, changes)
    elif len(gone):
        changes += 1
        graph.apply(np.empty((0, graph.dimension), dtype=np.float32), gone, changes)
    graph.scan_cost = scan_cost(graph)
    return Generation(
        part,
        metric,
        records,
        writing,
        Snapshot(records.seq, note.end_row),
        ids=note.ids,
        rows=rows.tolist(),
        positions=np.frombuffer(note.positions, dtype="<i8").tolist(),
        removed=removed.tolist(),
        changes=changes,
        calibrated=graph.size,
    )


def require_history(graph: Graph, note: Note, stored: StoredNamespace, records: Records) -> None:
    """Raises UnfitImage where the image is not of this namespace of these records, as it is or was."""
    if note.namespace != stored.number or graph.dimension != records.settings.dimension:
        raise UnfitImage("it is of another namespace")
    if not records.has_been(note.lineage, note.seq):
        raise UnfitImage(f"it shows command {note.seq} of a history that is not that of the records")


def _removed_since(rows: Rows, note: Note, stored: StoredNamespace, records: Records) -> Slots:
    """The slots that the image shows as live and whose rows have been removed since."""
    if stored.purged_seq <= note.seq:
        found = np.array(records.removed_rows(stored.number, note.seq, note.end_row), dtype=np.int64)
        return np.searchsorted(rows, np.sort(found)).astype(np.uint32)
    # Rows removed since may have been purged: what is not among those that are there is gone.
    live = np.zeros(len(rows), dtype=np.bool_)
    there = np.array(records.live_rows(stored.number, note.end_row), dtype=np.int64)
    live[np.searchsorted(rows, there)] = True
    live[note.removed_array()] = True
    return np.flatnonzero(~live).astype(np.uint32)


def _lists(rows: Rows, live: NDArray[np.bool_], removed: Slots, records: Records) -> tuple[Sparse, int]:
    """The inverted lists of slots with these rows, and the number of their last change. What is not live is
    empty.
    """
    sparse, changes = Sparse(), 0
    dimension = records.settings.dimension or 0
    nothing = bytes(4 * dimension)
    for first in range(0, len(rows), LISTED_ROWS):
        stretch = rows[first : first + LISTED_ROWS]
        found = records.vectors(stretch[live[first : first + LISTED_ROWS]].tolist())
        blobs = [found.get(row, nothing) for row in stretch.tolist()]
        lists = from_blobs(IndexType.HYBRID, dimension, blobs).sparse
        changes += 1
        sparse.apply(lists.offsets, lists.indices, lists.values, NO_SLOTS, changes)
    none = from_blobs(IndexType.SPARSE, 0, [])
    sparse.apply(none.offsets, none.indices, none.values, removed, changes + 1)
    return sparse, changes + 1
