"""Connections: uvicorn's, and none that dawdles."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from clew.wire import failure

# From the first byte of a request, or from the connection, to the end of its head.
HEAD_SECONDS_MAX = 20.0
# Names of namespaces may be long; 64 KiB is what proxies let through at most.
HEAD_BYTES_MAX = 64 * 1024
# An answer of which the client takes nothing for so long is not for anybody any more.
STALLED_SECONDS_MAX = 60.0

EXCHANGE = "clew.exchange"
"""An extension in the scope: the `Exchange` of the request, for what costs more by way of messages."""

_JSON = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Exchange:
    """A request and its answer, beside `receive` and `send`."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    @property
    def body(self) -> bytes | None:
        """The body, where it has come as a whole and nothing of it was received."""
        return None if self._cycle.more_body else bytes(self._cycle.body)

    async def answer(self, status: int, body: bytes) -> None:
        """Answer with JSON, head and body in one segment: each would be waited for by itself."""
        cycle = self._cycle
        # The scope leads back here. What is a ring waits for the garbage collector, and that may be long.
        cycle.scope.pop("extensions")
        cycle.body.clear()
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        parts = [STATUS_LINE[status]]
        for header in cycle.default_headers:
            parts += header[0], b": ", header[1], b"\r\n"
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(_JSON % len(body))
        if cycle.scope["method"] != "HEAD":
            parts.append(body)
        cycle.transport.write(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class Line(HttpToolsProtocol):
    """A connection that is closed when the head of a request does not come to its end in time, or grows
    without end, or when nobody takes the answer.
    """

    head_seconds = HEAD_SECONDS_MAX
    stalled_seconds = STALLED_SECONDS_MAX
    _until: float | None = None
    _head_bytes = 0
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """It is there, and owes a request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several requests."""
        begun = self._within_head()
        super().data_received(data)
        if not begun or not self._within_head():
            self._head_bytes = 0
        elif not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response(f"The head of the request is larger than {HEAD_BYTES_MAX} bytes")
        if self.cycle is not None and not self.cycle.response_complete:
            self._until = None
        elif not self.transport.is_closing():
            self._await_head()

    def pause_writing(self) -> None:
        """The client takes an answer more slowly than it was given."""
        super().pause_writing()
        self._await_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def on_headers_complete(self) -> None:
        """A request has begun: its body may come later."""
        super().on_headers_complete()
        extensions: Any = {EXCHANGE: Exchange(self.cycle)}
        self.scope["extensions"] = extensions

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered like all that cannot be read."""
        body = failure(f"Missing or wrong input: {msg}", 400, "ClientError")
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _within_head(self) -> bool:
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _await_head(self) -> None:
        if self._until is None:
            self._until = self.loop.time() + self.head_seconds
        # What uvicorn arms between two requests, and drops with the first byte of the next.
        self.timeout_keep_alive_task = self.loop.call_at(self._until, self.timeout_keep_alive_handler)

    def _await_reader(self, left: int) -> None:
        """Let go of the connection unless less than `left` bytes are left to send after a while."""

        def look() -> None:
            now_left = self.transport.get_write_buffer_size()
            if now_left < left:
                self._await_reader(now_left)
            else:
                self.transport.abort()

        self._stalled = self.loop.call_later(self.stalled_seconds, look)
