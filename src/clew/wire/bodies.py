"""The JSON bodies of requests. The server reads into these, the client writes from them.

A field that is None is absent: left out when written, and `null` when read means the same.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

ITEMS_MAX = 1_000
"""Queries, or ids to fetch, in one request. All that they ask for is held until it is sent."""

Id = str | int | float
"""Ids come as strings or as numbers; a number stands for its decimal text."""

Flag = bool | str | None
"""`true` and `false` come as JSON booleans or as strings."""


class Body(msgspec.Struct, rename="camel", omit_defaults=True):
    """Names in camel case; fields that nobody knows are ignored."""


class SparseBody(Body):
    """A sparse vector: coordinates in any order, repeats allowed."""

    indices: list[int]
    values: list[float]


class RecordBody(Body):
    """`/upsert`: one of these, or an array."""

    id: Id
    vector: list[float] | None = None
    sparse_vector: SparseBody | None = None
    metadata: dict[str, Any] | None = None
    data: str | None = None


class DataBody(Body):
    """`/upsert-data`: one of these, or an array."""

    id: Id
    data: str
    metadata: dict[str, Any] | None = None


class UpdateBody(RecordBody):
    """`/update`."""

    metadata_update_mode: str | None = None


class Includes(Body):
    """Which parts of a record an answer carries."""

    include_vectors: Flag = None
    include_metadata: Flag = None
    include_data: Flag = None


class QueryBody(Includes):
    """`/query` and `/query-data`: one of these, or an array. The same begins a resumable query.

    `fusion_window` and `dense_weight` are ours.
    """

    vector: list[float] | None = None
    sparse_vector: SparseBody | None = None
    data: str | None = None
    top_k: int | None = None
    filter: str | None = None
    weighting_strategy: str | None = None
    fusion_algorithm: str | None = None
    query_mode: str | None = None
    fusion_window: int | None = None
    dense_weight: float | None = None


class StartBody(QueryBody):
    """`/resumable-query` and `/resumable-query-data`. `max_idle` is in seconds."""

    max_idle: float | None = None


class NextBody(Body):
    """`/resumable-query-next`. `batch` is ours: the number of the batch, 1 for the first after the start."""

    uuid: str
    additional_k: int | None = None
    batch: int | None = None


class EndBody(Body):
    """`/resumable-query-end`."""

    uuid: str


class FetchBody(Includes):
    """`/fetch`; a bare array of ids is taken too."""

    ids: Id | list[Id] | None = None
    prefix: str | None = None


class DeleteBody(Body):
    """`/delete`; an array of ids and a bare id are taken too."""

    ids: Id | list[Id] | None = None
    prefix: str | None = None
    filter: str | None = None


class RangeBody(Includes):
    """`/range`."""

    cursor: str | int | None = None
    limit: int | None = None
    prefix: str | None = None


class RenameBody(Body):
    """`/rename-namespace`."""

    namespace: str
    new_namespace: str
    delete_existing: Flag = None


# What an endpoint takes, where that is more than one of the above.
Upsert = RecordBody | list[RecordBody]
UpsertData = DataBody | list[DataBody]
Query = QueryBody | Annotated[list[QueryBody], msgspec.Meta(max_length=ITEMS_MAX)]
Fetch = FetchBody | list[Id]
Delete = DeleteBody | list[Id] | Id
