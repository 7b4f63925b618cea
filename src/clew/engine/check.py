"""What a command must satisfy before anything is done. The messages are those of the wire."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from clew.commands import Query, Record, UpsertArrays
from clew.engine.metadata import DATA_BYTES_MAX, encode_metadata, require_size
from clew.engine.parts import Asked, asked_of
from clew.engine.records import NewRecords
from clew.engine.vectors import BothRows, Vectors, sparse_rows
from clew.errors import ClientError, DimensionMismatch
from clew.limits import RESULTS_MAX, SPARSE_INDEX_MAX, SPARSE_INDEX_MIN, SPARSE_MAX
from clew.types import IndexType, SparseVector

# The largest position that the record store can hold, hence the largest cursor of a range.
POSITION_MAX = 2**63 - 1

NO_MODEL = (
    "Embedding data for this index is not allowed. "
    "The index must be created with an embedding model to use it."
)


def require_count(name: str, value: int) -> None:
    """Between 1 and RESULTS_MAX."""
    if not isinstance(value, int) or not 1 <= value <= RESULTS_MAX:
        raise ClientError(f"{name} must be an integer from 1 to {RESULTS_MAX}, got {value!r}")


def require_dimension(got: int, dimension: int | None) -> None:
    """A dimension that is not decided yet takes any vector that is not empty."""
    if got != dimension and (dimension is not None or got == 0):
        expected = "at least 1" if dimension is None else dimension
        raise DimensionMismatch(f"Invalid vector dimension: {got}, expected: {expected}")


def require_query(query: Query, kind: IndexType, dimension: int | None) -> Asked:
    """A query with what an index of type `kind` needs, and nothing else; returns what it asks."""
    vector = query.vector
    if kind is IndexType.DENSE and vector is not None and query.sparse_vector is None and query.data is None:
        # Nearly every query, and without a detour: after a walk the processor has forgotten all our code, so
        # that each function costs it a microsecond.
        if len(vector) != dimension:
            require_dimension(len(vector), dimension)
        if type(query.top_k) is not int or not 1 <= query.top_k <= RESULTS_MAX:
            require_count("top_k", query.top_k)
        return vector
    if query.data is not None:
        raise ClientError(NO_MODEL)
    dense, sparse = query.vector is not None, query.sparse_vector is not None
    if kind is not IndexType.HYBRID or not (dense or sparse):
        require_halves(kind, dense, sparse)
    if query.vector is not None and len(query.vector) != dimension:
        require_dimension(len(query.vector), dimension)
    if query.sparse_vector is not None:
        require_sparse("sparse_vector", query.sparse_vector)
    require_count("top_k", query.top_k)
    return asked_of(kind, query)


def require_halves(kind: IndexType, dense: bool, sparse: bool) -> None:
    """The vectors that are given are those that records of an index of type `kind` have."""
    if not dense and kind is not IndexType.SPARSE:
        raise ClientError("This index requires dense vectors")
    if not sparse and kind is not IndexType.DENSE:
        raise ClientError("This index requires sparse vectors")
    require_no_more(kind, dense, sparse)


def require_no_more(kind: IndexType, dense: bool, sparse: bool) -> None:
    """No vectors are given that records of an index of type `kind` do not have."""
    if dense and kind is IndexType.SPARSE:
        raise ClientError("This index does not support dense vectors")
    if sparse and kind is IndexType.DENSE:
        raise ClientError("This index does not support sparse vectors")


def require_sparse(name: str, vector: SparseVector) -> None:
    """At most SPARSE_MAX indices within int32, and as many values that are finite in float32."""
    indices, values = vector.indices, vector.values
    if len(indices) != len(values):
        found = f"{len(indices)} indices and {len(values)} values"
        raise ClientError(f"{name} has {found}; expected as many of each")
    if len(indices) > SPARSE_MAX:
        raise ClientError(f"{name} has {len(indices)} entries, at most {SPARSE_MAX} are allowed")
    if indices and (min(indices) < SPARSE_INDEX_MIN or max(indices) > SPARSE_INDEX_MAX):
        raise ClientError(f"{name} has an index beyond signed 32 bits")
    with np.errstate(over="ignore"):
        if not np.isfinite(np.array(values, dtype=np.float32)).all():
            raise ClientError(f"{name} has a value that is not finite in float32")


def require_max_idle(seconds: float) -> None:
    """A number above 0."""
    if not (math.isfinite(seconds) and seconds > 0):
        raise ClientError(f"max_idle must be a number of seconds above 0, got {seconds!r}")


def require_text(name: str, value: str) -> None:
    """Text that UTF-8 can hold: Python also has strings with halves of surrogate pairs in them."""
    if not isinstance(value, str):
        raise ClientError(f"{name} must be a string, got {type(value).__name__}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ClientError(f"{name} is not valid unicode: {value!r}") from error


def require_data(id: str, value: str) -> None:
    """Text of at most DATA_BYTES_MAX bytes of UTF-8."""
    require_text("data", value)
    if len(value) > DATA_BYTES_MAX // 4:  # fewer characters than that are few enough bytes
        require_size(f"data of id {id!r}", len(value.encode()), DATA_BYTES_MAX)


def position_of(cursor: str) -> int:
    """The position that the cursor of a range names; "" is the beginning."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or (position := int(cursor[:20])) > POSITION_MAX:
        raise ClientError(f"cursor must be a decimal number that an earlier range gave, got {cursor!r}")
    return position


