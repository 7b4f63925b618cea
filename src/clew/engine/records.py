"""The record store: what an index must not lose, behind a protocol that names no database.

A record is never changed in place. Writing an id again adds a row and marks the old one removed as of
the seq of that command, so whoever still reads an older state of the namespace finds its rows, until
they are purged. Rows are numbered upwards and a number is never used twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypedDict

import msgspec

from clew.commands import Floats
from clew.errors import ClientError
from clew.types import Metadata, Metric

# Strict where msgspec is lenient: it would turn NaN into null and dates into strings without a word.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER: msgspec.json.Decoder[Metadata] = msgspec.json.Decoder(dict)

# Making a decoder takes 0.2 ms, so those of the keys that filters name again and again are kept.
PARTIAL_DECODERS_MAX = 256

# What one record may have, in bytes of UTF-8, as the hosted service has it: a batch of results stays within
# memory, and what is accepted here is accepted there.
METADATA_BYTES_MAX = 48 * 1024
DATA_BYTES_MAX = 1024 * 1024

_typed_dict: Any = TypedDict  # a type made at run time is not one to a type checker

decode_metadata = _DECODER.decode
"""The metadata that a JSON text stands for; key order and numbers are as they were."""


@lru_cache(maxsize=PARTIAL_DECODERS_MAX)
def partial_decoder(keys: frozenset[str]) -> Callable[[str], Metadata]:
    """Decodes of metadata only what stands under `keys`: half the time of all of it, or less."""
    shape = _typed_dict("shape", dict.fromkeys(keys, Any), total=False)
    decoder: msgspec.json.Decoder[Metadata] = msgspec.json.Decoder(shape)
    return decoder.decode


def encode_metadata(id: str, metadata: Metadata | None) -> str | None:
    """The JSON text of the metadata of record `id`. Raises ClientError if none or too long."""
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise ClientError(f"metadata of id {id!r} must be a dict, got {type(metadata).__name__}")
    try:
        text = _ENCODER.encode(metadata)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ClientError(f"metadata of id {id!r} cannot be kept as JSON: {error}") from error
    require_size(f"metadata of id {id!r}", size, METADATA_BYTES_MAX)
    return text


def require_size(what: str, size: int, limit: int) -> None:
    """At most `limit` bytes."""
    if size > limit:
        raise ClientError(f"{what} has {size} bytes, at most {limit} are allowed")


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What an index was created with. `dimension` is None until the first upsert decides it."""

    dimension: int | None
    metric: Metric


class StoredNamespace(NamedTuple):
    """A namespace, its number (never used twice), and the position that its next new id gets."""

    number: int
    name: str
    next_position: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to add, all of one namespace, each id once.

    `vectors` has shape (n, dimension), float32; `metadata` holds JSON texts.
    """

    ids: Sequence[str]
    vectors: Floats
    metadata: Sequence[str | None]
    data: Sequence[str | None]


class StoredVector(NamedTuple):
    """What a namespace is rebuilt from. `vector` is little-endian float32."""

    row: int
    namespace: int
    position: int
    id: str
    vector: bytes


class StoredRecord(NamedTuple):
    """One record of a stretch; parts that were not asked for are None."""

    position: int
    id: str
    vector: bytes | None
    metadata: str | None
    data: str | None


class Texts(NamedTuple):
    """Metadata (JSON text) and data of one row; None where absent or not asked for."""

    metadata: str | None
    data: str | None


class Records(Protocol):
    """Keeps records. One writer at a time, inside `writing`; any number of readers beside it.

    Every read is of one moment. All methods raise StorageError when the store fails, and Corruption
    when it does not hold what it must.
    """

    settings: IndexSettings
    seq: int  # of the last committed command

    def writing(self, seq: int) -> AbstractContextManager[None]:
        """Everything written inside is committed together as command `seq`, or not at all."""
        ...

    def fix_dimension(self, dimension: int) -> None:
        """Write down the dimension, also in `settings`; a roll-back takes it out again."""
        ...

    def add_namespace(self, name: str) -> int:
        """A new namespace; returns its number."""
        ...

    def rename_namespace(self, number: int, name: str) -> None:
        """Give a namespace another name."""
        ...

    def empty_namespace(self, number: int) -> None:
        """Drop every row of a namespace at once, also the removed ones; positions restart at 0."""
        ...

    def drop_namespace(self, number: int) -> None:
        """The same, and the namespace with them."""
        ...

    def add(self, namespace: int, batch: Batch, positions: Sequence[int], next_position: int) -> int:
        """Add rows, numbered upwards from the number that is returned."""
        ...

    def remove(self, rows: Sequence[int]) -> None:
        """Mark rows removed as of this command."""
        ...

    def purge(self, namespace: int, seq: int) -> None:
        """Drop the rows of a namespace that were removed at `seq` or before."""
        ...

    def namespaces(self) -> list[StoredNamespace]:
        """In order of creation; the default one is always there."""
        ...

    def live(self) -> Iterator[StoredVector]:
        """Every row that is not removed, in row order. Only while nothing is written."""
        ...

    def texts(self, rows: Sequence[int], *, metadata: bool, data: bool) -> dict[int, Texts]:
        """By row. A row that was dropped is missing."""
        ...

    def metadata(self, rows: Sequence[int]) -> list[str | None]:
        """The metadata (JSON text) of ascending rows, None where a row has none or was dropped."""
        ...

    def stretch(
        self,
        namespace: int,
        seq: int,
        *,
        start: int = 0,
        limit: int | None = None,
        prefix: str = "",
        vectors: bool = False,
        metadata: bool = False,
        data: bool = False,
    ) -> list[StoredRecord]:
        """What a namespace held after command `seq`, in order of position.

        From position `start`, at most `limit` (None: all), ids that begin with `prefix`.
        """
        ...

    def bytes(self) -> int:
        """How much the store occupies."""
        ...

    def close(self) -> None:
        """Close it. A second close does nothing."""
        ...
