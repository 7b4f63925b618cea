"""`Index`: every call of the API, waiting for its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from clew.client import arguments, bulk
from clew.client.opening import open_backend
from clew.client.query import ResumableQuery
from clew.client.records import RecordLike
from clew.client.steps import drive
from clew.client.values import SparseLike, VectorLike
from clew.commands import Info, ListNamespaces
from clew.config import (
    RETRIES_DEFAULT,
    RETRY_INTERVAL_S_DEFAULT,
    TIMEOUT_S_DEFAULT,
    Location,
    from_env,
    resolve,
)
from clew.types import (
    DeleteResult,
    Durability,
    Embedder,
    FetchResult,
    FusionAlgorithm,
    IndexType,
    InfoResult,
    Metadata,
    MetadataUpdateMode,
    Metric,
    QueryMode,
    QueryRequest,
    QueryResult,
    RangeResult,
    SparseEncoder,
    WeightingStrategy,
)

if TYPE_CHECKING:
    from clew.backends.base import Backend


class Index:
    """Vectors, found by nearness. Any number of threads may use one index.

    `Index()` is in memory, `Index("some/dir")` keeps its data there, `Index("http://host/index", "token")`
    is a server. Without a location, `CLEW_URL` or `UPSTASH_VECTOR_REST_URL` in the environment names one.

    location: a directory, a URL, or ":memory:" for memory whatever the environment says.
    token: of a server; else `CLEW_TOKEN` or `UPSTASH_VECTOR_REST_TOKEN`.
    url: the same as a URL for location.
    dimension: of the vectors; None takes it from the directory, else from the first upsert.
    similarity_function: COSINE, EUCLIDEAN or DOT_PRODUCT; None takes it from the directory, else COSINE.
    type: DENSE, SPARSE or HYBRID (both vectors); None takes it from the directory, else DENSE.
    embedding_model, sparse_embedding_model: what makes dense and sparse vectors of texts (`data`): a name
    such as "builtin/hashing" or "BM25", or an object; None takes those of the directory, else there are
    none. A new index has the dimension of its model.
    durability: of a directory: "full" acknowledges writes once the disk has them, "normal" once the system.
    read_only: see a directory for ever as it is now, beside the process that writes to it.
    mapped: of a directory: leave vectors in its files and read them when they are needed, so that an index
    larger than memory opens; None does so where they would take more than half of the memory.
    retries, retry_interval: how often a request to a server is tried again, and the seconds between.
    timeout: the seconds that one may take, of which at most 10 to connect.
    allow_telemetry: accepted so that code written for other clients runs; nothing is ever sent.

    Every call raises `ClientError` for an argument it cannot use, and then has changed nothing.
    """

    def __init__(
        self,
        location: Location | None = None,
        token: str | None = None,
        *,
        url: str | None = None,
        dimension: int | None = None,
        similarity_function: Metric | str | None = None,
        type: IndexType | str | None = None,
        embedding_model: str | Embedder | None = None,
        sparse_embedding_model: str | SparseEncoder | None = None,
        durability: Durability | str = Durability.FULL,
        read_only: bool = False,
        mapped: bool | None = None,
        retries: int = RETRIES_DEFAULT,
        retry_interval: float = RETRY_INTERVAL_S_DEFAULT,
        timeout: float = TIMEOUT_S_DEFAULT,
        allow_telemetry: bool = False,
    ) -> None:
        settings = resolve(
            location,
            token,
            url=url,
            dimension=dimension,
            similarity_function=similarity_function,
            type=type,
            embedding_model=embedding_model,
            sparse_embedding_model=sparse_embedding_model,
            durability=durability,
            read_only=read_only,
            mapped=mapped,
            retries=retries,
            retry_interval=retry_interval,
            timeout=timeout,
        )
        self._carry_by(open_backend(settings), settings.location)

    @classmethod
    def from_env(
        cls,
        retries: int = RETRIES_DEFAULT,
        retry_interval: float = RETRY_INTERVAL_S_DEFAULT,
        timeout: float = TIMEOUT_S_DEFAULT,
        allow_telemetry: bool = False,
    ) -> Self:
        """The index on the server that the environment names. Raises ClientError where it names none."""
        settings = from_env(retries=retries, retry_interval=retry_interval, timeout=timeout)
        return cls.over(open_backend(settings), settings.location)

    @classmethod
    def over(cls, backend: Backend, location: str = "") -> Self:
        """An index whose commands `backend` carries; `location` is shown by `repr`."""
        index = cls.__new__(cls)
        index._carry_by(backend, location)
        return index

    def _carry_by(self, backend: Backend, location: str) -> None:
        self._backend = backend
        self._call = backend.call
        self._location = location

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._location}>"

    def upsert(self, vectors: Iterable[RecordLike], namespace: str = "") -> str:
        """Insert or replace records, all or none; of records with one id the last wins. "Success".

        vectors: each a tuple `(id, vector, metadata, data)` whose last two may be left out, a dict with
        those names, a `Vector` or a `Data`. A vector is a list, a NumPy array or anything with `tolist`.
        The first upsert into a namespace makes it. Metadata has at most 48 KiB of JSON, data 1 MiB.
        Raises DimensionMismatch.
        """
        return self._call(arguments.upsert(vectors, namespace))

    def update(
        self,
        id: str | int,
        vector: VectorLike | None = None,
        data: str | None = None,
        metadata: Metadata | None = None,
        namespace: str = "",
        metadata_update_mode: MetadataUpdateMode | str = MetadataUpdateMode.OVERWRITE,
        sparse_vector: SparseLike | None = None,
    ) -> bool:
        """Change the given parts of one record; False where there is no such id.

        metadata_update_mode: OVERWRITE replaces the metadata, PATCH merges into it by RFC 7396.
        """
        command = arguments.update(id, vector, data, metadata, namespace, metadata_update_mode, sparse_vector)
        return self._call(command).updated == 1

    def query(
        self,
        vector: VectorLike | None = None,
        top_k: int = 10,
        include_vectors: bool = False,
        include_metadata: bool = False,
        filter: str | None = "",
        data: str | None = None,
        namespace: str = "",
        include_data: bool = False,
        sparse_vector: SparseLike | None = None,
        weighting_strategy: WeightingStrategy | str | None = None,
        fusion_algorithm: FusionAlgorithm | str | None = None,
        query_mode: QueryMode | str | None = None,
        fusion_window: int | None = None,
        dense_weight: float | None = None,
    ) -> list[QueryResult]:
        """The `top_k` nearest records that match `filter`, nearest first; ties in insertion order.

        Exactly one of `vector`, `data`, `sparse_vector`, or `vector` with `sparse_vector`: finite float32
        numbers, of the dimension of the index. Scores are float32, larger for nearer.
        top_k: 1 to 1,000; a resumable query reads further. include_*: what results carry beside id and score.
        filter: over metadata; "" or None lets everything pass.
        namespace: "" is the default one; one that is not there has no results.
        query_mode: which halves of a hybrid index a text asks, HYBRID (default), DENSE or SPARSE.
        weighting_strategy: IDF weights sparse values by how rare their index is.
        fusion_algorithm: how two halves become one ranking, RRF (default) or DBSF. fusion_window: how many
        of each are fused, 1 to 10,000. dense_weight: the share of the dense half, 0 to 1, 0.5 by default.
        Raises DimensionMismatch, InvalidFilter.
        """
        return self._call(
            arguments.query(
                vector,
                top_k,
                include_vectors,
                include_metadata,
                filter,
                data,
                namespace,
                include_data,
                sparse_vector,
                weighting_strategy,
                fusion_algorithm,
                query_mode,
                fusion_window,
                dense_weight,
            )
        )

    def query_many(self, queries: Iterable[QueryRequest], namespace: str = "") -> list[list[QueryResult]]:
        """Several queries, each a dict of the arguments of `query`, answered together and in order.

        One bad query refuses them all.
        """
        return self._call(arguments.query_many(queries, namespace))

    def resumable_query(
        self,
        vector: VectorLike | None = None,
        top_k: int = 10,
        include_vectors: bool = False,
        include_metadata: bool = False,
        filter: str | None = "",
        data: str | None = None,
        namespace: str = "",
        include_data: bool = False,
        max_idle: float = 3600,
        sparse_vector: SparseLike | None = None,
        weighting_strategy: WeightingStrategy | str | None = None,
        fusion_algorithm: FusionAlgorithm | str | None = None,
        query_mode: QueryMode | str | None = None,
        fusion_window: int | None = None,
        dense_weight: float | None = None,
    ) -> ResumableQuery:
        """A query that can be fetched from again and again, until it has returned every match.

        top_k: how many results `start` returns, 1 to 1,000.
        max_idle: seconds without a call after which the query is stopped.
        fusion_window: fuse so many of each half into one ranking that no batch size changes; None fuses
        each batch by itself, as the hosted service does.
        The other arguments are those of `query`. Nothing happens before `start`; what depends on the
        index, as its dimension and the filter, is refused there.
        """
        command = arguments.resumable_query(
            max_idle,
            vector=vector,
            top_k=top_k,
            include_vectors=include_vectors,
            include_metadata=include_metadata,
            filter=filter,
            data=data,
            namespace=namespace,
            include_data=include_data,
            sparse_vector=sparse_vector,
            weighting_strategy=weighting_strategy,
            fusion_algorithm=fusion_algorithm,
            query_mode=query_mode,
            fusion_window=fusion_window,
            dense_weight=dense_weight,
        )
        return ResumableQuery(command, call=self._call)

    def fetch(
        self,
        ids: str | int | Iterable[str | int] | None = None,
        include_vectors: bool = False,
        include_metadata: bool = False,
        namespace: str = "",
        include_data: bool = False,
        prefix: str | None = None,
    ) -> list[FetchResult | None]:
        """The records of at most 1,000 `ids`, None where missing; or the first 1,000 of a `prefix` of id."""
        return self._call(
            arguments.fetch(ids, include_vectors, include_metadata, namespace, include_data, prefix)
        )

    def delete(
        self,
        ids: str | int | Iterable[str | int] | None = None,
        namespace: str = "",
        prefix: str | None = None,
        filter: str | None = None,
    ) -> DeleteResult:
        """Remove the records named by exactly one of `ids`, `prefix` and `filter`; how many those were."""
        return self._call(arguments.delete(ids, namespace, prefix, filter))

    def range(
        self,
        cursor: str | int = "",
        limit: int = 1,
        include_vectors: bool = False,
        include_metadata: bool = False,
        namespace: str = "",
        include_data: bool = False,
        prefix: str | None = None,
    ) -> RangeResult:
        """At most `limit` records (1 to 1,000) in insertion order, from `cursor` on; "" is the beginning.

        Go on with the `next_cursor` of the answer; it is "" at the end.
        """
        return self._call(
            arguments.range_(
                cursor, limit, include_vectors, include_metadata, namespace, include_data, prefix
            )
        )

    def random(self, namespace: str = "") -> FetchResult | None:
        """A record drawn at random, with its vector; None from an empty namespace."""
        return self._call(arguments.random(namespace))

    def info(self) -> InfoResult:
        """Counts, bytes of the records, dimension and metric of the index, and its namespaces."""
        return self._call(Info())

    def reset(self, namespace: str = "", all: bool = False) -> str:
        """Remove every record of a namespace, or of all of them; their open queries stop. "Success"."""
        return self._call(arguments.reset(namespace, all))

    def list_namespaces(self) -> list[str]:
        """Names of the namespaces, the default one ("") first."""
        return self._call(ListNamespaces())

    def delete_namespace(self, namespace: str) -> str:
        """Remove a namespace, its records and its open queries. "Success". The default one stays.

        Raises NamespaceNotFound.
        """
        return self._call(arguments.delete_namespace(namespace))

    def rename_namespace(self, namespace: str, new_namespace: str, *, delete_existing: bool = False) -> str:
        """Give a namespace another name; `delete_existing` drops one that has it already. "Success".

        Raises NamespaceNotFound.
        """
        return self._call(arguments.rename_namespace(namespace, new_namespace, delete_existing))

    def upsert_arrays(
        self,
        ids: Iterable[str | int],
        vectors: NDArray[Any] | Sequence[Sequence[float]],
        *,
        metadata: Iterable[Metadata | None] | None = None,
        data: Iterable[str | None] | None = None,
        namespace: str = "",
        progress: bool = False,
    ) -> str:
        """Upsert row i of `vectors`, float32 of shape (n, dimension), under `ids[i]`. "Success".

        metadata, data: one element per id, or None. progress: show a bar on stderr, where that is a terminal.
        Of rows with one id the last wins. All arguments are checked first; then the rows go in chunks, each
        all or none. Raises DimensionMismatch.
        """
        commands = bulk.upsert_arrays(ids, vectors, metadata, data, namespace)
        return drive(bulk.carried(commands, progress), self._call)

    def query_arrays(
        self,
        vectors: NDArray[Any] | Sequence[Sequence[float]],
        top_k: int = 10,
        *,
        filter: str | None = "",
        namespace: str = "",
    ) -> tuple[list[list[str]], list[NDArray[np.float32]]]:
        """Answer a query for every row of `vectors`, float32 of shape (n, dimension), in parallel.

        top_k: 1 to 1,000. Returns ids and scores, one list and one float32 array per row, nearest first;
        shorter where fewer match. Raises DimensionMismatch, InvalidFilter.
        """
        return self._call(bulk.query_arrays(vectors, top_k, filter, namespace))

    def close(self) -> None:
        """Give everything back. A call after it is a `ClientError`; a second close does nothing."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