def new_records(records: Sequence[Record], kind: IndexType, dimension: int | None) -> NewRecords:
    """Records, checked; of those with one id the last. At least one."""
    last = {record.id: record for record in records}
    for record in records:
        require_halves(kind, record.vector is not None, record.sparse_vector is not None)
        if record.vector is not None:
            if dimension is None:
                dimension = len(record.vector)
            require_dimension(len(record.vector), dimension)
        if record.sparse_vector is not None:
            require_sparse(f"sparse_vector of id {record.id!r}", record.sparse_vector)
    return NewRecords(
        _ids(last),
        vectors_of(kind, list(last.values())),
        [encode_metadata(record.id, record.metadata) for record in last.values()],
        _data(last, (record.data for record in last.values())),
    )


def vectors_of(kind: IndexType, records: Sequence[Record]) -> Vectors:
    """The vectors of checked records of an index of type `kind`."""
    dense = [record.vector for record in records if record.vector is not None]
    sparse = [record.sparse_vector for record in records if record.sparse_vector is not None]
    if kind is IndexType.SPARSE:
        return sparse_rows(sparse)
    floats = np.array(dense, dtype=np.float32)
    return floats if kind is IndexType.DENSE else BothRows(floats, sparse_rows(sparse))


def new_records_of_arrays(command: UpsertArrays, kind: IndexType, dimension: int | None) -> NewRecords:
    """The same of whole arrays, which are of dense vectors."""
    require_halves(kind, True, False)
    ids, vectors, metadata, data = command.ids, command.vectors, command.metadata, command.data
    n = len(ids)
    if vectors.ndim != 2 or any(part is not None and len(part) != n for part in (vectors, metadata, data)):
        raise ClientError(f"{n} ids need vectors of shape ({n}, dimension), and as much metadata and data")
    require_dimension(vectors.shape[1], dimension)
    last = dict(zip(ids, range(n), strict=True))
    if len(last) < n:
        kept = list(last.values())
        vectors = vectors[kept]
        metadata = metadata and tuple(metadata[i] for i in kept)
        data = data and tuple(data[i] for i in kept)
    return NewRecords(
        _ids(last),
        vectors,
        [None] * len(last)
        if metadata is None
        else [encode_metadata(*one) for one in zip(last, metadata, strict=True)],
        [None] * len(last) if data is None else _data(last, data),
    )


def _ids(values: Iterable[str]) -> list[str]:
    checked = list(values)
    for value in checked:
        require_text("id", value)
    return checked


def _data(ids: Iterable[str], values: Iterable[str | None]) -> list[str | None]:
    checked = list(values)
    for id, value in zip(ids, checked, strict=True):
        if value is not None:
            require_data(id, value)
    return checked
