"""Metadata as JSON text and back, and what a record may have of it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from clew.engine.records import Records
from clew.errors import ClientError
from clew.types import Metadata

# Strict where msgspec is lenient: it would turn NaN into null and dates into strings without a word.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER: msgspec.json.Decoder[Metadata] = msgspec.json.Decoder(dict)

# Making a decoder takes 0.2 ms, so those of the keys that filters name again and again are kept.
PARTIAL_DECODERS_MAX = 256

# What one record may have, in bytes of UTF-8, as the hosted service has it: a batch of results stays within
# memory, and what is accepted here is accepted there.
METADATA_BYTES_MAX = 48 * 1024
DATA_BYTES_MAX = 1024 * 1024

# Metadata is read for the filter columns in stretches of this many slots.
COLUMNS_SLOTS = 4096

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


def metadata_reader(
    rows: array[int], records: Records
) -> Callable[[int, int, frozenset[str]], Iterator[Metadata | None]]:
    """Reads the metadata of slots for the filter columns. Does not hold the generation."""

    def read(start: int, stop: int, keys: frozenset[str]) -> Iterator[Metadata | None]:
        decode = partial_decoder(keys)
        for first in range(start, stop, COLUMNS_SLOTS):
            wanted = rows[first : min(first + COLUMNS_SLOTS, stop)].tolist()
            for text in records.metadata(wanted):
                yield None if text is None else decode(text)

    return read
