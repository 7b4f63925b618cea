"""JSONL: one record a line, in UTF-8. An export begins with a line about the index it came from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from clew.engine.vectors import shown
from clew.errors import ClientError
from clew.tools import header
from clew.tools.files import identity_of, to_disk
from clew.tools.records import ExportedRows
from clew.tools.rows import ROWS_PER_STRETCH, About, ImportedRows, SourcePlace, finite
from clew.types import IndexType, Metadata, SparseVector

# A stretch ends after so much text, however few records that is: one may have a megabyte of data.
BYTES_PER_STRETCH = 64 * 1024 * 1024
BLOCK_BYTES = 1024 * 1024

# An export waits for the disk once it has written so much.
KEPT_BYTES = 32 * 1024 * 1024


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A record as it is read."""

    id: str | int
    vector: list[float] | None = None
    sparse_vector: SparseVector | None = None
    metadata: Metadata | None = None
    data: str | None = None
    namespace: str | None = None


class Written(msgspec.Struct, omit_defaults=True):
    """The same as it is written: metadata is the text that is kept."""

    id: str
    namespace: str = ""
    vector: list[float] | None = None
    sparse_vector: SparseVector | None = None
    metadata: msgspec.Raw | None = None
    data: str | None = None


class JsonlSource:
    """Lines of a file."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.identity = identity_of(path)
        self._decoder = msgspec.json.Decoder(Line)
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ClientError(f"{path} cannot be read: {error.strerror}") from error
        try:
            self.about, self._start = self._look()
        except BaseException:
            self._file.close()
            raise
        self._dimension, self._type = self.about.dimension, self.about.type

    def _look(self) -> tuple[About, SourcePlace]:
        """What the first line says, and where records begin."""
        first = self._file.readline()
        if first.startswith(b'{"' + header.KEY.encode() + b'"'):
            where = f"{self.name}, line 1"
            said = header.read(where, self._decoded(first, 1, msgspec.json.Decoder())[header.KEY])
            return said.about(), {"byte": len(first), "line": 1}
        self._file.seek(0)
        lines, last = 0, b"\n"
        while block := self._file.read(BLOCK_BYTES):
            lines, last = lines + block.count(b"\n"), block[-1:]
        record = self._decoded(first, 1, self._decoder) if first.strip() else Line("")
        about = About(len(record.vector or ()) or None, None, lines + (last != b"\n"), type=_type(record))
        return about, {"byte": 0, "line": 0}

    def stretches(self, place: SourcePlace | None) -> Iterator[ImportedRows]:
        """From byte `place["byte"]` on, before which there are `place["line"]` lines."""
        begin = place or self._start
        byte, line = begin["byte"], begin["line"]
        self._file.seek(byte)
        while True:
            first, texts, lines = byte, list[bytes](), list[int]()
            while len(texts) < ROWS_PER_STRETCH and byte - first < BYTES_PER_STRETCH:
                text = self._file.readline()
                if not text:
                    break
                byte, line = byte + len(text), line + 1
                if text.strip():
                    texts.append(text)
                    lines.append(line)
            if texts:
                yield self._rows(texts, lines, {"byte": byte, "line": line})
            if byte == first:
                return

    def _rows(self, texts: list[bytes], lines: list[int], following: SourcePlace) -> ImportedRows:
        decoder = self._decoder
        try:
            records = list(map(decoder.decode, texts))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            records = [self._decoded(text, line, decoder) for text, line in zip(texts, lines, strict=True)]

        def row(i: int) -> str:
            return f"line {lines[i]}"

        self._type = kind = self._type or _type(records[0]) or IndexType.DENSE
        self._dimension = dimension = self._dimension or len(records[0].vector or ())
        for i, record in enumerate(records):
            if _type(record) is not kind:
                raise ClientError(f"{self.name}, {row(i)}: {_said(_type(record))}; expected {_said(kind)}")
            if record.vector is not None and len(record.vector) != dimension:
                found = f"a vector of {len(record.vector)} dimensions"
                raise ClientError(f"{self.name}, {row(i)}: {found}; expected {dimension}")
        dense = [record.vector for record in records if record.vector is not None]
        sparse = [record.sparse_vector for record in records if record.sparse_vector is not None]
        return ImportedRows(
            [record.id for record in records],
            finite(np.array(dense), f"{self.name}, 'vector'", row) if dense else None,
            following,
            row,
            [record.metadata for record in records],
            [record.data for record in records],
            [record.namespace or "" for record in records],
            sparse or None,
        )

    def _decoded(self, text: bytes, line: int, decoder: msgspec.json.Decoder[Any]) -> Any:
        try:
            return decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClientError(f"{self.name}, line {line}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JsonlSink:
    """Writes `folder`/records.jsonl. Opened again, it cuts off what was written after the last `keep`."""

    def __init__(self, folder: Path, about: header.Header, kept: int | None) -> None:
        self._path = folder / "records.jsonl"
        self._encoder = msgspec.json.Encoder()
        self._kept = kept or 0
        self._file: BinaryIO = self._path.open("wb" if kept is None else "r+b")
        if kept is None:
            self._file.write(self._encoder.encode({header.KEY: about}) + b"\n")
        else:
            self._file.truncate(kept)
            self._file.seek(0, os.SEEK_END)

    def write(self, rows: ExportedRows) -> None:
        """Add records."""
        lines = self._encoder.encode_lines(
            Written(id, rows.namespace, dense, sparse, _raw(text), data)
            for id, (dense, sparse), text, data in zip(
                rows.ids, shown(rows.vectors), rows.metadata, rows.data, strict=True
            )
        )
        self._file.write(lines)

    def keep(self) -> int | None:
        """How much is on disk, each time that some more is; None in between."""
        written = self._file.tell()
        if written - self._kept < KEPT_BYTES:
            return None
        self._file.flush()
        to_disk(self._file.fileno())
        self._kept = written
        return written

    def finish(self) -> Path:
        """The file, whole and on disk."""
        self._file.flush()
        to_disk(self._file.fileno())
        self._file.close()
        return self._path

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


def _type(record: Line) -> IndexType | None:
    """Of the index that such a record is of; None for one without a vector."""
    if record.sparse_vector is None:
        return IndexType.DENSE if record.vector else None
    return IndexType.SPARSE if record.vector is None else IndexType.HYBRID


def _said(kind: IndexType | None) -> str:
    return "no vector" if kind is None else f"the vectors of a {kind} index"
