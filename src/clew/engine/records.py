"""The record store: what an index must not lose, behind a protocol that names no database.

A record is never changed in place. Writing an id again adds a row and marks the old one removed as of
the seq of that command, so whoever still reads an older state of the namespace finds its rows, until
they are purged. Rows are numbered upwards and a number is never used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from clew.engine.vectors import Vectors
from clew.types import IndexType, Metric


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What an index was created with. `dimension` is None until the first upsert decides it, 0 for SPARSE."""

    dimension: int | None
    metric: Metric
    type: IndexType = IndexType.DENSE
    embedding_model: str = ""
    sparse_embedding_model: str = ""


class StoredNamespace(NamedTuple):
    """A namespace, its number (never used twice), and the position that its next new id gets.

    A state of it older than command `purged_seq` is no longer there as a whole.
    """

    number: int
    name: str
    next_position: int
    purged_seq: int


@dataclass(frozen=True, slots=True)
class NewRecords:
    """Records to add, all of one namespace, each id once.

    `vectors` are of the type of the index; `metadata` holds JSON texts.
    """

    ids: Sequence[str]
    vectors: Vectors
    metadata: Sequence[str | None]
    data: Sequence[str | None]


class StoredVector(NamedTuple):
    """What a namespace is rebuilt from. `vector` holds bytes of `engine.vectors`."""

    row: int
    namespace: int
    position: int
    id: str
    vector: bytes


class RemovedVector(NamedTuple):
    """A row that command `deleted_seq` removed, and that is kept for whoever reads an older state."""

    row: int
    deleted_seq: int
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


Lineage = bytes
"""Names a stretch of the history of a store."""


class Records(Protocol):
    """Keeps records. One writer at a time, inside `writing`; any number of readers beside it.

    Every read is of one moment. All methods raise StorageError when the store fails, Corruption when it
    does not hold what it must, and ClientError once it is closed. After a write that failed so that nobody
    knows what is on the disk, `writing` raises Poisoned until the store is opened again.
    """

    settings: IndexSettings
    seq: int  # of the last committed command
    # Tells this store from a copy of it that went another way, with commands of the same seq.
    lineage: Lineage

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

    def add(self, namespace: int, new: NewRecords, positions: Sequence[int], next_position: int) -> int:
        """Add rows, numbered upwards from the number that is returned."""
        ...

    def remove(self, rows: Sequence[int]) -> None:
        """Mark rows removed as of this command."""
        ...

    def purge(self, namespace: int, seq: int, limit: int) -> int:
        """Drop up to `limit` rows of a namespace that were removed at `seq` or before; returns how many.
        Once in a transaction.

        With the first of them `seq` becomes the `purged_seq` of the namespace.
        """
        ...

    def namespaces(self) -> list[StoredNamespace]:
        """In order of creation; the default one is always there."""
        ...

    def live(self, since: Mapping[int, int] | None = None) -> Iterator[StoredVector]:
        """Every row that is not removed, in row order; of the namespaces in `since` only from that row on.
        Only while nothing is written.
        """
        ...

    def live_rows(self, namespace: int, before_row: int) -> list[int]:
        """The rows before row `before_row` that are not removed, in any order."""
        ...

    def removed_rows(self, namespace: int, after: int, before_row: int) -> list[int]:
        """The rows before row `before_row` that a command later than `after` removed, in any order; those not
        yet purged.
        """
        ...

    def vectors(self, rows: Sequence[int]) -> dict[int, bytes]:
        """The bytes of vectors by row. A row that was dropped is missing."""
        ...

    def has_been(self, lineage: Lineage, seq: int) -> bool:
        """Whether these records are those that command `seq` left in `lineage`, and what came after."""
        ...

    def removed(self, namespace: int, after: int, upto: int) -> list[RemovedVector]:
        """The rows removed by a command later than `after`, up to `upto`, in row order; those not yet
        purged.
        """
        ...

    def removed_count(self, namespace: int, after: int, before_row: int) -> int:
        """How many rows before row `before_row` were removed by a command later than `after` and are kept."""
        ...

    def removed_bytes(self, namespace: int, after: int, upto: int) -> int:
        """What the rows hold that were removed by a command later than `after`, up to `upto`, and are
        kept.
        """
        ...

    def texts(self, rows: Sequence[int], *, metadata: bool, data: bool) -> dict[int, Texts]:
        """By row. A row that was dropped is missing."""
        ...

    def metadata(self, rows: Sequence[int]) -> list[str | None]:
        """The metadata (JSON text) of rows, None where a row has none or was dropped."""
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
        """How much the store occupies, what is free in it left out."""
        ...

    def free_bytes(self) -> int:
        """How much of it is free, to be used again or given back."""
        ...

    def give_back(self) -> bool:
        """Give some free space back to the system. Whether there may be more. Not inside `writing`."""
        ...

    def settle(self) -> None:
        """Do now what the store puts off: after it the disk holds no more than it must."""
        ...

    def copy_to(self, directory: Path, step: Callable[[int, int], None] = lambda done, total: None) -> None:
        """A copy of one moment in another directory, made while others read and write.

        step: told how many parts are done, and of how many.
        """
        ...

    def close(self) -> None:
        """Close it. A second close does nothing."""
        ...
