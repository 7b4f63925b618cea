"""Commands carried to a server over HTTP."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

import httpx
import msgspec
import numpy as np

from clew.commands import Command, FetchNext, Query, QueryArrays, QueryMany, UpsertArrays
from clew.config import Settings
from clew.errors import ClientError, ServerError, TransportError
from clew.messages import CLOSED
from clew.wire import ITEMS_MAX, OPERATIONS, Request, raised, request

T = TypeVar("T")

CONNECT_SECONDS_MAX = 10.0
# Connections that idle are closed by us first: were it the server, a write could meet the closing and
# nobody would know whether it was carried out. Servers wait a minute or more.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30.0)

# Numbers of vectors in one request: about 20 MB of JSON. And rows, as every request answers for its own.
NUMBERS_PER_REQUEST = 1_000_000
ROWS_PER_REQUEST = ITEMS_MAX
BYTES_PER_NUMBER = 20

# What happened before anything was sent: whatever the command, to send it again is safe.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

# A request to be sent, or seconds to be waited; the response comes back.
_Exchange = Generator[Request | float, "httpx.Response | httpx.RequestError | None", T]


class RemoteBackend:
    """Carries commands to the server at `settings.url`. Any number of threads share its connections.

    A request that failed on the way is sent again, `settings.retries` times, where that is safe: always
    when there was no connection, else for reads and for a numbered batch of a resumable query, which is the
    same batch each time. Never what may have been carried out and would be carried out again: that raises
    `TransportError`, whose `retry_is_safe` is then False.
    """

    def __init__(self, settings: Settings, *, transport: httpx.BaseTransport | None = None) -> None:
        self._settings = settings
        self._http = httpx.Client(**_options(settings), transport=transport)

    def call(self, command: Command[T]) -> T:
        """Carry `command` out and return its answer, or raise a `ClewError`."""
        answer: T = _joined(command, [self._exchange(part) for part in _parts(command)])
        return answer

    def close(self) -> None:
        """Close the connections. A second close does nothing."""
        self._http.close()

    def _exchange(self, command: Command[Any]) -> Any:
        steps = _exchange(command, self._settings)
        reply: httpx.Response | httpx.RequestError | None = None
        try:
            while True:
                asked = steps.send(reply)
                if isinstance(asked, float):
                    time.sleep(asked)
                    reply = None
                    continue
                if self._http.is_closed:
                    raise ClientError(CLOSED)
                try:
                    reply = self._http.post(asked.path, content=asked.body)
                except httpx.RequestError as error:
                    reply = error
        except StopIteration as done:
            return done.value


class AsyncRemoteBackend:
    """The same for code that awaits. To be used in one event loop, as its connections are."""

    def __init__(self, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(**_options(settings), transport=transport)

    async def call(self, command: Command[T]) -> T:
        """Carry `command` out without blocking the event loop."""
        answer: T = _joined(command, [await self._exchange(part) for part in _parts(command)])
        return answer

    async def close(self) -> None:
        """Close the connections. A second close does nothing."""
        await self._http.aclose()

    async def _exchange(self, command: Command[Any]) -> Any:
        steps = _exchange(command, self._settings)
        reply: httpx.Response | httpx.RequestError | None = None
        try:
            while True:
                asked = steps.send(reply)
                if isinstance(asked, float):
                    await asyncio.sleep(asked)
                    reply = None
                    continue
                if self._http.is_closed:
                    raise ClientError(CLOSED)
                try:
                    reply = await self._http.post(asked.path, content=asked.body)
                except httpx.RequestError as error:
                    reply = error
        except StopIteration as done:
            return done.value


def _options(settings: Settings) -> dict[str, Any]:
    headers, seconds = {"Content-Type": "application/json"}, settings.timeout_s
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token}"
    return {
        "base_url": settings.url or "",
        "headers": headers,
        "timeout": httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS_MAX), pool=None),
        "limits": LIMITS,
        "verify": _ssl_context(),
    }


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """One for all indexes: reading the certificates takes some 40 ms."""
    return httpx.create_ssl_context()


def _exchange(command: Command[Any], settings: Settings) -> _Exchange[Any]:
    """One command to its answer: a generator that yields requests, and seconds to wait between two tries."""
    asked = request(command)
    operation = OPERATIONS[asked.endpoint]
    tries = 0
    while True:
        reply = yield asked
        if isinstance(reply, httpx.Response):
            break
        assert reply is not None
        numbered = isinstance(command, FetchNext) and command.batch is not None
        safe = operation.repeatable or numbered or isinstance(reply, _NOT_SENT)
        if not safe or tries >= settings.retries:
            what = f"{type(reply).__name__}: {reply}".rstrip(": ")
            raise TransportError(f"{settings.url}: {what}", retry_is_safe=safe) from reply
        tries += 1
        yield float(settings.retry_interval_s)
    if reply.status_code != httpx.codes.OK:
        raise raised(reply.status_code, reply.content)
    try:
        said = operation.reader.decode(reply.content).result
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ServerError(f"not the answer of {asked.endpoint}: {error}", reply.status_code) from error
    return operation.answer(said, command)


def _parts(command: Command[Any]) -> Iterable[Command[Any]]:
    """The command, or what it is carried as: many rows are too much for one request."""
    if isinstance(command, QueryMany):
        return [QueryMany(queries, command.namespace) for queries in _stretches(command.queries)]
    if not isinstance(command, UpsertArrays | QueryArrays):
        return (command,)
    n, dimension = command.vectors.shape
    rows = max(1, min(ROWS_PER_REQUEST, NUMBERS_PER_REQUEST // max(1, dimension)))
    if n <= rows:
        return (command,)
    cuts = [slice(first, first + rows) for first in range(0, n, rows)]
    if isinstance(command, QueryArrays):
        k, filter, namespace = command.top_k, command.filter, command.namespace
        return [QueryArrays(command.vectors[cut], k, filter, namespace) for cut in cuts]
    ids, vectors, metadata, data = command.ids, command.vectors, command.metadata, command.data
    return (
        UpsertArrays(
            ids[cut], vectors[cut], metadata and metadata[cut], data and data[cut], command.namespace
        )
        for cut in cuts
    )


def _stretches(queries: tuple[Query, ...]) -> list[tuple[Query, ...]]:
    """The queries, in order, as many together as go into one request."""
    cuts, numbers = [0], 0
    for at, query in enumerate(queries):
        own = _numbers(query)
        if at - cuts[-1] >= ROWS_PER_REQUEST or (at > cuts[-1] and numbers + own > NUMBERS_PER_REQUEST):
            cuts.append(at)
            numbers = 0
        numbers += own
    return [queries[first:last] for first, last in zip(cuts, [*cuts[1:], len(queries)], strict=True)]


def _numbers(query: Query) -> int:
    """As many numbers take about as much JSON."""
    dense, sparse = query.vector, query.sparse_vector
    text = len(query.data or "") + len(query.filter)
    counts = (0 if dense is None else len(dense), 0 if sparse is None else 2 * len(sparse.values))
    return sum(counts) + text // BYTES_PER_NUMBER


def _joined(command: Command[Any], answers: list[Any]) -> Any:
    if isinstance(command, QueryMany):
        return [row for answer in answers for row in answer]
    if len(answers) == 1 or not isinstance(command, QueryArrays):
        return answers[-1]
    ids = [row for answer in answers for row in answer[0]]
    scores: list[np.ndarray[Any, Any]] = [row for answer in answers for row in answer[1]]
    return ids, scores
