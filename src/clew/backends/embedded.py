"""Commands carried out in this process, by an `Engine`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clew.commands import (
    Command,
    Delete,
    DeleteNamespace,
    EndQuery,
    FetchNext,
    RenameNamespace,
    Reset,
    StartQuery,
    Update,
    Upsert,
    UpsertArrays,
)
from clew.engine.engine import Engine

T = TypeVar("T")

# The engine carries out one write at a time anyway. With a thread of their own, writes that queue up
# cannot occupy the threads that reads need.
WRITES = (Upsert, UpsertArrays, Update, Delete, Reset, DeleteNamespace, RenameNamespace)


class EmbeddedBackend:
    """Carries commands to `engine` on the caller's thread. Closing it closes the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def call(self, command: Command[T]) -> T:
        """Carry `command` out and return its answer, or raise a `ClewError`."""
        return self.engine.execute(command)

    def close(self) -> None:
        """Close the engine. A second close does nothing."""
        self.engine.close()


class AsyncEmbeddedBackend:
    """Carries commands to `engine` on a few threads of its own, so that the event loop is never blocked.

    A cancelled call that has not begun does nothing. One that has begun is waited for, as it cannot be
    interrupted; what it took from a resumable query is put back, so that a time-out loses no result.
    Closing it closes the engine.
    """

    def __init__(self, engine: Engine, *, threads: int | None = None) -> None:
        self.engine = engine
        self._reads = ThreadPoolExecutor(threads, thread_name_prefix="clew-read")
        self._writes = ThreadPoolExecutor(1, thread_name_prefix="clew-write")

    async def call(self, command: Command[T]) -> T:
        """Carry `command` out without blocking the event loop."""
        raise RuntimeError

    async def close(self) -> None:
        """Close the engine once the calls under way are done. A second close does nothing."""
