"""What survives of an open query: the protocol of the store that keeps it, and of one that keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from clew.commands import Query
from clew.engine.snapshot import Snapshot


class Place(msgspec.Struct, frozen=True):
    """How far a query has come. `deadline` is wall-clock time, in seconds; `last` the packed rows of batch
    `batch`, `tail` those of some batches before it, one set after the other.
    """

    deadline: float
    batch: int
    last: bytes
    tail: bytes = b""


class SavedQuery(NamedTuple):
    """An active query, but for the rows of the batches before the last."""

    number: int
    uuid: str
    namespace: int
    snapshot: Snapshot
    max_idle_s: float
    query: Query
    place: Place


class SavedQueries(Protocol):
    """Keeps the truth of active queries. Any number of threads; what is written is committed on return.

    All methods raise StorageError when the store fails; a write also Poisoned ever after.
    """

    lasting: bool
    """Whether it keeps anything."""

    def active(self) -> list[SavedQuery]:
        """Every query that was begun and has not ended."""
        ...

    def parts(self, number: int) -> list[bytes]:
        """The packed rows that a query returned before its tail, in the parts they were saved in."""
        ...

    def begin(self, query: SavedQuery) -> None:
        """A new query; its number was never used before."""
        ...

    def move(self, number: int, place: Place) -> None:
        """A query has come to `place`."""
        ...

    def regroup(self, number: int, place: Place, keep: int, parts: Sequence[bytes]) -> None:
        """The same, and of the parts that it had the first `keep` stay, and `parts` follow."""
        ...

    def end(self, numbers: Sequence[int]) -> None:
        """These queries have ended."""
        ...

    def settle(self) -> None:
        """Do now what the store puts off: after it the disk holds no more than it must."""
        ...

    def close(self) -> None:
        """Close it. A second close does nothing."""
        ...


class NothingSaved:
    """`SavedQueries` of an index in memory: its queries end with it."""

    lasting = False

    def active(self) -> list[SavedQuery]:
        """None."""
        return []

    def parts(self, number: int) -> list[bytes]:
        """None."""
        return []

    def begin(self, query: SavedQuery) -> None:
        """Nothing is kept."""

    def move(self, number: int, place: Place) -> None:
        """Nothing is kept."""

    def regroup(self, number: int, place: Place, keep: int, parts: Sequence[bytes]) -> None:
        """Nothing is kept."""

    def end(self, numbers: Sequence[int]) -> None:
        """Nothing was kept."""

    def settle(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


def _as_bytes(value: Any) -> bytes:
    return bytes(np.asarray(value, dtype="<f4").tobytes())


def _as_floats(type: Any, value: bytes) -> Any:
    return np.frombuffer(value, dtype="<f4").astype(np.float32)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_as_bytes)
_DECODER = msgspec.msgpack.Decoder(Query, dec_hook=_as_floats)
_DEFAULTS = msgspec.structs.asdict(Query())

decode_query = _DECODER.decode
"""The query that these bytes stand for."""


def encode_query(query: Query) -> bytes:
    """A query as bytes: its fields that differ from their defaults, by name, in MessagePack."""
    fields = msgspec.structs.asdict(query)
    return _ENCODER.encode({name: value for name, value in fields.items() if value is not _DEFAULTS[name]})
