"""The types of arguments and answers."""

from clew.client.values import SupportsToList
from clew.types import (
    Data,
    DeleteResult,
    DenseIndexInfo,
    FetchResult,
    FusionAlgorithm,
    InfoResult,
    MetadataUpdateMode,
    NamespaceInfo,
    QueryMode,
    QueryRequest,
    QueryResult,
    RangeResult,
    SparseIndexInfo,
    SparseVector,
    Vector,
    WeightingStrategy,
)

__all__ = [
    "Data",
    "DeleteResult",
    "DenseIndexInfo",
    "FetchResult",
    "FusionAlgorithm",
    "InfoResult",
    "MetadataUpdateMode",
    "NamespaceInfo",
    "QueryMode",
    "QueryRequest",
    "QueryResult",
    "RangeResult",
    "SparseIndexInfo",
    "SparseVector",
    "SupportsToList",
    "Vector",
    "WeightingStrategy",
]
