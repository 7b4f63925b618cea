"""From the body of a request to its command: what the server does first."""

from __future__ import annotations

import enum
import reprlib
from typing import Any, TypeVar

import msgspec
import numpy as np

from clew import commands as c
from clew.errors import ClientError
from clew.types import (
    FusionAlgorithm,
    Metadata,
    MetadataUpdateMode,
    QueryMode,
    SparseVector,
    WeightingStrategy,
)
from clew.wire import bodies as b
from clew.wire.failures import unreadable

T = TypeVar("T")
E = TypeVar("E", bound=enum.StrEnum)

# Deeper metadata would exhaust the stack of the encoder when it is read again.
METADATA_DEPTH_MAX = 100
# JSON integers that every reader of ours keeps exactly: signed and unsigned 64 bits.
INT_MIN, INT_MAX = -(2**63), 2**64 - 1
SPARSE_INDEX_MIN, SPARSE_INDEX_MAX = -(2**31), 2**31 - 1
SPARSE_MAX = 1000  # coordinates of a sparse vector, as the service has it
RANGE_LIMIT_DEFAULT = 10

NO_MODEL = (
    "Embedding data for this index is not allowed. "
    "The index must be created with an embedding model to use it."
)

_RECORDS = msgspec.json.Decoder(b.RecordBody | list[b.RecordBody])
_TEXTS = msgspec.json.Decoder(b.DataBody | list[b.DataBody])
_UPDATE = msgspec.json.Decoder(b.UpdateBody)
_QUERIES = msgspec.json.Decoder(b.QueryBody | list[b.QueryBody])
_START = msgspec.json.Decoder(b.StartBody)
_NEXT = msgspec.json.Decoder(b.NextBody)
_END = msgspec.json.Decoder(b.EndBody)
_FETCH = msgspec.json.Decoder(b.FetchBody | list[b.Id])
_RANGE = msgspec.json.Decoder(b.RangeBody)
_RENAME = msgspec.json.Decoder(b.RenameBody)
_ANY = msgspec.json.Decoder()


def upsert(body: bytes, namespace: str) -> c.Upsert:
    """`/upsert`."""
    records = decoded(_RECORDS, body)
    if isinstance(records, b.RecordBody):
        records = [records]
    return c.Upsert(tuple([_record(record) for record in records]), namespace)


def upsert_data(body: bytes, namespace: str) -> c.Upsert:
    """`/upsert-data`: refused, as no index has an embedding model."""
    decoded(_TEXTS, body)
    raise ClientError(NO_MODEL)


def update(body: bytes, namespace: str) -> c.Update:
    """`/update`."""
    asked = decoded(_UPDATE, body)
    mode = _enum(asked.metadata_update_mode, "metadataUpdateMode", MetadataUpdateMode)
    return c.Update(_record(asked), mode or MetadataUpdateMode.OVERWRITE, namespace)


def query(body: bytes, namespace: str) -> c.Query | c.QueryMany:
    """`/query`."""
    asked = decoded(_QUERIES, body)
    if isinstance(asked, list):
        return c.QueryMany(tuple([_query(one, namespace) for one in asked]), namespace)
    return _query(asked, namespace)


def query_data(body: bytes, namespace: str) -> c.Query | c.QueryMany:
    """`/query-data`."""
    asked = decoded(_QUERIES, body)
    if isinstance(asked, list):
        return c.QueryMany(tuple([_text_query(one, namespace) for one in asked]), namespace)
    return _text_query(asked, namespace)


def start(body: bytes, namespace: str) -> c.StartQuery:
    """`/resumable-query`."""
    asked = decoded(_START, body)
    return c.StartQuery(_query(asked, namespace), _max_idle(asked))


def start_data(body: bytes, namespace: str) -> c.StartQuery:
    """`/resumable-query-data`."""
    asked = decoded(_START, body)
    return c.StartQuery(_text_query(asked, namespace), _max_idle(asked))


def fetch_next(body: bytes, namespace: str) -> c.FetchNext:
    """`/resumable-query-next`."""
    asked = decoded(_NEXT, body)
    return c.FetchNext(asked.uuid, c.TOP_K_DEFAULT if asked.additional_k is None else asked.additional_k)


def end(body: bytes, namespace: str) -> c.EndQuery:
    """`/resumable-query-end`."""
    return c.EndQuery(decoded(_END, body).uuid)


def fetch(body: bytes, namespace: str) -> c.Fetch:
    """`/fetch`."""
    asked = decoded(_FETCH, body)
    if isinstance(asked, list):
        return c.Fetch(_ids(asked), namespace=namespace)
    return c.Fetch(_ids(asked.ids), asked.prefix, _include(asked), namespace)


