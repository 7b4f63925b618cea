"""Fields of the bodies of requests, checked: what the server makes of them."""

from __future__ import annotations

import enum
import reprlib
from array import array
from typing import Any, TypeVar

import numpy as np

from clew import commands as c
from clew.errors import ClientError
from clew.limits import (
    INT_MAX,
    INT_MIN,
    METADATA_DEPTH_MAX,
    SPARSE_INDEX_MAX,
    SPARSE_INDEX_MIN,
    SPARSE_MAX,
)
from clew.types import FusionAlgorithm, Metadata, QueryMode, SparseVector, WeightingStrategy
from clew.wire import bodies as b

E = TypeVar("E", bound=enum.StrEnum)

_NOTHING = c.Include()


def record(body: b.RecordBody) -> c.Record:
    """A record, for `/upsert` and `/update`."""
    if body.metadata:
        _require_metadata(body.metadata, 1)
    return c.Record(
        _id(body.id),
        None if body.vector is None else _floats(body.vector, "vector"),
        None if body.sparse_vector is None else _sparse(body.sparse_vector),
        body.metadata,
        body.data,
    )


def text(body: b.DataBody) -> c.Record:
    """A record of a text to embed, for `/upsert-data`."""
    if body.metadata:
        _require_metadata(body.metadata, 1)
    return c.Record(_id(body.id), metadata=body.metadata, data=body.data)


def query(body: b.QueryBody, namespace: str, data: str | None = None) -> c.Query:
    """A query; `data` where it is one of a text."""
    return c.Query(
        None if body.vector is None else _floats(body.vector, "vector"),
        None if body.sparse_vector is None else _sparse(body.sparse_vector),
        data,
        c.TOP_K_DEFAULT if body.top_k is None else body.top_k,
        include(body),
        body.filter or "",
        enumerated(body.weighting_strategy, "weightingStrategy", WeightingStrategy),
        enumerated(body.fusion_algorithm, "fusionAlgorithm", FusionAlgorithm),
        enumerated(body.query_mode, "queryMode", QueryMode),
        namespace,
        body.fusion_window,
        body.dense_weight,
    )


def text_query(body: b.QueryBody, namespace: str) -> c.Query:
    """A query of a text, which it must have."""
    if body.data is None:
        raise ClientError("data is missing: each query of this endpoint needs a text")
    return query(body, namespace, body.data)


def max_idle_s(body: b.StartBody) -> float:
    """The idle limit in seconds."""
    return c.MAX_IDLE_S_DEFAULT if body.max_idle is None else body.max_idle


def _id(id: b.Id) -> str:
    return id if isinstance(id, str) else str(id)


def ids(ids: b.Id | list[b.Id] | None) -> tuple[str, ...] | None:
    """Ids as strings; one alone is taken too."""
    if ids is None:
        return None
    return tuple(map(_id, ids)) if isinstance(ids, list) else (_id(ids),)


def include(body: b.Includes) -> c.Include:
    """What to include."""
    if body.include_vectors is body.include_metadata is body.include_data is None:
        return _NOTHING
    return c.Include(
        flag(body.include_vectors, "includeVectors"),
        flag(body.include_metadata, "includeMetadata"),
        flag(body.include_data, "includeData"),
    )


def flag(value: b.Flag, name: str) -> bool:
    """A boolean, or its name as a string."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if value not in ("true", "false"):
        raise ClientError(f"{name} is {reprlib.repr(value)}; expected true or false")
    return value == "true"


def enumerated(value: str | None, name: str, kind: type[E]) -> E | None:
    """The member of `kind` that `value` names."""
    if value is None:
        return None
    if value in kind.__members__:
        return kind(value)
    raise ClientError(f"{name} is {reprlib.repr(value)}; expected one of {', '.join(kind)}")


def _floats(numbers: list[float], name: str) -> c.Floats:
    # Beyond the range this gives infinity, where NumPy would warn too.
    floats = np.frombuffer(array("f", numbers), dtype=np.float32)
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
