"""The image of one namespace: its graph in a file beside the records, and a note of what the slots are.

docs/format.md has the layout. An image is a copy of what the records hold; they stay the truth.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from clew._core import DamagedImage, Graph
from clew.engine.generation import Generation
from clew.engine.returned import Rows

NOTE_VERSION = 1
FILE_VERSION = 1

# Of the header: what it begins with, the version, how many slots there are, and how many of them are live.
_HEAD = struct.Struct("<8sI44xQQ")
_MAGIC = b"CLEWGRPH"


class UnfitImage(Exception):
    """An image that may be whole, and cannot be used."""


class _Version(msgspec.Struct):
    version: int


class Note(msgspec.Struct, frozen=True):
    """What an image says of its slots.

    It shows the namespace `namespace` as command `seq` of `lineage` left it; its rows are before row
    `end_row`.
    changes: the number of the last change of the graph.
    rows, positions: by slot, int64; `ids` likewise.
    removed: the slots that are tombstones, uint32. All numbers are little-endian.
    """

    version: int
    namespace: int
    lineage: bytes
    seq: int
    end_row: int
    changes: int
    rows: bytes
    positions: bytes
    removed: bytes
    ids: Sequence[str]

    def rows_array(self) -> Rows:
        """The rows, ascending."""
        return np.frombuffer(self.rows, dtype="<i8")

    def removed_array(self) -> NDArray[np.uint32]:
        """The slots that are tombstones."""
        return np.frombuffer(self.removed, dtype="<u4")


def image_path(directory: Path, number: int) -> Path:
    """Where the image of the namespace with this number is."""
    return directory / f"clew.{number}.image"


def note_of(generation: Generation, namespace: int, lineage: bytes, seq: int) -> Note:
    """The note of its present state. Only while nothing is written.

    lineage, seq: of the last command of the index, whichever namespace it changed. The last that changed this
    one may be of an earlier process, and so of another lineage.
    """
    return Note(
        NOTE_VERSION,
        namespace,
        lineage,
        seq,
        generation.snapshot.end_row,
        generation.changes,
        _little(generation.rows),
        _little(generation.positions),
        _little(generation.removed),
        generation.ids[:],
    )


encode_note = msgspec.msgpack.Encoder().encode
"""A note as bytes."""


def read_image(path: Path, *, mapped: bool) -> tuple[Graph, Note]:
    """The graph of an image and its note, which fit each other.

    mapped: vectors stay in the file, and are read where they are needed.
    Raises FileNotFoundError, UnfitImage (of another version), DamagedImage, OSError.
    """
    version = _head(path)[0]
    if version != FILE_VERSION:
        raise UnfitImage(f"it is of version {version}, and this program reads {FILE_VERSION}")
    graph, packed = Graph.load(str(path), mapped)
    try:
        noted = msgspec.msgpack.decode(packed, type=_Version).version
        if noted != NOTE_VERSION:
            raise UnfitImage(f"its note is of version {noted}, and this program reads {NOTE_VERSION}")
        note = msgspec.msgpack.decode(packed, type=Note)
    except msgspec.MsgspecError as error:
        raise DamagedImage(f"{path} has a note that is none: {error}") from error
    _require_fit(path, graph, note)
    return graph, note


def state_of(path: Path) -> tuple[int, int]:
    """How many slots an image has, and how many of them are live. Raises OSError, DamagedImage."""
    _, size, live = _head(path)
    return size, live


def _head(path: Path) -> tuple[int, int, int]:
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        raise DamagedImage(f"{path} is not an image of a graph")
    _, version, size, live = _HEAD.unpack(head)
    return version, size, live


def _require_fit(path: Path, graph: Graph, note: Note) -> None:
    rows, removed = note.rows_array(), note.removed_array()
    size = graph.size
    if not (
        len(rows) == len(note.positions) // 8 == len(note.ids) == size
        and len(removed) == size - graph.live
        and (not len(removed) or int(removed.max()) < size)
        and bool((np.diff(rows) > 0).all())
        and (not size or int(rows[-1]) < note.end_row)
    ):
        raise DamagedImage(f"{path} has a note that does not fit its graph")


def _little(numbers: array[int]) -> bytes:
    """Numbers as little-endian bytes of their own width."""
    return np.frombuffer(numbers[:], dtype=f"={numbers.typecode}").astype(f"<{numbers.typecode}").tobytes()
