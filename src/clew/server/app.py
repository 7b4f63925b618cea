"""The ASGI application: requests to commands, answers and errors to responses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clew.errors import ClewError, ClientError, Forbidden, Unauthorized
from clew.server.auth import Access
from clew.server.hosted import Hosted
from clew.server.lines import EXCHANGE, Exchange
from clew.server.metrics import Metrics
from clew.wire import OPERATIONS, Operation, document, failure, status_of, type_of

BODY_BYTES_MAX = 256 * 1024 * 1024
# From the head of a request to the end of its body: slow lines get through, dead ones are let go.
BODY_SECONDS_MAX = 120.0

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})

_access = logging.getLogger("clew.access")
_log = logging.getLogger("clew.server")


class _NotFound(ClientError):
    status = 404


class _MethodNotAllowed(ClientError):
    status = 405


class _TooSlow(ClientError):
    status = 408


class _TooLarge(ClientError):
    status = 413


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Every error has a response."""
        began = time.perf_counter()
        target = self._target(scope["raw_path"])
        status, undo = 200, None
        try:
            operation, hosted, access = _permitted(scope, target)
            body = await self._body(scope, receive)
            query_string = scope["query_string"].decode("latin-1")
            namespace = _namespace(target.namespace) if target.namespace else ""
            result, undo = await hosted.answer(operation, access, body, namespace, query_string)
        except ClientDisconnect:
            return
        except ClewError as error:
            status = status_of(error)
            result = failure(str(error), status, type_of(error))
            if status >= 500:
                _log.error("%s failed", target.endpoint, exc_info=error)
        except Exception as error:
            status = 500
            result = failure("The server failed; its log says how", status, "ServerError")
            _log.error("%s failed", target.endpoint, exc_info=error)
        if undo is not None and await Request(scope, receive).is_disconnected():
            undo()
        else:
            await _send(scope, send, status, result)
        self._note(scope, target, status, len(result), time.perf_counter() - began)

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
            raise _TooSlow(f"the body did not arrive within {self._limits.body_seconds:g} seconds") from None

    def _note(self, scope: Scope, target: _Target, status: int, size: int, seconds: float) -> None:
        name = target.hosted.name if target.hosted else ""
        # What a client made up must not become a label.
        endpoint = target.endpoint if target.endpoint in OPERATIONS else "unknown"
        self._metrics.count(name, endpoint, status, seconds)
        if self._log_access:
            line = {
                "time": round(time.time(), 3),
                "client": (scope.get("client") or ("",))[0],
                "method": scope["method"],
                "index": name,
                "endpoint": endpoint,
                "status": status,
                "bytes": size,
                "ms": round(seconds * 1000, 3),
            }
            _access.info(msgspec.json.encode(line).decode())


def make_app(
    indexes: Mapping[str, Hosted], limits: Limits | None = None, *, log_access: bool = False
) -> ASGIApp:
    """The application that serves `indexes` by name; that of the name "" needs no name in its URL."""
    metrics = Metrics()

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ready", "indexes": len(indexes)})

    async def page(request: Request) -> PlainTextResponse:
        text = metrics.text([await hosted.state() for hosted in list(indexes.values())])
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def openapi(request: Request) -> JSONResponse:
        servers = [{"url": f"/{name}".rstrip("/") or "/"} for name in indexes]
        return JSONResponse({**document(version("clew")), "servers": servers})

    api = Api(indexes, limits or Limits(), metrics, log_access=log_access)
    pages = {"/health": health, "/ready": ready, "/metrics": page, "/openapi.json": openapi}
    routed = Starlette(routes=[Route(path, answer) for path, answer in pages.items()])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Beside the routes: those cost more than all else, and know no namespace with a line break in it.
        await (routed if scope["path"] in pages else api)(scope, receive, send)

    return app


def _permitted(scope: Scope, target: _Target) -> tuple[Operation, Hosted, Access]:
    """The operation, its index and what its token permits.

    Checked in this order: is there such an index, who asks, for what, and how.
    """
    hosted, endpoint = target.hosted, target.endpoint
    if hosted is None:
        raise _NotFound(f"Not found: there is no index at /{endpoint}")
    access = hosted.tokens.access(_authorization(scope["headers"]))
    if access is Access.NONE:
        raise Unauthorized("Unauthorized: Invalid auth token")
    operation = OPERATIONS.get(endpoint)
    if operation is None:
        raise _NotFound(f"Not found: there is no endpoint /{endpoint}")
    if operation.writes and access is not Access.FULL:
        raise Forbidden(f"Forbidden: /{endpoint} is not allowed")
    if scope["method"] not in METHODS:
        raise _MethodNotAllowed(f"Method {scope['method']} is not allowed")
    return operation, hosted, access


def _authorization(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            return value.decode("latin-1")
    return None


def _namespace(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode()
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
    return _TooLarge(f"the body is larger than {most} bytes")


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
