"""From a command to its request: what the client does first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from clew import commands as c
from clew.types import MetadataUpdateMode, SparseVector
from clew.wire import bodies as b

_encode = msgspec.json.Encoder().encode


class Request(NamedTuple):
    """What is sent: the endpoint, the path below the URL of the index, and the body."""

    endpoint: str
    path: str
    body: bytes = b""


def request(command: c.AnyCommand) -> Request:
    """The request that stands for `command`."""
    return _MAKERS[type(command)](command)


def _to(endpoint: str, body: object = None, namespace: str = "") -> Request:
    content = b"" if body is None else _encode(body)
    if not namespace:
        return Request(endpoint, endpoint, content)
    # A name of dots alone would be taken for a step up in the path.
    name = namespace.replace(".", "%2E") if set(namespace) == {"."} else quote(namespace, safe="")
    return Request(endpoint, f"{endpoint}/{name}", content)


def _upsert(command: c.Upsert) -> Request:
    records = command.records
    texts = records and all(r.vector is None and r.sparse_vector is None for r in records)
    return _to("upsert-data" if texts else "upsert", list(map(_record, records)), command.namespace)


def _upsert_arrays(command: c.UpsertArrays) -> Request:
    n = len(command.ids)
    metadata, data = command.metadata or [None] * n, command.data or [None] * n
    rows = zip(command.ids, command.vectors.tolist(), metadata, data, strict=True)
    return _to("upsert", [b.RecordBody(id, row, None, m, d) for id, row, m, d in rows], command.namespace)


def _update(command: c.Update) -> Request:
    r, mode = command.record, command.metadata_update_mode
    body = b.UpdateBody(
        r.id,
        _floats(r.vector),
        _sparse(r.sparse_vector),
        r.metadata,
        r.data,
        None if mode is MetadataUpdateMode.OVERWRITE else mode.value,
    )
    return _to("update", body, command.namespace)


def _query(command: c.Query) -> Request:
    endpoint = "query" if command.data is None else "query-data"
    return _to(endpoint, b.QueryBody(**_arguments(command)), command.namespace)


def _query_many(command: c.QueryMany) -> Request:
    texts = any(query.data is not None for query in command.queries)
    body = [b.QueryBody(**_arguments(query)) for query in command.queries]
    return _to("query-data" if texts else "query", body, command.namespace)


def _query_arrays(command: c.QueryArrays) -> Request:
    rows = command.vectors.tolist()
    body = [b.QueryBody(vector=row, top_k=command.top_k, filter=command.filter or None) for row in rows]
    return _to("query", body, command.namespace)


def _start(command: c.StartQuery) -> Request:
    query = command.query
    endpoint = "resumable-query" if query.data is None else "resumable-query-data"
    body = b.StartBody(**_arguments(query), max_idle=command.max_idle_s)
    return _to(endpoint, body, query.namespace)


def _fetch(command: c.Fetch) -> Request:
    body = b.FetchBody(**_includes(command.include), ids=_ids(command.ids), prefix=command.prefix)
    return _to("fetch", body, command.namespace)


def _delete(command: c.Delete) -> Request:
    return _to("delete", b.DeleteBody(_ids(command.ids), command.prefix, command.filter), command.namespace)


def _range(command: c.Range) -> Request:
    body = b.RangeBody(
        **_includes(command.include), cursor=command.cursor, limit=command.limit, prefix=command.prefix
    )
    return _to("range", body, command.namespace)


def _reset(command: c.Reset) -> Request:
    if command.all:
        return Request("reset", "reset?all")
    return _to("reset", namespace=command.namespace)


def _rename(command: c.RenameNamespace) -> Request:
    flag = command.delete_existing or None
    return _to("rename-namespace", b.RenameBody(command.namespace, command.new_namespace, flag))


def _record(record: c.Record) -> b.RecordBody:
    return b.RecordBody(
        record.id, _floats(record.vector), _sparse(record.sparse_vector), record.metadata, record.data
    )


def _arguments(query: c.Query) -> dict[str, Any]:
    return {
        **_includes(query.include),
        "vector": _floats(query.vector),
        "sparse_vector": _sparse(query.sparse_vector),
        "data": query.data,
        "top_k": query.top_k,
        "filter": query.filter or None,
        "weighting_strategy": query.weighting_strategy,
        "fusion_algorithm": query.fusion_algorithm,
        "query_mode": query.query_mode,
        "fusion_window": query.fusion_window,
        "dense_weight": query.dense_weight,
    }


def _includes(include: c.Include) -> dict[str, Any]:
    return {
        "include_vectors": include.vectors or None,
        "include_metadata": include.metadata or None,
        "include_data": include.data or None,
    }


def _ids(ids: tuple[str, ...] | None) -> list[b.Id] | None:
    return None if ids is None else [*ids]


def _floats(vector: c.Floats | None) -> list[float] | None:
    return None if vector is None else vector.tolist()


def _sparse(vector: SparseVector | None) -> b.SparseBody | None:
    return None if vector is None else b.SparseBody(vector.indices, vector.values)


_MAKERS: dict[type[c.AnyCommand], Callable[[Any], Request]] = {
    c.Upsert: _upsert,
    c.UpsertArrays: _upsert_arrays,
    c.Update: _update,
    c.Query: _query,
    c.QueryMany: _query_many,
    c.QueryArrays: _query_arrays,
    c.StartQuery: _start,
    c.FetchNext: lambda k: _to("resumable-query-next", b.NextBody(k.uuid, k.additional_k, k.batch)),
    c.EndQuery: lambda k: _to("resumable-query-end", b.EndBody(k.uuid)),
    c.Fetch: _fetch,
    c.Delete: _delete,
    c.Range: _range,
    c.Random: lambda k: _to("random", namespace=k.namespace),
    c.Info: lambda k: _to("info"),
    c.Reset: _reset,
    c.ListNamespaces: lambda k: _to("list-namespaces"),
    c.DeleteNamespace: lambda k: _to("delete-namespace", namespace=k.namespace),
    c.RenameNamespace: _rename,
}
