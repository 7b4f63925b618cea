"""Connections: uvicorn's, which answer short requests at once, and let go of whoever dawdles."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from clew._core import Head
from clew.commands import AnyCommand
from clew.server.exchange import EXCHANGE, Exchange, opening, segment
from clew.server.heads import has_body, understood, without_offer
from clew.server.route import Route, ShortPath
from clew.wire import failure

# From the first byte of a request, or from the connection, to the end of its head.
HEAD_SECONDS_MAX = 20.0
# Names of namespaces may be long; 64 KiB is what proxies let through at most.
HEAD_BYTES_MAX = 64 * 1024
# An answer of which the client takes nothing for so long is not for anybody any more.
STALLED_SECONDS_MAX = 60.0
# How long the body of a short request may come after its head. Many clients send them apart.
HELD_SECONDS_MAX = 1.0
# Heads that are known of one connection. A client has few, one for each endpoint and namespace it uses.
HEADS_MAX = 16


class Line(HttpToolsProtocol):
    """A connection. It is closed when the head of a request does not come to its end in time, or grows
    without end, or when nobody takes the answer.

    A request takes uvicorn's way: parser, scope, task, messages. For a short query that is most of the work.
    So once a head was understood that may be answered at once, `short_path` answers the next request whose
    head is the same but for the length of the body; what it leaves goes uvicorn's way after all, from its
    first byte.
    """

    head_seconds = HEAD_SECONDS_MAX
    stalled_seconds = STALLED_SECONDS_MAX
    _stalled: asyncio.TimerHandle | None = None
    # Whether a request has begun and is not there as a whole; whether not even its head is, how large that is
    # so far, and by when it must be there.
    _begun = False
    _in_head = False
    _head_bytes = 0
    _until: float | None = None
    # What is being parsed, if a request begins with it; its command, where `short_path` gave that back.
    _parsed = b""
    _command: AnyCommand | None = None
    # A request whose head is known, as far as it has come, and what ends the wait for the rest.
    _held = b""
    _holding: asyncio.TimerHandle | None = None
    # When a request was last answered at once.
    _quiet_since = 0.0
    # The request that was last given to ASGI. Others may have come since and wait.
    _taken: RequestResponseCycle | None = None
    # How answers begin, and the headers of which that was made.
    _headers: list[tuple[bytes, bytes]] | None = None
    _ok = b""

    def __init__(self, *arguments: Any, short_path: ShortPath, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._short_path = short_path
        # What connections have said, they may say again: so a token is looked at once for each of them.
        self._known: list[tuple[Head, Route]] = []

    def connection_made(self, transport: Any) -> None:
        """The client has connected; its first request must begin in time."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection was closed: cancel its timers."""
        # uvicorn tells only the request that came last. Another would be answered, and fail at that.
        if self._taken is not None and not self._taken.response_complete:
            self._taken.disconnected = True
        super().connection_lost(exc)
        self._let_go()
        self._unset_keepalive_if_required()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several requests."""
        if self._held:
            data, self._held = self._held + data, b""
        if self._known and not self._begun and not self.flow.write_paused:
            cycle = self.cycle
            if cycle is None or cycle.response_complete:
                data = self._answered(data)
        if self._holding is not None and not self._held:
            self._let_go()
        if data:
            self._parse(data)

    def shutdown(self) -> None:
        """The server stops: a request that has begun to come is still answered."""
        if self._held:
            self._parse(self._let_go())
        super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """It has idled for long, as far as uvicorn knows."""
        left = self._quiet_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        elif not self._held:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begun = self._in_head = True

    def on_headers_complete(self) -> None:
        """Its head is complete: its body may come later. What raises is answered as what is no HTTP."""
        if self.parser.should_upgrade() and has_body(self.headers):
            raise ValueError("the parser takes the body for another protocol")
        super().on_headers_complete()
        extensions: Any = {EXCHANGE: Exchange(self.cycle, self._command)}
        self.scope["extensions"] = extensions
        self._in_head = False
        if self._parsed and self._command is None:
            self._learn(self._parsed)
        self._parsed, self._command = b"", None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """It is its turn."""
        self._taken = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """It has come as a whole."""
        super().on_message_complete()
        self._begun = False

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

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered like all that cannot be read."""
        body = failure(f"Missing or wrong input: {msg}", 400, "ClientError")
        self.transport.write(segment(opening(400, []), b"connection: close\r\n", len(body), body))
        self.transport.close()

    def _answered(self, data: bytes) -> bytes:
        """Answer the request at the beginning of `data` at once if it is one for that. What is left to parse.

        Only the first: several that come together take turns with those of others.
        """
        for known in self._known:
            if (read := known[0].read(data)) is not None:
                break
        else:
            return data
        end, vector, rest = read
        if rest is None:
            self._held = data
            self._holding = self._holding or self.loop.call_later(HELD_SECONDS_MAX, self._pass_on)
            return b""
        said = self._short_path.at_once(known[1], vector, rest, self.client)
        if said is None:
            self._known.remove(known)  # it may be learnt anew
            return data
        if not isinstance(said, tuple):
            self._command = said
            return data
        status, body = said
        headers = self.server_state.default_headers
        if headers is not self._headers:  # uvicorn makes new ones each second
            self._headers, self._ok = headers, opening(200, headers)
        begun = self._ok if status == 200 else opening(status, headers)
        self.transport.write(segment(begun, b"", len(body), body))
        self.server_state.total_requests += 1
        self._quiet_since = self.loop.time()
        if self._until is not None:  # a head was awaited, and this was it
            self._unset_keepalive_if_required()
            self._until = None
            self.timeout_keep_alive_handler()
        return data[end:]

    def _learn(self, data: bytes) -> None:
        """Remember the head that was parsed, with which `data` begins, if it is of a short request."""
        parser, headers = self.parser, self.headers
        lasting = parser.should_keep_alive() and parser.get_http_version() == "1.1"
        if not lasting or parser.get_method() != b"POST":
            return
        token = next((value for name, value in headers if name == b"authorization"), None)
        route = self._short_path.route(self.url, token)
        if route is None:
            return
        most = self._short_path.short_bytes_max
        head = understood(data, self.url, headers, proxied=self.config.proxy_headers, most=most)
        if head is not None:
            if len(self._known) >= HEADS_MAX:
                self._known.clear()
            self._known.append((head, route))

    def _pass_on(self) -> None:
        """What was held is waited for no longer."""
        self._parse(self._let_go())

    def _let_go(self) -> bytes:
        """Stop waiting for the rest of a held request; return what came of it."""
        if self._holding is not None:
            self._holding.cancel()
        held, self._held, self._holding = self._held, b"", None
        return held

    def _parse(self, data: bytes) -> None:
        in_head, end = self._in_head, 0
        self._parsed, plain = b"", data
        if not self._begun:
            end = data.find(b"\r\n\r\n")
            if end > HEAD_BYTES_MAX:
                self._refuse_head()
                return
            plain = without_offer(data, end)
            self._parsed = data if plain is data else b""
        super().data_received(plain)
        self._parsed, self._command = b"", None
        if self.transport.is_closing():
            return
        if self._in_head and (in_head or end < 0):
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse_head()
                return
        else:
            self._head_bytes = 0
        if self._is_idle():
            self._await_head()
        else:
            self._until = None

    def _refuse_head(self) -> None:
        self.send_400_response(f"The head of the request is larger than {HEAD_BYTES_MAX} bytes")

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        if self._until is None:
            self._until = self.loop.time() + self.head_seconds
        # What uvicorn arms between two requests, and drops with the first byte of the next.
        self.timeout_keep_alive_task = self.loop.call_at(self._until, self.transport.close)

    def _await_reader(self, left: int) -> None:
        """Let go of the connection unless less than `left` bytes are left to send after a while."""

        def look() -> None:
            now_left = self.transport.get_write_buffer_size()
            if now_left < left:
                self._await_reader(now_left)
            else:
                self.transport.abort()

        self._stalled = self.loop.call_later(self.stalled_seconds, look)
