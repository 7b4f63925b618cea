"""Clew: a vector database whose queries go on from where they stopped."""

from __future__ import annotations

import importlib
import typing

from clew.errors import (
    AlreadyOpen,
    ClewError,
    ClientError,
    Corruption,
    DimensionMismatch,
    Forbidden,
    InvalidFilter,
    NamespaceNotFound,
    Poisoned,
    QueryNotActive,
    ServerError,
    StorageError,
    TooManyQueries,
    TransportError,
    Unauthorized,
)
from clew.types import (
    Data,
    DeleteResult,
    DenseIndexInfo,
    Durability,
    Embedder,
    FetchResult,
    FusionAlgorithm,
    IndexType,
    InfoResult,
    MetadataUpdateMode,
    Metric,
    NamespaceInfo,
    QueryMode,
    QueryRequest,
    QueryResult,
    RangeResult,
    SparseEncoder,
    SparseIndexInfo,
    SparseVector,
    Vector,
    WeightingStrategy,
)

if typing.TYPE_CHECKING:
    from clew.client.async_index import AsyncIndex
    from clew.client.index import Index
    from clew.client.query import ResumableQuery

__version__ = "0.1.0"

__all__ = [
    "AlreadyOpen",
    "AsyncIndex",
    "ClewError",
    "ClientError",
    "Corruption",
    "Data",
    "DeleteResult",
    "DenseIndexInfo",
    "DimensionMismatch",
    "Durability",
    "Embedder",
    "FetchResult",
    "Forbidden",
    "FusionAlgorithm",
    "Index",
    "IndexType",
    "InfoResult",
    "InvalidFilter",
    "MetadataUpdateMode",
    "Metric",
    "NamespaceInfo",
    "NamespaceNotFound",
    "Poisoned",
    "QueryMode",
    "QueryNotActive",
    "QueryRequest",
    "QueryResult",
    "RangeResult",
    "ResumableQuery",
    "ServerError",
    "SparseEncoder",
    "SparseIndexInfo",
    "SparseVector",
    "StorageError",
    "TooManyQueries",
    "TransportError",
    "Unauthorized",
    "Vector",
    "WeightingStrategy",
]

# These bring NumPy along, which takes longer to load than everything else together.
_LOADED_WHEN_USED = {
    "AsyncIndex": "clew.client.async_index",
    "Index": "clew.client.index",
    "ResumableQuery": "clew.client.query",
}


def __getattr__(name: str) -> typing.Any:
    if name not in _LOADED_WHEN_USED:
        raise AttributeError(f"module 'clew' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LOADED_WHEN_USED[name]), name)
    return value
