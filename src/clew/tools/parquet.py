"""Parquet, through pyarrow: a column each for id, vector, metadata (JSON), data and namespace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from clew.commands import Floats
from clew.errors import ClientError
from clew.tools import header
from clew.tools.extra import needs
from clew.tools.files import identity_of
from clew.tools.rows import ROWS_PER_STRETCH, About, ImportedRows, SourcePlace, finite
from clew.types import IndexType, Metadata, SparseVector

# Together one sparse vector a row.
_SPARSE = ("sparse_indices", "sparse_values")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns to read. `metadata` names columns that become fields of the metadata."""

    id: str = "id"
    vector: str = "vector"
    metadata: tuple[str, ...] | None = None


class ParquetSource:
    """Rows of one file."""

    def __init__(self, path: Path, columns: Columns | None = None) -> None:
        columns = columns or Columns()
        parquet = needs("pyarrow.parquet", f"to read {path}")
        self._arrow = needs("pyarrow", f"to read {path}")
        self.name = str(path)
        self.identity = identity_of(path)
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, self._arrow.ArrowException) as error:
            raise ClientError(f"{path} is no Parquet file: {error}") from error
        try:
            self._columns = columns
            self._check_columns()
            self.about = self._about()
        except BaseException:
            self._file.close()
            raise
        self._dimension = self.about.dimension

    def _check_columns(self) -> None:
        wanted, schema = self._columns, self._file.schema_arrow
        for what, name in (("id", wanted.id), ("vector", wanted.vector)):
            if name not in schema.names and (what == "id" or _SPARSE[0] not in schema.names):
                raise self._refusal(f"no column {name!r}; name one with --{what}-column")
        for name in wanted.metadata or ():
            if name not in schema.names:
                raise self._refusal(f"no column {name!r}, which --metadata-columns names")
        known = {wanted.id, wanted.vector, *_SPARSE, "metadata", "data", "namespace"}
        unknown = [name for name in schema.names if name not in known]
        if unknown and wanted.metadata is None:
            raise self._refusal(
                f"the column {unknown[0]!r}, which a record does not have: --metadata-columns "
                f"{','.join(unknown)} makes fields of the metadata, --metadata-columns '' leaves it out"
            )
        types = self._arrow.types
        for name, good, expected in (
            (wanted.id, (types.is_string, types.is_large_string, types.is_integer), "text or integers"),
            (
                wanted.vector,
                (types.is_list, types.is_large_list, types.is_fixed_size_list),
                "lists of numbers",
            ),
            ("data", (types.is_string, types.is_large_string, types.is_null), "text"),
        ):
            kind = schema.field(name).type if name in schema.names else None
            if kind is not None and not any(is_kind(kind) for is_kind in good):
                raise self._refusal(f"{kind} in column {name!r}; expected {expected}")

    def _refusal(self, found: str) -> ClientError:
        return ClientError(
            f"{self.name} has {found} (its columns: {', '.join(self._file.schema_arrow.names)})"
        )

    def _about(self) -> About:
        said = (self._file.schema_arrow.metadata or {}).get(header.KEY.encode())
        if said is not None:
            return header.read(self.name, msgspec.json.decode(said)).about()
        schema, rows = self._file.schema_arrow, self._file.metadata.num_rows
        if self._columns.vector not in schema.names:
            return About(None, None, rows, type=IndexType.SPARSE)
        kind = schema.field(self._columns.vector).type
        fixed = self._arrow.types.is_fixed_size_list(kind)
        both = IndexType.HYBRID if _SPARSE[0] in schema.names else IndexType.DENSE
        return About(kind.list_size if fixed else None, None, rows, type=both)

    def stretches(self, place: SourcePlace | None) -> Iterator[ImportedRows]:
        """From row `place["row"]` on."""
        start = place["row"] if place else 0
        groups, first = self._groups_from(start)
        present = set(self._file.schema_arrow.names)
        named = [self._columns.id, self._columns.vector, *_SPARSE, "metadata", "data", "namespace"]
        wanted = [name for name in (*named, *(self._columns.metadata or ())) if name in present]
        batches = self._file.iter_batches(ROWS_PER_STRETCH, row_groups=groups, columns=wanted)
        try:
            for batch in batches:
                stop = first + batch.num_rows
                if stop > start:
                    skipped = max(0, start - first)
                    yield self._rows(batch.slice(skipped), first + skipped)
                first = stop
        except (OSError, self._arrow.ArrowException) as error:
            raise ClientError(f"{self.name} cannot be read after row {first}: {error}") from error

    def _groups_from(self, row: int) -> tuple[list[int], int]:
        """The row groups from that of `row` on, and the first row in them."""
        first = 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if first + rows > row:
                return list(range(group, self._file.num_row_groups)), first
            first += rows
        return [], first

    def _rows(self, batch: Any, first: int) -> ImportedRows:
        def row(i: int) -> str:
            return f"row {first + i}"

        names, n = batch.schema.names, batch.num_rows
        ids = batch.column(self._columns.id)
        if ids.null_count:
            raise ClientError(f"{self.name}, {row(_first_null(ids))}: {self._columns.id!r} is null")
        data = batch.column("data").to_pylist() if "data" in names else None
        spaces = (
            [name or "" for name in batch.column("namespace").to_pylist()] if "namespace" in names else None
        )
        dense = self._columns.vector in names
        vectors = self._vectors(batch.column(self._columns.vector), row) if dense else None
        sparse = self._sparse(batch, row) if _SPARSE[0] in names else None
        metadata = self._metadata(batch, row)
        return ImportedRows(ids.to_pylist(), vectors, {"row": first + n}, row, metadata, data, spaces, sparse)

    def _vectors(self, column: Any, row: Any) -> Floats:
        where, name = f"{self.name}, {self._columns.vector!r}", self._columns.vector
        if column.null_count:
            raise ClientError(f"{self.name}, {row(_first_null(column))}: {name!r} is null")
        if self._arrow.types.is_fixed_size_list(column.type):
            lengths = np.full(len(column), column.type.list_size)
        else:
            lengths = np.diff(column.offsets.to_numpy())
        self._dimension = dimension = self._dimension or int(lengths[0])
        wrong = np.flatnonzero((lengths != dimension) | (lengths == 0))
        if len(wrong):
            i = int(wrong[0])
            expected = dimension or "at least 1"
            raise ClientError(f"{where}, {row(i)}: {lengths[i]} dimensions; expected {expected}")
        values = column.flatten().to_numpy(zero_copy_only=False)  # nulls become NaN
        return finite(values.reshape(len(column), dimension), where, row)

    def _sparse(self, batch: Any, row: Any) -> list[SparseVector]:
        """The two columns of sparse vectors, as pairs."""
        pairs = zip(*(batch.column(name).to_pylist() for name in _SPARSE), strict=True)
        made = []
        for i, (indices, values) in enumerate(pairs):
            if indices is None or values is None or len(indices) != len(values):
                expected = "as many indices as values"
                raise ClientError(
                    f"{self.name}, {row(i)}: {_SPARSE[0]!r} and {_SPARSE[1]!r}; expected {expected}"
                )
            made.append(SparseVector(indices, values))
        return made

    def _metadata(self, batch: Any, row: Any) -> Sequence[Metadata | None] | None:
        """The column `metadata`, and fields that are columns of their own; a null there is no field."""
        names = batch.schema.names
        whole = batch.column("metadata").to_pylist() if "metadata" in names else None
        if whole is not None and any(isinstance(one, str) for one in whole):
            whole = [None if one is None else self._decoded(one, row(i)) for i, one in enumerate(whole)]
        if not self._columns.metadata:
            return whole
        fields = {name: batch.column(name).to_pylist() for name in self._columns.metadata}
        made: list[Metadata | None] = []
        for i in range(batch.num_rows):
            given = {name: values[i] for name, values in fields.items() if values[i] is not None}
            made.append({**(whole[i] or {} if whole else {}), **given})
        return made

    def _decoded(self, text: str, row: str) -> Metadata:
        try:
            return msgspec.json.decode(text, type=Metadata)
        except msgspec.MsgspecError as error:
            raise ClientError(f"{self.name}, {row}: 'metadata' is no JSON object: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _first_null(column: Any) -> int:
    return int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
