"""`AsyncIndex`: every call of the API, for code that awaits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from clew.client import arguments, bulk
from clew.client.opening import open_async_backend
from clew.client.query import ResumableQuery
from clew.client.records import RecordLike
from clew.client.steps import adrive
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
    from clew.backends.base import AsyncBackend


class AsyncIndex:
    """An `Index` whose calls are awaited. Its arguments are those of `Index`.

    Opening one blocks until its directory is read: `await asyncio.to_thread(AsyncIndex, "some/dir")`
    keeps the event loop free meanwhile.
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
        self._carry_by(open_async_backend(settings), settings.location)

    @classmethod
    def from_env(
        cls,
        retries: int = RETRIES_DEFAULT,
        retry_interval: float = RETRY_INTERVAL_S_DEFAULT,
        timeout: float = TIMEOUT_S_DEFAULT,
        allow_telemetry: bool = False,
    ) -> Self:
        """The index on the server that the environment names."""
        settings = from_env(retries=retries, retry_interval=retry_interval, timeout=timeout)
        return cls.over(open_async_backend(settings), settings.location)

    @classmethod
    def over(cls, backend: AsyncBackend, location: str = "") -> Self:
        """An index whose commands `backend` carries; `location` is shown by `repr`."""
        index = cls.__new__(cls)
        index._carry_by(backend, location)
        return index

    def _carry_by(self, backend: AsyncBackend, location: str) -> None:
        self._backend = backend
        self._call = backend.call
        self._location = location

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._location}>"

    async def upsert(self, vectors: Iterable[RecordLike], namespace: str = "") -> str:
        """As `Index.upsert`."""
        return await self._call(arguments.upsert(vectors, namespace))

    async def update(
        self,
        id: str | int,
        vector: VectorLike | None = None,
        data: str | None = None,
        metadata: Metadata | None = None,
        namespace: str = "",
        metadata_update_mode: MetadataUpdateMode | str = MetadataUpdateMode.OVERWRITE,
        sparse_vector: SparseLike | None = None,
    ) -> bool:
        """As `Index.update`."""
        command = arguments.update(id, vector, data, metadata, namespace, metadata_update_mode, sparse_vector)
        return (await self._call(command)).updated == 1

    async def query(
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
        """As `Index.query`."""
        return await self._call(
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

    async def query_many(
        self, queries: Iterable[QueryRequest], namespace: str = ""
    ) -> list[list[QueryResult]]:
        """As `Index.query_many`."""
        return await self._call(arguments.query_many(queries, namespace))

    async def resumable_query(
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
        """As `Index.resumable_query`."""
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
        return ResumableQuery(command, acall=self._call)

    async def fetch(
        self,
        ids: str | int | Iterable[str | int] | None = None,
        include_vectors: bool = False,
        include_metadata: bool = False,
        namespace: str = "",
        include_data: bool = False,
        prefix: str | None = None,
    ) -> list[FetchResult | None]:
        """As `Index.fetch`."""
        return await self._call(
            arguments.fetch(ids, include_vectors, include_metadata, namespace, include_data, prefix)
        )

    async def delete(
        self,
        ids: str | int | Iterable[str | int] | None = None,
        namespace: str = "",
        prefix: str | None = None,
        filter: str | None = None,
    ) -> DeleteResult:
        """As `Index.delete`."""
        return await self._call(arguments.delete(ids, namespace, prefix, filter))

    async def range(
        self,
        cursor: str | int = "",
        limit: int = 1,
        include_vectors: bool = False,
        include_metadata: bool = False,
        namespace: str = "",
        include_data: bool = False,
        prefix: str | None = None,
    ) -> RangeResult:
        """As `Index.range`."""
        return await self._call(
            arguments.range_(
                cursor, limit, include_vectors, include_metadata, namespace, include_data, prefix
            )
        )

    async def random(self, namespace: str = "") -> FetchResult | None:
        """As `Index.random`."""
        return await self._call(arguments.random(namespace))

    async def info(self) -> InfoResult:
        """As `Index.info`."""
        return await self._call(Info())

    async def reset(self, namespace: str = "", all: bool = False) -> str:
        """As `Index.reset`."""
        return await self._call(arguments.reset(namespace, all))

    async def list_namespaces(self) -> list[str]:
        """As `Index.list_namespaces`."""
        return await self._call(ListNamespaces())

    async def delete_namespace(self, namespace: str) -> str:
        """As `Index.delete_namespace`."""
        return await self._call(arguments.delete_namespace(namespace))

    async def rename_namespace(
        self, namespace: str, new_namespace: str, *, delete_existing: bool = False
    ) -> str:
        """As `Index.rename_namespace`."""
        return await self._call(arguments.rename_namespace(namespace, new_namespace, delete_existing))

    async def upsert_arrays(
        self,
        ids: Iterable[str | int],
        vectors: NDArray[Any] | Sequence[Sequence[float]],
        *,
        metadata: Iterable[Metadata | None] | None = None,
        data: Iterable[str | None] | None = None,
        namespace: str = "",
        progress: bool = False,
    ) -> str:
        """As `Index.upsert_arrays`."""
        commands = bulk.upsert_arrays(ids, vectors, metadata, data, namespace)
        return await adrive(bulk.carried(commands, progress), self._call)

    async def query_arrays(
        self,
        vectors: NDArray[Any] | Sequence[Sequence[float]],
        top_k: int = 10,
        *,
        filter: str | None = "",
        namespace: str = "",
    ) -> tuple[list[list[str]], list[NDArray[np.float32]]]:
        """As `Index.query_arrays`."""
        return await self._call(bulk.query_arrays(vectors, top_k, filter, namespace))

    async def close(self) -> None:
        """As `Index.close`."""
        await self._backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
