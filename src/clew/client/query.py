"""`ResumableQuery`: a query that goes on from where it stopped."""

from __future__ import annotations

import enum
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple

from clew.client.steps import AsyncCall, Call, Steps, adrive, drive
from clew.client.values import to_count
from clew.commands import TOP_K_DEFAULT, Command, EndQuery, FetchNext, StartQuery
from clew.errors import ClientError, QueryNotActive
from clew.types import QueryResult

T = TypeVar("T")
A = TypeVarTuple("A")

# Iteration asks for at least this many at a time: a call per result would cost more than the results.
ITERATION_BATCH_MIN = 64


class State(enum.Enum):
    """What a query is in; the value is what an error says of it."""

    NEW = "resumable query is not started: call start() first"
    ACTIVE = "resumable query is already started"
    STOPPED = "resumable query is stopped: make a new one to start over"


_ACTIVE = State.ACTIVE  # the look-up of a member takes as long as a call


class ResumableQuery:
    """The user's side of a resumable query: NEW, ACTIVE once started, then STOPPED.

    Made by `Index.resumable_query` and driven by `start`, `fetch_next` and `stop`; or made by
    `AsyncIndex.resumable_query` and driven by `async_start`, `async_fetch_next` and `async_stop`.
    Every result is returned once, by whichever call comes first: a batch or the iteration. Used as a
    context manager it is stopped on the way out. Calls from several threads or tasks take turns.

    A call in the wrong state raises `QueryNotActive`, a `ClientError`.
    """

    # Thousands may be open at once.
    __slots__ = ("__weakref__", "_acall", "_arrived", "_aturn", "_call", "_command", "_lost", "_state",
                 "_turn", "_unread", "_uuid", "_why_stopped")  # fmt: skip

    def __init__(
        self, command: StartQuery, *, call: Call | None = None, acall: AsyncCall | None = None
    ) -> None:
        self._command = command
        self._call = call
        self._acall = acall
        self._state = State.NEW
        self._why_stopped = State.STOPPED.value
        self._uuid = ""
        self._unread: list[QueryResult] = []  # came and was not returned: the next is the last
        self._arrived = 0  # the number of the last batch that came
        self._lost: FetchNext | None = None  # the batch that was asked for and did not come
        self._turn = threading.Lock()
        if acall is not None:
            # Only for those who await: importing asyncio takes longer than the rest of clew.
            import asyncio

            self._aturn = asyncio.Lock()

    def start(self) -> list[QueryResult]:
        """Take the snapshot and return the first `top_k` results. Raises TooManyQueries."""
        return self._drive(self._start)

    def fetch_next(self, additional_k: int = TOP_K_DEFAULT) -> list[QueryResult]:
        """At most `additional_k` (1 to 1,000) further results; fewer only at the end, and [] ever after."""
        call = self._call or self._sync_call()
        with self._turn:
            usual = self._state is _ACTIVE and self._uuid and not self._unread and self._lost is None
            if not usual or type(additional_k) is not int or additional_k < 1:
                return drive(self._fetch_next(additional_k), call)
            # As `_batch`, without steps: they take as long as finding ten results.
            command = self._lost = FetchNext(self._uuid, additional_k, self._arrived + 1)
            try:
                batch = call(command)
            except ClientError as error:
                self._refused(error)
                raise
            self._lost = None
            self._arrived += 1
            return batch

    def stop(self) -> str:
        """Give the query's resources back. "Success"."""
        return self._drive(self._stop)

    async def async_start(self) -> list[QueryResult]:
        """As `start`."""
        return await self._adrive(self._start)

    async def async_fetch_next(self, additional_k: int = TOP_K_DEFAULT) -> list[QueryResult]:
        """As `fetch_next`."""
        return await self._adrive(self._fetch_next, additional_k)

    async def async_stop(self) -> str:
        """As `stop`."""
        return await self._adrive(self._stop)

    def __iter__(self) -> Iterator[QueryResult]:
        """Every result not yet returned, one by one. Starts the query where it is new."""
        while (hit := self._drive(self._next_hit)) is not None:
            yield hit

    async def __aiter__(self) -> AsyncIterator[QueryResult]:
        """As `__iter__`, for `async for`."""
        while (hit := await self._adrive(self._next_hit)) is not None:
            yield hit

    def __enter__(self) -> Self:
        """The query itself, not started."""
        self._sync_call()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the query if it is active."""
        self._drive(self._leave)

    async def __aenter__(self) -> Self:
        """The query itself, not started."""
        self._async_call()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the query if it is active."""
        await self._adrive(self._leave)

    def __repr__(self) -> str:
        return f"<ResumableQuery {self._state.name} {self._uuid}>".replace(" >", ">")

    def __del__(self) -> None:
        # Only a warning: this may run on any thread at any moment, also inside the engine, so it must
        # not call it. What the query holds goes back after its idle limit.
        if getattr(self, "_state", None) is State.ACTIVE and self._uuid:
            warnings.warn(f"{self!r} was never stopped", ResourceWarning, source=self, stacklevel=2)

    def _start(self) -> Steps[list[QueryResult]]:
        self._require(State.NEW)
        self._uuid, batch = yield from self._ask(self._command)
        self._state = State.ACTIVE
        return batch

    def _fetch_next(self, additional_k: int) -> Steps[list[QueryResult]]:
        """What is left of earlier batches, and of further ones what is missing."""
        wanted = to_count(additional_k, "additional_k")
        self._require(State.ACTIVE)
        if not self._uuid:
            return []
        batch = self._unread[-wanted:][::-1]
        del self._unread[-wanted:]
        while missing := wanted - len(batch):
            repeated = self._lost is not None
            try:
                hits = yield from self._batch(missing)
            except BaseException:
                self._unread.extend(reversed(batch))
                raise
            batch += hits[:missing]
            self._unread.extend(reversed(hits[missing:]))
            if not repeated:
                break
        return batch

    def _batch(self, wanted: int) -> Steps[list[QueryResult]]:
        """The next batch; that which did not arrive before, if there is one, as it was asked for then."""
        command = self._lost = self._lost or FetchNext(self._uuid, wanted, self._arrived + 1)
        try:
            hits: list[QueryResult] = yield command
        except ClientError as error:
            self._refused(error)
            raise
        self._lost = None
        self._arrived += 1
        return hits

    def _refused(self, error: ClientError) -> None:
        """The batch was refused, so nothing was taken."""
        self._lost = None
        self._noticed(error)

    def _stop(self) -> Steps[str]:
        self._require(State.ACTIVE)
        # Before the answer: a second stop is an error even where this one fails.
        self._stopped(State.STOPPED.value)
        if not self._uuid:
            return "Success"
        return (yield from self._ask(EndQuery(self._uuid)))

    def _next_hit(self) -> Steps[QueryResult | None]:
        if self._state is State.NEW:
            self._unread.extend(reversed((yield from self._start())))
        self._require(State.ACTIVE)
        if not self._unread and self._uuid:
            wanted = max(self._command.query.top_k, ITERATION_BATCH_MIN)
            self._unread.extend(reversed((yield from self._batch(wanted))))
        return self._unread.pop() if self._unread else None

    def _leave(self) -> Steps[None]:
        if self._state is State.ACTIVE:
            try:
                yield from self._stop()
            except QueryNotActive:
                return  # it expired, or its namespace was reset: there is nothing left to stop

    def _ask(self, command: Command[T]) -> Steps[T]:
        """The answer to `command`."""
        try:
            answer: T = yield command
        except ClientError as error:
            self._noticed(error)
            raise
        return answer

    def _noticed(self, error: ClientError) -> None:
        """Where the engine no longer knows the query, it is stopped here too."""
        if isinstance(error, QueryNotActive):
            self._stopped(str(error))

    def _stopped(self, why: str) -> None:
        self._state = State.STOPPED
        self._why_stopped = why
        self._unread.clear()

    def _require(self, wanted: State) -> None:
        state = self._state
        if state is not wanted:
            raise QueryNotActive(self._why_stopped if state is State.STOPPED else state.value)

    def _drive(self, steps: Callable[[*A], Steps[T]], *args: *A) -> T:
        call = self._call or self._sync_call()
        with self._turn:
            return drive(steps(*args), call)

    async def _adrive(self, steps: Callable[[*A], Steps[T]], *args: *A) -> T:
        call = self._acall or self._async_call()
        async with self._aturn:
            return await adrive(steps(*args), call)

    def _sync_call(self) -> Call:
        if self._call is None:
            raise ClientError(
                "resumable query is of an AsyncIndex: await async_start(), async_fetch_next(), async_stop()"
            )
        return self._call

    def _async_call(self) -> AsyncCall:
        if self._acall is None:
            raise ClientError("resumable query is of an Index: use start(), fetch_next() and stop()")
        return self._acall
