"""Connections: uvicorn's, and none that dawdles."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clew.wire import failure

# From the first byte of a request, or from the connection, to the end of its head.
HEAD_SECONDS_MAX = 20.0

WHOLE = "clew.whole"
"""An extension in the scope: the body had arrived when the request was handed on."""


class Line(HttpToolsProtocol):
    """A connection that is closed when the head of a request does not come to its end in time."""

    head_seconds = HEAD_SECONDS_MAX
    _until: float | None = None

    def connection_made(self, transport: Any) -> None:
        """It is there, and owes a request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several requests."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._until = None
        elif not self.transport.is_closing():
            self._await_head()

    def on_message_complete(self) -> None:
        """The body is whole."""
        super().on_message_complete()
        self.scope["extensions"] = {WHOLE: {}}

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered like all that cannot be read."""
        body = failure(f"Missing or wrong input: {msg}", 400, "ClientError")
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _await_head(self) -> None:
        if self._until is None:
            self._until = self.loop.time() + self.head_seconds
        # What uvicorn arms between two requests, and drops with the first byte of the next.
        self.timeout_keep_alive_task = self.loop.call_at(self._until, self.timeout_keep_alive_handler)
