"""The API as data: one frozen value per operation.

`Index` makes a command, a backend carries it, the engine executes it; the wire turns it into JSON
and back. Each command names the type of its answer, so `backend.call(command)` is typed.
Vectors in commands are already checked: C-contiguous float32 arrays of finite numbers.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
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


class Command(msgspec.Struct, Generic[T], frozen=True):
    """An operation whose answer is a `T`."""


class Record(msgspec.Struct, frozen=True):
    """What is kept for an id. `vector` has shape (dimension,), float32."""

    id: str
    vector: Floats | None = None
    sparse_vector: SparseVector | None = None
    metadata: Metadata | None = None
    data: str | None = None


class Include(msgspec.Struct, frozen=True):
    """Which parts of a record an answer carries."""

    vectors: bool = False
    metadata: bool = False
    data: bool = False


class Upsert(Command[str], frozen=True):
    """Insert or replace records, all or none; of records with one id the last wins. "Success".

    embed: whether records that are all of data alone are embedded, where the index has models.
    """

    records: tuple[Record, ...]
    namespace: str = DEFAULT_NAMESPACE
    embed: bool = True


class UpsertArrays(Command[str], frozen=True, eq=False):
    """The bulk form of `Upsert`: `vectors` has shape (len(ids), dimension), float32."""

    ids: tuple[str, ...]
    vectors: Floats
    metadata: tuple[Metadata | None, ...] | None = None
    data: tuple[str | None, ...] | None = None
    namespace: str = DEFAULT_NAMESPACE


class Update(Command[UpdateResult], frozen=True):
    """Change the given parts of one record, if it exists."""

    record: Record
    metadata_update_mode: MetadataUpdateMode = MetadataUpdateMode.OVERWRITE
    namespace: str = DEFAULT_NAMESPACE


class Query(Command[list[QueryResult]], frozen=True):
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
    fusion_window: int | None = None
    dense_weight: float | None = None


class QueryMany(Command[list[list[QueryResult]]], frozen=True):
    """Several queries over one namespace, answered together, in order."""

    queries: tuple[Query, ...]
    namespace: str = DEFAULT_NAMESPACE


class QueryArrays(Command[tuple[list[list[str]], list[Floats]]], frozen=True, eq=False):
    """Many dense queries at once: `vectors` has shape (n, dimension); ids and scores per query."""

    vectors: Floats
    top_k: int = TOP_K_DEFAULT
    filter: str = ""
    namespace: str = DEFAULT_NAMESPACE


class StartQuery(Command[tuple[str, list[QueryResult]]], frozen=True):
    """Open a resumable query: its uuid ("" when the namespace does not exist) and first batch."""

    query: Query
    max_idle_s: float = MAX_IDLE_S_DEFAULT


class FetchNext(Command[list[QueryResult]], frozen=True):
    """The next `additional_k` results of a resumable query; [] once it is exhausted.

    batch: the number of the batch asked for: 1 is the first fetch after the start. The number of the batch
    that came last gives that batch again, whatever `additional_k` is; one more gives the next; any other is
    an error. None always gives the next.
    """

    uuid: str
    additional_k: int
    batch: int | None = None


class EndQuery(Command[str], frozen=True):
    """Stop a resumable query. "Success"."""

    uuid: str


class Fetch(Command[list[FetchResult | None]], frozen=True):
    """Records by `ids` (None where missing) or by `prefix` (at most 1,000, in insertion order)."""

    ids: tuple[str, ...] | None = None
    prefix: str | None = None
    include: Include = Include()
    namespace: str = DEFAULT_NAMESPACE


class Delete(Command[DeleteResult], frozen=True):
    """Remove the records named by exactly one of `ids`, `prefix` and `filter`."""

    ids: tuple[str, ...] | None = None
    prefix: str | None = None
    filter: str | None = None
    namespace: str = DEFAULT_NAMESPACE


class Range(Command[RangeResult], frozen=True):
    """At most `limit` records in insertion order, from position `cursor` (inclusive)."""

    cursor: str = ""
    limit: int = 10
    prefix: str | None = None
    include: Include = Include()
    namespace: str = DEFAULT_NAMESPACE


class Random(Command[FetchResult | None], frozen=True):
    """One record drawn at random with its vectors, or None where there is none."""

    namespace: str = DEFAULT_NAMESPACE


class Info(Command[InfoResult], frozen=True):
    """Counts and kind of the index."""


class Reset(Command[str], frozen=True):
    """Empty one namespace, or all of them; its open queries stop. "Success"."""

    namespace: str = DEFAULT_NAMESPACE
    all: bool = False


class ListNamespaces(Command[list[str]], frozen=True):
    """Names of the namespaces: the default one first, then in order of creation."""


class DeleteNamespace(Command[str], frozen=True):
    """Remove a namespace and its records; its open queries stop. "Success"."""

    namespace: str


class RenameNamespace(Command[str], frozen=True):
    """Give a namespace another name; `delete_existing` drops a namespace in its way. "Success"."""

    namespace: str
    new_namespace: str
    delete_existing: bool = False


class Compact(Command[int], frozen=True):
    """Do at once what is otherwise done in the background: make graphs without tombstones, drop records that
    no open query sees, give free space back to the system. How many bytes smaller the index is on disk.
    """


AnyCommand = Command[Any]
