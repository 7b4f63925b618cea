"""What is exchanged: a request and its answer, beside the messages of ASGI."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from clew.commands import AnyCommand

EXCHANGE = "clew.exchange"
"""An extension in the scope: the `Exchange` of the request, for what costs more by way of messages."""

_JSON = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"


Answer = tuple[int, bytes]
"""A status and a body of JSON."""


class Exchange:
    """A request and its answer, beside `receive` and `send`. `command`: what it asks, where that is known."""

    __slots__ = ("_cycle", "command")

    def __init__(self, cycle: RequestResponseCycle, command: AnyCommand | None = None) -> None:
        self._cycle = cycle
        self.command = command

    @property
    def body(self) -> bytes | None:
        """The body, where it has come as a whole and nothing of it was received."""
        return None if self._cycle.more_body else bytes(self._cycle.body)

    async def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        cycle = self._cycle
        if cycle.flow.read_paused:  # as it is while further requests wait: then the end is yet to be read
            cycle.flow.resume_reading()
            await asyncio.sleep(0)
        return cycle.disconnected or cycle.transport.is_closing()

    async def answer(self, status: int, body: bytes) -> None:
        """Answer with JSON."""
        cycle = self._cycle
        # The scope leads back here. What is a ring waits for the garbage collector, and that may be long.
        cycle.scope.pop("extensions")
        cycle.body.clear()
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        more = b"" if cycle.keep_alive else b"connection: close\r\n"
        shown = b"" if cycle.scope["method"] == "HEAD" else body
        begun = opening(status, cycle.default_headers)
        cycle.transport.write(segment(begun, more, len(body), shown))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


def segment(opening: bytes, more: bytes, size: int, body: bytes) -> bytes:
    """Head and body in one: each by itself would be waited for."""
    return b"".join((opening, more, _JSON % size, body))


def opening(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """How the head of an answer begins: uvicorn's lines."""
    return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in headers])
