"""From the arguments of a call to its command: what every call accepts is decided here, once.

`Index` and `AsyncIndex` differ only in who waits for the answer. The calls of whole arrays are in `bulk`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clew.client.metadata import to_metadata
from clew.client.records import to_records
from clew.client.values import (
    refusal,
    to_count,
    to_enum,
    to_filter,
    to_flag,
    to_id,
    to_ids,
    to_namespace,
    to_seconds,
    to_share,
    to_sparse,
    to_text,
    to_vector,
)
from clew.commands import (
    MAX_IDLE_S_DEFAULT,
    TOP_K_DEFAULT,
    Delete,
    DeleteNamespace,
    Fetch,
    Include,
    Query,
    QueryMany,
    Random,
    Range,
    Record,
    RenameNamespace,
    Reset,
    StartQuery,
    Update,
    Upsert,
)
from clew.errors import ClientError
from clew.messages import ONE_DELETE_CRITERION, ONE_FETCH_CRITERION
from clew.types import FusionAlgorithm, MetadataUpdateMode, QueryMode, QueryRequest, WeightingStrategy

_REQUEST_KEYS = QueryRequest.__optional_keys__ | QueryRequest.__required_keys__
# By (vectors, metadata, data): a query makes none of its own.
_INCLUDES = {
    (v, m, d): Include(vectors=v, metadata=m, data=d)
    for v in (False, True)
    for m in (False, True)
    for d in (False, True)
}
_NOTHING = _INCLUDES[False, False, False]


def upsert(vectors: object, namespace: str | None) -> Upsert:
    """`Index.upsert`."""
    return Upsert(to_records(vectors), to_namespace(namespace))


def update(
    id: object,
    vector: object,
    data: object,
    metadata: object,
    namespace: str | None,
    metadata_update_mode: object,
    sparse_vector: object,
) -> Update:
    """`Index.update`."""
    mode = to_enum(metadata_update_mode, "metadata_update_mode", MetadataUpdateMode)
    if metadata is None and vector is None and sparse_vector is None and data is None:
        raise ClientError("nothing to update: give vector, sparse_vector, metadata or data")
    record = Record(
        to_id(id, "id"),
        None if vector is None else to_vector(vector, "vector"),
        None if sparse_vector is None else to_sparse(sparse_vector, "sparse_vector"),
        None if metadata is None else to_metadata(metadata, "metadata"),
        None if data is None else to_text(data, "data"),
    )
    return Update(record, mode, to_namespace(namespace))


def query(
    vector: object = None,
    top_k: object = TOP_K_DEFAULT,
    include_vectors: object = False,
    include_metadata: object = False,
    filter: str | None = "",
    data: object = None,
    namespace: str | None = "",
    include_data: object = False,
    sparse_vector: object = None,
    weighting_strategy: object = None,
    fusion_algorithm: object = None,
    query_mode: object = None,
    fusion_window: object = None,
    dense_weight: object = None,
) -> Query:
    """`Index.query`."""
    if data is not None:
        if vector is not None or sparse_vector is not None:
            other = "vector" if vector is not None else "sparse_vector"
            raise ClientError(f"both data and {other} are given; expected one of them")
        data = to_text(data, "data")
    elif vector is None and sparse_vector is None:
        raise ClientError("neither vector, sparse_vector nor data is given; expected one of them")
    if type(top_k) is not int or top_k < 1:
        top_k = to_count(top_k, "top_k")
    return Query(
        None if vector is None else to_vector(vector, "vector"),
        None if sparse_vector is None else to_sparse(sparse_vector, "sparse_vector"),
        data,
        top_k,
        _NOTHING
        if include_vectors is include_metadata is include_data is False
        else include(include_vectors, include_metadata, include_data),
        to_filter(filter) if filter else "",
        None
        if weighting_strategy is None
        else to_enum(weighting_strategy, "weighting_strategy", WeightingStrategy),
        None if fusion_algorithm is None else to_enum(fusion_algorithm, "fusion_algorithm", FusionAlgorithm),
        None if query_mode is None else to_enum(query_mode, "query_mode", QueryMode),
        to_namespace(namespace) if namespace else "",
        None if fusion_window is None else to_count(fusion_window, "fusion_window"),
        None if dense_weight is None else to_share(dense_weight, "dense_weight"),
    )


def include(vectors: object, metadata: object, data: object) -> Include:
    """Which parts of a record an answer carries."""
    return _INCLUDES[
        vectors if vectors is False else to_flag(vectors, "include_vectors"),
        metadata if metadata is False else to_flag(metadata, "include_metadata"),
        data if data is False else to_flag(data, "include_data"),
    ]


def query_many(queries: Iterable[QueryRequest], namespace: str | None) -> QueryMany:
    """`Index.query_many`."""
    if isinstance(queries, (str, bytes, Mapping)) or not isinstance(queries, Iterable):
        raise refusal("queries", queries, "a list of dicts, each the arguments of a query")
    return QueryMany(
        tuple([_request(request, f"queries[{place}]") for place, request in enumerate(queries)]),
        to_namespace(namespace),
    )


def _request(request: Mapping[str, Any], name: str) -> Query:
    if not isinstance(request, Mapping):
        raise refusal(name, request, "a dict of the arguments of a query")
    unknown = [key for key in request if key not in _REQUEST_KEYS]
    if unknown:
        raise ClientError(
            f"{name} has the unknown key {unknown[0]!r}; expected {', '.join(sorted(_REQUEST_KEYS))}"
        )
    try:
        return query(**request)
    except ClientError as error:
        raise type(error)(f"{name}: {error}") from None


def resumable_query(max_idle: object = MAX_IDLE_S_DEFAULT, **arguments: Any) -> StartQuery:
    """`Index.resumable_query`. The vector is copied, as it is not read before `start`."""
    vector = arguments.get("vector")
    if vector is not None:
        arguments["vector"] = to_vector(vector, "vector").copy()
    return StartQuery(query(**arguments), to_seconds(max_idle, "max_idle"))


def fetch(
    ids: object,
    include_vectors: object,
    include_metadata: object,
    namespace: str | None,
    include_data: object,
    prefix: object,
) -> Fetch:
    """`Index.fetch`."""
    if (ids is None) == (prefix is None):
        raise ClientError(ONE_FETCH_CRITERION)
    return Fetch(
        None if ids is None else to_ids(ids, "ids"),
        None if prefix is None else to_text(prefix, "prefix"),
        include(include_vectors, include_metadata, include_data),
        to_namespace(namespace),
    )


def delete(ids: object, namespace: str | None, prefix: object, filter: object) -> Delete:
    """`Index.delete`."""
    if (ids is not None) + (prefix is not None) + (filter is not None) != 1:
        raise ClientError(ONE_DELETE_CRITERION)
    return Delete(
        None if ids is None else to_ids(ids, "ids"),
        None if prefix is None else to_text(prefix, "prefix"),
        None if filter is None else to_text(filter, "filter"),
        to_namespace(namespace),
    )


def range_(
    cursor: object,
    limit: object,
    include_vectors: object,
    include_metadata: object,
    namespace: str | None,
    include_data: object,
    prefix: object,
) -> Range:
    """`Index.range`."""
    return Range(
        _place(cursor),
        to_count(limit, "limit"),
        None if prefix is None else to_text(prefix, "prefix"),
        include(include_vectors, include_metadata, include_data),
        to_namespace(namespace),
    )


def _place(cursor: object) -> str:
    if isinstance(cursor, int) and not isinstance(cursor, bool) and cursor >= 0:
        return str(cursor)
    if isinstance(cursor, str) and (not cursor or (cursor.isascii() and cursor.isdigit())):
        return str(cursor)
    raise refusal("cursor", cursor, "'' or the next_cursor of an earlier range")


def random(namespace: str | None) -> Random:
    """`Index.random`."""
    return Random(to_namespace(namespace))


def reset(namespace: str | None, all: object) -> Reset:
    """`Index.reset`."""
    return Reset(to_namespace(namespace), to_flag(all, "all"))


def delete_namespace(namespace: str) -> DeleteNamespace:
    """`Index.delete_namespace`."""
    return DeleteNamespace(to_text(namespace, "namespace"))


def rename_namespace(namespace: str, new_namespace: str, delete_existing: object) -> RenameNamespace:
    """`Index.rename_namespace`."""
    return RenameNamespace(
        to_text(namespace, "namespace"),
        to_text(new_namespace, "new_namespace"),
        to_flag(delete_existing, "delete_existing"),
    )
