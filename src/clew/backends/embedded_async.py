"""The same for code that awaits: apart, as importing asyncio takes a good part of opening an index."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clew.commands import (
    Command,
    Delete,
    DeleteNamespace,
    EndQuery,
    RenameNamespace,
    Reset,
    Update,
    Upsert,
    UpsertArrays,
)
from clew.engine.engine import Engine
from clew.errors import ClientError
from clew.messages import CLOSED

T = TypeVar("T")

# The engine carries out one write at a time anyway. With a thread of their own, writes that queue up
# cannot occupy the threads that reads need.
WRITES = (Upsert, UpsertArrays, Update, Delete, Reset, DeleteNamespace, RenameNamespace)


class AsyncEmbeddedBackend:
    """Carries commands to `engine` on a few threads of its own, so that the event loop is never blocked.

    A call that is cancelled before it began does nothing. One that began is waited for, as it cannot be
    interrupted, and then undone as far as open queries go: no time-out loses a result or leaves a query
    open. So the end of a query is carried out and waited for in any case: whoever gave it up holds a query
    that counts as stopped, and could not end it again. Closing it closes the engine.
    """

    def __init__(self, engine: Engine, *, threads: int | None = None) -> None:
        self.engine = engine
        self._reads = ThreadPoolExecutor(threads, thread_name_prefix="clew-read")
        self._writes = ThreadPoolExecutor(1, thread_name_prefix="clew-write")
        self._closed = False

    async def call(self, command: Command[T]) -> T:
        """Carry `command` out without blocking the event loop."""
        if self._closed:
            raise ClientError(CLOSED)
        pool = self._writes if isinstance(command, WRITES) else self._reads
        work = pool.submit(self.engine.execute, command)
        answer = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if isinstance(command, EndQuery) or not work.cancel():
                while not answer.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([answer])
                if answer.exception() is None:
                    self.engine.undo(command, answer.result())
            raise

    async def close(self) -> None:
        """Close the engine once the calls under way are done. A second close does nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._reads.shutdown()
        self._writes.shutdown()
        self.engine.close()
