"""The API as data: one frozen value per operation.

`Index` makes a command, a backend carries it, the engine executes it; the wire turns it into JSON
and back. Each command names the type of its answer, so `backend.call(command)` is typed.
Vectors in commands are already checked: C-contiguous float32 arrays of finite numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from clew.types import (
    DeleteResult,
    FetchResult,
    FusionAlgorithm,
    InfoResult,
    Metadata,
    MetadataUpdateMode,
    QueryMode,
    QueryResult,
    RangeResult,
    SparseVector,
    UpdateResult,
    WeightingStrategy,
)

Floats = NDArray[np.float32]
T = TypeVar("T")

DEFAULT_NAMESPACE = ""
TOP_K_DEFAULT = 10
MAX_IDLE_S_DEFAULT = 3600.0


class Command(Generic[T]):
    """An operation whose answer is a `T`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept for an id. `vector` has shape (dimension,), float32."""

    id: str
    vector: Floats | None = None
    sparse_vector: SparseVector | None = None
    metadata: Metadata | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Include:
    """Which parts of a record an answer carries."""

    vectors: bool = False
    metadata: bool = False
    data: bool = False


@dataclass(frozen=True, slots=True)
class Upsert(Command[str]):
    """Insert or replace records, all or none; of records with one id the last wins. "Success"."""

    records: tuple[Record, ...]
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, eq=False)
class UpsertArrays(Command[str]):
    """The bulk form of `Upsert`: `vectors` has shape (len(ids), dimension), float32."""

    ids: tuple[str, ...]
    vectors: Floats
    metadata: tuple[Metadata | None, ...] | None = None
    data: tuple[str | None, ...] | None = None
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Update(Command[UpdateResult]):
    """Change the given parts of one record, if it exists."""

    record: Record
    metadata_update_mode: MetadataUpdateMode = MetadataUpdateMode.OVERWRITE
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Query(Command[list[QueryResult]]):
    """The `top_k` nearest records that match `filter`, nearest first."""

    vector: Floats | None = None
    sparse_vector: SparseVector | None = None
    data: str | None = None
    top_k: int = TOP_K_DEFAULT
    include: Include = Include()
    filter: str = ""
    weighting_strategy: WeightingStrategy | None = None
    fusion_algorithm: FusionAlgorithm | None = None
    query_mode: QueryMode | None = None
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class QueryMany(Command[list[list[QueryResult]]]):
    """Several queries over one namespace, answered together, in order."""

    queries: tuple[Query, ...]
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, eq=False)
class QueryArrays(Command[tuple[list[list[str]], list[Floats]]]):
    """Many dense queries at once: `vectors` has shape (n, dimension); ids and scores per query."""

    vectors: Floats
    top_k: int = TOP_K_DEFAULT
    filter: str = ""
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class StartQuery(Command[tuple[str, list[QueryResult]]]):
    """Open a resumable query: its uuid ("" when the namespace does not exist) and first batch."""

    query: Query
    max_idle_s: float = MAX_IDLE_S_DEFAULT


@dataclass(frozen=True, slots=True)
class FetchNext(Command[list[QueryResult]]):
    """The next `additional_k` results of a resumable query; [] once it is exhausted."""

    uuid: str
    additional_k: int


@dataclass(frozen=True, slots=True)
class EndQuery(Command[str]):
    """Stop a resumable query. "Success"."""

    uuid: str


@dataclass(frozen=True, slots=True)
class Fetch(Command[list[FetchResult | None]]):
    """Records by `ids` (None where missing) or by `prefix` (at most 1,000, in insertion order)."""

    ids: tuple[str, ...] | None = None
    prefix: str | None = None
    include: Include = Include()
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Delete(Command[DeleteResult]):
    """Remove the records named by exactly one of `ids`, `prefix` and `filter`."""

    ids: tuple[str, ...] | None = None
    prefix: str | None = None
    filter: str | None = None
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Range(Command[RangeResult]):
    """At most `limit` records in insertion order, from position `cursor` (inclusive)."""

    cursor: str = ""
    limit: int = 10
    prefix: str | None = None
    include: Include = Include()
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Random(Command[FetchResult | None]):
    """One record drawn at random with its vectors, or None where there is none."""

    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Info(Command[InfoResult]):
    """Counts and kind of the index."""


@dataclass(frozen=True, slots=True)
class Reset(Command[str]):
    """Empty one namespace, or all of them; its open queries stop. "Success"."""

    namespace: str = DEFAULT_NAMESPACE
    all: bool = False


@dataclass(frozen=True, slots=True)
class ListNamespaces(Command[list[str]]):
    """Names of the namespaces: the default one first, then in order of creation."""


@dataclass(frozen=True, slots=True)
class DeleteNamespace(Command[str]):
    """Remove a namespace and its records; its open queries stop. "Success"."""

    namespace: str


@dataclass(frozen=True, slots=True)
class RenameNamespace(Command[str]):
    """Give a namespace another name; `delete_existing` drops a namespace in its way. "Success"."""

    namespace: str
    new_namespace: str
    delete_existing: bool = False


AnyCommand = Command[Any]
