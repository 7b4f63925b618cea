"""Indexes that are served, and the threads that work for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import msgspec

from clew.commands import AnyCommand, EndQuery, FetchNext, Info, Query, StartQuery, Upsert
from clew.engine.engine import Engine
from clew.errors import ClewError, ClientError
from clew.server.auth import Access, Tokens
from clew.server.metrics import State
from clew.server.owners import Owners
from clew.server.pace import INLINE_TOP_K_MAX, Quick, Slow, kind_of
from clew.server.reading import command_of
from clew.wire import Operation

T = TypeVar("T")

# A resumable query over a namespace that does not exist has the uuid "". Some clients know what that means,
# others go on to ask: there is nothing more, and nothing to stop.
_EMPTY: dict[type[AnyCommand], Any] = {FetchNext: [], EndQuery: "Success"}

# What is about as quick as the way to another thread and back (some 50 us) is done at once: a query that
# walks the graph for few results, further batches like the last. It holds up nobody; where it does, `pace`
# finds out. All else may take long.
MAYBE_QUICK = frozenset({"query", "resumable-query-next"})
INLINE_BODY_MAX = 64 * 1024
# Of one request, which is all or none: more would hold up other writes for many seconds.
RECORDS_MAX = 100_000
# Enough that some reads which take long leave threads for the others. What is short and ready takes turns.
READ_THREADS = 32

_encode = msgspec.json.Encoder().encode


class _Done(NamedTuple):
    command: AnyCommand
    answer: Any
    result: bytes
    seconds: float


class Pool:
    """Threads for reads and for the embedding of texts, shared by the indexes of a server."""

    def __init__(self) -> None:
        self.reads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="clew-read")
        # Models take all of a processor, for as long as there are texts.
        self.texts = ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="clew-text")

    def close(self) -> None:
        """Wait for what is under way."""
        self.reads.shutdown()
        self.texts.shutdown()


class Hosted:
    """One index that is served: its engine, its tokens, and a thread for its writes.

    The engine carries out one write at a time anyway; with a thread of their own, writes that queue up do
    not occupy the threads that reads need.
    """

    def __init__(
        self, name: str, engine: Engine, tokens: Tokens, pool: Pool, *, records_max: int = RECORDS_MAX
    ) -> None:
        self.name = name
        self.engine = engine
        self.tokens = tokens
        self.records_max = records_max
        self._reads, self._texts = pool.reads, pool.texts
        self._writes = ThreadPoolExecutor(1, thread_name_prefix=f"clew-write-{name}")
        self._quick, self._slow = Quick(), Slow()
        self._owners = Owners()

    def at_once(self, access: Access, command: AnyCommand) -> bytes | None:
        """The result of a command as JSON, if its operation is `MAYBE_QUICK` and it is quick indeed."""
        if isinstance(command, Query):
            return self.query_at_once(command, kind_of(command))
        if not isinstance(command, FetchNext) or not self._quick.take(command.uuid):
            return None
        if command.additional_k > INLINE_TOP_K_MAX:
            return None
        began = time.perf_counter()
        answer = self._executed(access, command)
        self._quick.note(command.uuid, time.perf_counter() - began)
        return _encode({"result": answer})

    def query_at_once(self, query: Query, kind: Hashable) -> bytes | None:
        """The same for a query. kind: that of `kind_of`."""
        slow = self._slow
        if kind is None or (slow.pauses and slow.pausing(kind)):
            return None
        began = time.perf_counter()
        answer = self.engine.execute(query)
        seconds = time.perf_counter() - began
        if slow.pauses or seconds > slow.seconds_max:
            slow.note(kind, seconds)
        return _encode({"result": answer})

    async def answer(
        self, operation: Operation, access: Access, body: bytes, namespace: str, query_string: str
    ) -> tuple[bytes, Callable[[], None] | None]:
        """The result of an operation as JSON, and what to do where the client does not get it."""

        def command() -> AnyCommand:
            return command_of(operation, body, namespace, query_string)

        if operation.name in MAYBE_QUICK and len(body) <= INLINE_BODY_MAX:
            asked = command()
            result = self.at_once(access, asked)
            return await self.carried(operation, access, asked) if result is None else (result, None)
        if operation.name == "upsert-data":  # what models take long for, writes need not wait for
            texts = await self._on(self._texts, lambda: self._embedded(command()))
            done = await self._written(lambda: self._carry(operation, access, texts))
        elif operation.writes:
            done = await self._written(lambda: self._carry(operation, access, command()))
        else:
            done = await self._on(self._reads, lambda: self._carry(operation, access, command()))
        return done.result, self._undoing(done)

    async def carried(
        self, operation: Operation, access: Access, command: AnyCommand
    ) -> tuple[bytes, Callable[[], None] | None]:
        """The same for a command that `at_once` gave back."""
        done = await self._on(self._reads, lambda: self._carry(operation, access, command))
        if isinstance(command, FetchNext):
            self._quick.note(command.uuid, done.seconds)
        return done.result, self._undoing(done)

    def _undoing(self, done: _Done) -> Callable[[], None] | None:
        command = done.command
        # A batch with a number is asked for again under it.
        if isinstance(command, StartQuery) or (isinstance(command, FetchNext) and command.batch is None):
            return lambda: self._undo(command, done.answer)
        return None

    async def state(self) -> State:
        """What it holds at the moment."""
        info = await self._on(self._reads, lambda: self.engine.execute(Info()))
        return State(self.name, info.vector_count, info.index_size, *self.engine.open_queries())

    def close(self) -> None:
        """Wait for the writes under way, and close the engine."""
        self._writes.shutdown()
        self.engine.close()

    def _embedded(self, command: AnyCommand) -> AnyCommand:
        self._require_few(command)
        return self.engine.embedded(command)

    def _require_few(self, command: AnyCommand) -> None:
        if isinstance(command, Upsert) and len(command.records) > self.records_max:
            raise ClientError(
                f"{len(command.records)} records in one request; expected at most {self.records_max}"
            )

    def _carry(self, operation: Operation, access: Access, command: AnyCommand) -> _Done:
        began = time.perf_counter()
        self._require_few(command)
        answer = self._executed(access, command)
        result = _encode({"result": operation.result(answer)})
        return _Done(command, answer, result, time.perf_counter() - began)

    def _executed(self, access: Access, command: AnyCommand) -> Any:
        """The answer of the engine, if the command is one for this token."""
        if isinstance(command, Query):  # nearly all, and anybody's
            return self.engine.execute(command)
        if isinstance(command, FetchNext | EndQuery):
            self._owners.require(command.uuid, access)
            if not command.uuid:
                return _EMPTY[type(command)]
        answer = self.engine.execute(command)
        if isinstance(command, StartQuery):
            self._owners.note(answer[0], access)
        return answer

    def _undo(self, command: AnyCommand, answer: Any) -> None:
        with contextlib.suppress(ClewError):  # it was stopped meanwhile
            self.engine.undo(command, answer)

    async def _written(self, work: Callable[[], T]) -> T:
        """What a write answers. One that is cancelled was not carried out: what has begun is waited for, as
        it is before the engine is closed.
        """
        write = self._writes.submit(work)
        while True:
            try:
                return await asyncio.shield(asyncio.wrap_future(write))
            except asyncio.CancelledError:
                if write.cancel():
                    raise

    async def _on(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
