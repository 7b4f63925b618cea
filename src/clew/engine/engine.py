"""The only door to the database: `execute(command)`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from clew.commands import Command
from clew.types import Metric

T = TypeVar("T")


class Engine:
    """One index: its namespaces, its records, its open queries.

    Any number of threads may execute commands at once. Writes are carried out one at a time;
    reads wait for neither writes nor each other.
    """

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str] | None = None,
        *,
        dimension: int | None = None,
        metric: Metric | None = None,
        threads: int | None = None,
        sessions_max: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> Engine:
        """Open the index kept in `directory` (made where missing), or a new one in memory (None).

        dimension: of the vectors; None takes it from the directory, else from the first upsert.
        metric: None takes it from the directory, else COSINE.
        threads: for building and bulk queries; None means every processor.
        sessions_max: how many resumable queries may be active at once.
        clock: seconds, monotonic; idle limits run on it.
        seed: of `random`; None draws one.

        Raises ClientError (other settings than those of the directory), AlreadyOpen, Corruption, StorageError.
        """
        raise RuntimeError

    def execute(self, command: Command[T]) -> T:
        """Carry out `command` and return its answer, or raise a `ClewError`."""
        raise RuntimeError

    def close(self) -> None:
        """Stop the open queries and close the records. A second close does nothing."""
