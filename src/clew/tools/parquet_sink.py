"""Writing Parquet so that an interruption costs no more than the file that was being written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from clew.engine.vectors import BothRows, SparseRows
from clew.tools import header
from clew.tools.extra import needs
from clew.tools.files import to_disk
from clew.tools.records import ExportedRows
from clew.types import IndexType

# A Parquet file ends with its table of contents, so one that was interrupted cannot be gone on with. Pieces
# of so many bytes are written, and joined in the end.
PIECE_BYTES = 128 * 1024 * 1024


class ParquetSink:
    """Writes `folder`/0.parquet, 1.parquet and so on. Those after the first `kept` are written anew."""

    def __init__(self, folder: Path, about: header.Header, kept: int | None) -> None:
        self._arrow = needs("pyarrow", "to write Parquet")
        self._parquet = needs("pyarrow.parquet", "to write Parquet")
        self._folder, self._pieces = folder, kept or 0
        self._schema = _schema(self._arrow, about)
        self._writer: Any = None
        self._bytes = 0

    def write(self, rows: ExportedRows) -> None:
        """Add records, as a row group."""
        if self._writer is None:
            self._writer = self._opened(self._piece(self._pieces))
            self._bytes = 0
        arrow, n = self._arrow, len(rows.ids)
        dense = rows.vectors.dense if isinstance(rows.vectors, BothRows) else rows.vectors
        sparse = rows.vectors.sparse if isinstance(rows.vectors, BothRows) else rows.vectors
        columns = [
            arrow.array(rows.ids, arrow.string()),
            arrow.array([rows.namespace] * n, arrow.string()),
        ]
        if not isinstance(dense, SparseRows):
            columns.append(arrow.FixedSizeListArray.from_arrays(dense.reshape(-1), dense.shape[1]))
        if isinstance(sparse, SparseRows):
            offsets = sparse.offsets.astype("i4")
            columns.append(arrow.ListArray.from_arrays(offsets, arrow.array(sparse.indices)))
            columns.append(arrow.ListArray.from_arrays(offsets, arrow.array(sparse.values)))
        columns += [
            arrow.array(rows.metadata, arrow.string()),
            arrow.array(rows.data, arrow.string()),
        ]
        batch = arrow.record_batch(columns, schema=self._schema)
        self._writer.write_batch(batch)
        self._bytes += batch.nbytes

    def keep(self) -> int | None:
        """How many pieces are on disk, once another one is; None in the middle of one."""
        if self._writer is None or self._bytes < PIECE_BYTES:
            return None
        self._end()
        return self._pieces

    def finish(self) -> Path:
        """The file, whole and on disk."""
        if self._writer is not None or not self._pieces:
            self._writer = self._writer or self._opened(self._piece(0))
            self._end()
        if self._pieces == 1:
            return self._piece(0)
        whole = self._folder / "records.parquet"
        self._writer = self._opened(whole)
        for number in range(self._pieces):
            with self._parquet.ParquetFile(self._piece(number)) as piece:
                for group in range(piece.num_row_groups):
                    self._writer.write_table(piece.read_row_group(group))
        self.close()
        _sync(whole)
        return whole

    def close(self) -> None:
        """Close the piece that is being written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _end(self) -> None:
        self.close()
        _sync(self._piece(self._pieces))
        self._pieces += 1

    def _piece(self, number: int) -> Path:
        return self._folder / f"{number}.parquet"

    def _opened(self, path: Path) -> Any:
        # Numbers of vectors are all different, and hardly a bit of them can be foreseen.
        texts = ["id", "metadata", "data", "namespace"]
        packed = {**dict.fromkeys(self._schema.names, "NONE"), **dict.fromkeys(texts, "ZSTD")}
        return self._parquet.ParquetWriter(
            path,
            self._schema,
            compression=packed,
            use_dictionary=["namespace"],
            write_statistics=["id", "namespace"],
        )


def _schema(arrow: Any, about: header.Header) -> Any:
    number = arrow.field("element", arrow.float32(), nullable=False)
    place = arrow.field("element", arrow.int32(), nullable=False)
    fields = [("id", arrow.string()), ("namespace", arrow.string())]
    if about.type is not IndexType.SPARSE:
        fields.append(("vector", arrow.list_(number, about.dimension or 1)))
    if about.type is not IndexType.DENSE:
        fields += [("sparse_indices", arrow.list_(place)), ("sparse_values", arrow.list_(number))]
    return arrow.schema(
        [
            *(arrow.field(name, kind, nullable=False) for name, kind in fields),
            arrow.field("metadata", arrow.string()),
            arrow.field("data", arrow.string()),
        ],
        metadata={header.KEY: msgspec.json.encode(about)},
    )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        to_disk(file.fileno())
