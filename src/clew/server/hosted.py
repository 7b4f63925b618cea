"""Indexes that are served, and the threads that work for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from clew.commands import AnyCommand, EndQuery, FetchNext, Info, Query, StartQuery
from clew.engine.engine import Engine
from clew.errors import ClewError
from clew.server.auth import Tokens
from clew.types import InfoResult
from clew.wire import Operation

T = TypeVar("T")

# A resumable query over a namespace that does not exist has the uuid "". Some clients know what that means,
# others go on to ask: there is nothing more, and nothing to stop.
_EMPTY: dict[type[AnyCommand], Any] = {FetchNext: [], EndQuery: "Success"}

# What is quicker than the way to another thread and back (some 50 us) is done at once: a query that walks
# the graph for few results. It holds up nobody. All else may take long.
INLINE_TOP_K_MAX = 100
INLINE_BODY_MAX = 64 * 1024
READ_THREADS_MIN = 4

_encode = msgspec.json.Encoder().encode


class Pool:
    """Threads for reads, shared by the indexes of a server."""

    def __init__(self) -> None:
        threads = max(READ_THREADS_MIN, os.cpu_count() or 1)
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="clew-read")

    def close(self) -> None:
        """Wait for what is under way."""
        self.executor.shutdown()


class Hosted:
    """One index that is served: its engine, its tokens, and a thread for its writes.

    The engine carries out one write at a time anyway; with a thread of their own, writes that queue up do
    not occupy the threads that reads need.
    """

    def __init__(self, name: str, engine: Engine, tokens: Tokens, pool: Pool) -> None:
        self.name = name
        self.engine = engine
        self.tokens = tokens
        self._reads = pool.executor
        self._writes = ThreadPoolExecutor(1, thread_name_prefix=f"clew-write-{name}")

    async def answer(
        self, operation: Operation, body: bytes, namespace: str, query_string: str
    ) -> tuple[bytes, Callable[[], None] | None]:
        """The result of an operation as JSON, and what to do where the client does not get it."""

        def work() -> tuple[AnyCommand, Any, bytes]:
            return self._carry(operation, operation.command(body, namespace, query_string))

        if operation.name == "query" and len(body) <= INLINE_BODY_MAX:
            command = operation.command(body, namespace, query_string)
            if isinstance(command, Query) and not command.filter and command.top_k <= INLINE_TOP_K_MAX:
                return self._carry(operation, command)[2], None
            done = await self._on(self._reads, lambda: self._carry(operation, command))
        else:
            done = await self._on(self._writes if operation.writes else self._reads, work)
        command, answer, result = done
        if isinstance(command, StartQuery | FetchNext):
            return result, lambda: self._undo(command, answer)
        return result, None

    async def info(self) -> InfoResult:
        """Counts and size."""
        return await self._on(self._reads, lambda: self.engine.execute(Info()))

    def close(self) -> None:
        """Wait for the writes under way, and close the engine."""
        self._writes.shutdown()
        self.engine.close()

    def _carry(self, operation: Operation, command: AnyCommand) -> tuple[AnyCommand, Any, bytes]:
        answer = _EMPTY.get(type(command)) if _is_of_nothing(command) else self.engine.execute(command)
        return command, answer, _encode({"result": operation.result(answer)})

    def _undo(self, command: AnyCommand, answer: Any) -> None:
        with contextlib.suppress(ClewError):  # it was stopped meanwhile
            self.engine.undo(command, answer)

    async def _on(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)


def _is_of_nothing(command: AnyCommand) -> bool:
    return isinstance(command, FetchNext | EndQuery) and not command.uuid
