"""The ASGI application: the endpoints of the indexes, and the pages beside them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from clew.server.api import Api, Limits
from clew.server.hosted import Hosted
from clew.server.metrics import Metrics
from clew.server.refusals import MethodNotAllowed, failed
from clew.wire import document


class App:
    """The application that serves `indexes` by name; that of the name "" needs no name in its URL.

    route, at_once, short_bytes_max: see `Api`; for connections that can do without ASGI.
    """

    def __init__(
        self, indexes: Mapping[str, Hosted], limits: Limits | None = None, *, log_access: bool = False
    ) -> None:
        self._indexes, self._metrics = indexes, Metrics()
        self._api = Api(indexes, limits or Limits(), self._metrics, log_access=log_access)
        self.route, self.at_once = self._api.route, self._api.at_once
        self.short_bytes_max = self._api.short_bytes_max
        self._pages = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._counts,
            "/openapi.json": self._openapi,
        }
        self._routed = Starlette(
            routes=[Route(path, answer) for path, answer in self._pages.items()],
            exception_handlers={405: self._not_allowed},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # Beside the routes: those cost more than all else, and know no namespace with a line break in it.
        await (self._routed if scope["path"] in self._pages else self._api)(scope, receive, send)

    async def _not_allowed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status, body = failed(request.url.path, MethodNotAllowed(f"Method {request.method} is not allowed"))
        return Response(body, status, error.headers, "application/json")

    async def _health(self, request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def _ready(self, request: Request) -> JSONResponse:
        return JSONResponse({"status": "ready", "indexes": len(self._indexes)})

    async def _counts(self, request: Request) -> PlainTextResponse:
        text = self._metrics.text([await hosted.state() for hosted in list(self._indexes.values())])
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def _openapi(self, request: Request) -> JSONResponse:
        servers = [{"url": f"/{name}".rstrip("/") or "/"} for name in self._indexes]
        return JSONResponse({**document(version("clew")), "servers": servers})