def delete(body: bytes, namespace: str) -> c.Delete:
    """`/delete`. What is no JSON is an id as it stands; so is a JSON number, `true` or `null`."""
    try:
        asked = _ANY.decode(body)
    except msgspec.DecodeError:
        asked = None
    except (RecursionError, UnicodeDecodeError) as error:
        raise unreadable(body, error) from None
    if isinstance(asked, list | dict):
        try:
            if isinstance(asked, list):
                return c.Delete(_ids(msgspec.convert(asked, list[b.Id])), namespace=namespace)
            said = msgspec.convert(asked, b.DeleteBody)
        except msgspec.ValidationError as error:
            raise unreadable(body, error) from None
        return c.Delete(_ids(said.ids), said.prefix, said.filter, namespace)
    try:
        text = asked if isinstance(asked, str) else body.decode().strip()
    except UnicodeDecodeError as error:
        raise unreadable(body, error) from None
    return c.Delete((text,) if body.strip() else None, namespace=namespace)


def range_(body: bytes, namespace: str) -> c.Range:
    """`/range`."""
    asked = decoded(_RANGE, body)
    cursor = "" if asked.cursor is None else str(asked.cursor)
    limit = RANGE_LIMIT_DEFAULT if asked.limit is None else asked.limit
    return c.Range(cursor, limit, asked.prefix, _include(asked), namespace)


def rename(body: bytes, namespace: str) -> c.RenameNamespace:
    """`/rename-namespace`."""
    asked = decoded(_RENAME, body)
    return c.RenameNamespace(
        asked.namespace, asked.new_namespace, _flag(asked.delete_existing, "deleteExisting")
    )


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body, or `Unreadable`."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(body, error) from None


def _record(body: b.RecordBody) -> c.Record:
    if body.metadata:
        _require_metadata(body.metadata, 1)
    return c.Record(
        _id(body.id),
        None if body.vector is None else _floats(body.vector, "vector"),
        None if body.sparse_vector is None else _sparse(body.sparse_vector),
        body.metadata,
        body.data,
    )


def _query(body: b.QueryBody, namespace: str, data: str | None = None) -> c.Query:
    return c.Query(
        None if body.vector is None else _floats(body.vector, "vector"),
        None if body.sparse_vector is None else _sparse(body.sparse_vector),
        data,
        c.TOP_K_DEFAULT if body.top_k is None else body.top_k,
        _include(body),
        body.filter or "",
        _enum(body.weighting_strategy, "weightingStrategy", WeightingStrategy),
        _enum(body.fusion_algorithm, "fusionAlgorithm", FusionAlgorithm),
        _enum(body.query_mode, "queryMode", QueryMode),
        namespace,
    )


def _text_query(body: b.QueryBody, namespace: str) -> c.Query:
    if body.data is None:
        raise ClientError("data is missing: each query of this endpoint needs a text")
    return _query(body, namespace, body.data)


def _max_idle(body: b.StartBody) -> float:
    return c.MAX_IDLE_S_DEFAULT if body.max_idle is None else body.max_idle


def _id(id: b.Id) -> str:
    return id if isinstance(id, str) else str(id)


def _ids(ids: b.Id | list[b.Id] | None) -> tuple[str, ...] | None:
    if ids is None:
        return None
    return tuple(map(_id, ids)) if isinstance(ids, list) else (_id(ids),)


def _include(body: b.Includes) -> c.Include:
    return c.Include(
        _flag(body.include_vectors, "includeVectors"),
        _flag(body.include_metadata, "includeMetadata"),
        _flag(body.include_data, "includeData"),
    )


def _flag(value: b.Flag, name: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    if value not in ("true", "false"):
        raise ClientError(f"{name} is {reprlib.repr(value)}; expected true or false")
    return value == "true"


def _enum(value: str | None, name: str, kind: type[E]) -> E | None:
    if value is None or value in kind.__members__:
        return None if value is None else kind(value)
    raise ClientError(f"{name} is {reprlib.repr(value)}; expected one of {', '.join(kind)}")


def _floats(numbers: list[float], name: str) -> c.Floats:
    with np.errstate(over="ignore"):
        floats = np.array(numbers, dtype=np.float32)
    if 0 in np.isfinite(floats).tobytes():
        raise ClientError(f"{name} has a number beyond the range of float32")
    return floats


def _sparse(body: b.SparseBody) -> SparseVector:
    indices, values = body.indices, body.values
    if len(indices) != len(values) or not 1 <= len(indices) <= SPARSE_MAX:
        raise ClientError(
            f"sparseVector has {len(indices)} indices and {len(values)} values; "
            f"expected as many of each, from 1 to {SPARSE_MAX}"
        )
    if min(indices) < SPARSE_INDEX_MIN or max(indices) > SPARSE_INDEX_MAX:
        raise ClientError("sparseVector has an index beyond signed 32 bits")
    return SparseVector(indices, _floats(values, "sparseVector").tolist())


def _require_metadata(value: Metadata | list[Any], depth: int) -> None:
    """What was read must also be writable: not too deep, and no integer beyond 64 bits."""
    if depth > METADATA_DEPTH_MAX:
        raise ClientError(f"metadata is nested deeper than {METADATA_DEPTH_MAX} levels")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            _require_metadata(item, depth + 1)
        elif isinstance(item, int) and not INT_MIN <= item <= INT_MAX:
            raise ClientError(f"metadata holds {item}; expected integers within 64 bits")
