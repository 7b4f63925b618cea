"""Requests to commands, answers and errors to responses: the endpoints of every index."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec.structs import replace
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from clew.commands import AnyCommand, Floats
from clew.errors import ClewError, ClientError, Forbidden, Unauthorized
from clew.server.auth import Access
from clew.server.exchange import EXCHANGE, Answer, Exchange
from clew.server.hosted import INLINE_BODY_MAX, MAYBE_QUICK, Hosted
from clew.server.metrics import Metrics
from clew.server.reading import QUERY, query_of
from clew.server.refusals import STOPPING, MethodNotAllowed, NotFound, TooLarge, TooSlow, failed
from clew.server.route import Route
from clew.wire import OPERATIONS, Operation

BODY_BYTES_MAX = 256 * 1024 * 1024
# From the head of a request to the end of its body: slow lines get through, dead ones are let go.
BODY_SECONDS_MAX = 120.0

_Client = tuple[str, int] | None  # its address

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})

_access = logging.getLogger("clew.access")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may be."""

    body_bytes: int = BODY_BYTES_MAX
    body_seconds: float = BODY_SECONDS_MAX


class _Target(NamedTuple):
    hosted: Hosted | None
    endpoint: str
    namespace: bytes


class Api:
    """The endpoints of every index: `/name/endpoint/namespace`, or `/endpoint/namespace` of the index "".

    `indexes` may change while it is served.
    """

    def __init__(
        self, indexes: Mapping[str, Hosted], limits: Limits, metrics: Metrics, *, log_access: bool = False
    ) -> None:
        self._indexes = indexes
        self._limits = limits
        self._metrics = metrics
        self._log_access = log_access
        # Of a body that may be answered at once.
        self.short_bytes_max = min(INLINE_BODY_MAX, limits.body_bytes)

    def route(self, path: bytes, authorization: bytes | None) -> Route | None:
        """Where a POST to `path` goes that may be answered at once; None for others, and for one refused."""
        target = self._target(path)
        if target.endpoint not in MAYBE_QUICK:
            return None
        try:
            operation, hosted, access = _permitted("POST", target, authorization)
            namespace = _namespace(target.namespace)
        except ClewError:
            return None
        return Route(operation, hosted, access, namespace, self._metrics.counter(hosted.name, operation.name))

    def at_once(
        self, route: Route, vector: Floats | None, rest: bytes, client: _Client
    ) -> Answer | AnyCommand | None:
        """The answer to a request that came as a whole, if it takes no longer than the way to a thread.
        Otherwise what it asks, where that was read; None where all of it is to be looked at again.

        vector, rest: its body as the core read it.
        """
        operation, hosted, access, namespace, counter = route
        if self._indexes.get(hosted.name) is not hosted:
            return None
        began = time.perf_counter()
        status = 200
        command: AnyCommand
        try:
            if vector is None:
                command = operation.command(rest, namespace, "")
                result = hosted.at_once(access, command)
            elif operation is not QUERY or (asked := query_of(rest, namespace)) is None:
                return None
            else:
                command = query = replace(asked.query, vector=vector)
                result = hosted.query_at_once(query, asked.kind)
            if result is None:
                return command
        except Exception as error:
            status, result = failed(operation.name, error)
        seconds = time.perf_counter() - began
        counter.count(status, seconds)
        if self._log_access:
            _log_line("POST", client, hosted.name, operation.name, status, len(result), seconds)
        return status, result

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Every error has a response."""
        began = time.perf_counter()
        target, method = self._target(scope["raw_path"]), scope["method"]
        status, undo = 200, None
        exchange = _exchange(scope)
        try:
            operation, hosted, access = _permitted(method, target, _authorization(scope["headers"]))
            if exchange is not None and exchange.command is not None:
                result, undo = await hosted.carried(operation, access, exchange.command)
            else:
                body = await self._body(scope, receive)
                query_string = scope["query_string"].decode("latin-1")
                namespace = _namespace(target.namespace)
                result, undo = await hosted.answer(operation, access, body, namespace, query_string)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # by uvicorn, whose answer to that would be its own
            status, result = STOPPING
        except Exception as error:
            status, result = failed(target.endpoint, error)
        if undo is not None and exchange is not None and await exchange.gone():
            undo()
        await _send(scope, send, status, result)
        self._note(method, scope.get("client"), target, status, len(result), time.perf_counter() - began)

    def _target(self, raw_path: bytes) -> _Target:
        first, _, rest = raw_path.removeprefix(b"/").partition(b"/")
        name = (unquote_to_bytes(first) if b"%" in first else first).decode("utf-8", "replace")
        if name and name in self._indexes:
            endpoint, _, namespace = rest.partition(b"/")
            return _Target(self._indexes[name], endpoint.decode("latin-1"), namespace)
        return _Target(self._indexes.get(""), name, rest)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        most = self._limits.body_bytes
        exchange = _exchange(scope)
        if exchange is not None and (body := exchange.body) is not None:
            if len(body) > most:
                raise _too_large(most)
            return body
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > most:
                raise _too_large(most)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await _received(receive, most)
        except TimeoutError:
            raise TooSlow(f"the body did not arrive within {self._limits.body_seconds:g} seconds") from None

    def _note(
        self, method: str, client: _Client, target: _Target, status: int, size: int, seconds: float
    ) -> None:
        name = target.hosted.name if target.hosted else ""
        # What a client made up must not become a label.
        endpoint = target.endpoint if target.endpoint in OPERATIONS else "unknown"
        self._metrics.counter(name, endpoint).count(status, seconds)
        if self._log_access:
            _log_line(method, client, name, endpoint, status, size, seconds)


def _log_line(
    method: str, client: _Client, index: str, endpoint: str, status: int, size: int, seconds: float
) -> None:
    line = {
        "time": round(time.time(), 3),
        "client": client[0] if client else "",
        "method": method,
        "index": index,
        "endpoint": endpoint,
        "status": status,
        "bytes": size,
        "ms": round(seconds * 1000, 3),
    }
    _access.info(msgspec.json.encode(line).decode())


def _permitted(method: str, target: _Target, authorization: bytes | None) -> tuple[Operation, Hosted, Access]:
    """The operation, its index and what its token permits.

    Checked in this order: is there such an index, who asks, for what, and how.
    """
    hosted, endpoint = target.hosted, target.endpoint
    if hosted is None:
        raise NotFound(f"Not found: there is no index at /{endpoint}")
    access = hosted.tokens.access(None if authorization is None else authorization.decode("latin-1"))
    if access is Access.NONE:
        raise Unauthorized("Unauthorized: Invalid auth token")
    operation = OPERATIONS.get(endpoint)
    if operation is None:
        raise NotFound(f"Not found: there is no endpoint /{endpoint}")
    if operation.writes and access is not Access.FULL:
        raise Forbidden(f"Forbidden: /{endpoint} is not allowed")
    if method not in METHODS:
        raise MethodNotAllowed(f"Method {method} is not allowed")
    return operation, hosted, access


def _authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    return next((value for name, value in headers if name == b"authorization"), None)


def _namespace(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode() if raw else ""
    except UnicodeDecodeError:
        raise ClientError("the namespace in the path is not UTF-8") from None


async def _received(receive: Receive, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message: MutableMapping[str, Any] = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(most: int) -> ClientError:
    return TooLarge(f"the body is larger than {most} bytes")


def _exchange(scope: Scope) -> Exchange | None:
    exchange: Exchange | None = scope.get("extensions", {}).get(EXCHANGE)
    return exchange


async def _send(scope: Scope, send: Send, status: int, body: bytes) -> None:
    exchange = _exchange(scope)
    if exchange is not None and status != 405:
        await exchange.answer(status, body)
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 405:
        headers.append((b"allow", ", ".join(sorted(METHODS)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
