"""A client that costs little: raw HTTP/1.1 requests made beforehand, answers only counted and timed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

SETTLE_S = 0.3  # the first answers of a run find cold caches and count for nothing


@dataclass(slots=True)
class Load:
    """What came of it. `latencies_s` leaves out those while it settled, `answered` does not."""

    latencies_s: list[float] = field(default_factory=list)
    failures: list[bytes] = field(default_factory=list)
    answered: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.latencies_s) / self.seconds


def post(url: str, path: str, body: bytes) -> bytes:
    """A request as it goes over the line."""
    target = urlsplit(url)
    head = (
        f"POST {target.path.rstrip('/')}/{path} HTTP/1.1\r\nHost: {target.netloc}\r\n"
        f"Authorization: Bearer dev\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self) -> None:
        self._received = b""
        self.answered: Callable[[bytes], None] = _ignore

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        end = data.find(b"\r\n\r\n")
        size = data.find(b"content-length: ", 0, end) + 16
        if end < 0 or len(data) < end + 4 + int(data[size : data.index(b"\r", size)]):
            self._received = data
            return
        self._received = b""
        self.answered(data)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or self.answered is not _ignore:
            self.answered(b"the connection was lost")

    def ask(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        """Send `request`; `answered` gets the answer, head and all."""
        self.answered = answered
        self.transport.write(request)

    async def answer(self, request: bytes) -> bytes:
        """The same for code that awaits: the body of an answer that is no error."""
        waiting = asyncio.get_running_loop().create_future()
        self.ask(request, waiting.set_result)
        said: bytes = await waiting
        self.answered = _ignore
        if not ok(said):
            raise RuntimeError(said.decode())
        return said.partition(b"\r\n\r\n")[2]


def ok(answer: bytes) -> bool:
    """Whether it is no error."""
    return answer.startswith(b"HTTP/1.1 200 ")


async def connect(url: str, n: int) -> list[Connection]:
    """So many connections."""
    loop, target = asyncio.get_running_loop(), urlsplit(url)
    return [(await loop.create_connection(Connection, target.hostname, target.port))[1] for _ in range(n)]


def as_fast_as_possible(url: str, requests: Sequence[bytes], connections: int, seconds: float = 1e9) -> Load:
    """Each connection asks as soon as it is answered: until the time is up, or each request was sent once."""
    return uvloop.run(_closed(url, requests, connections, seconds))


def at_a_rate(url: str, requests: Sequence[bytes], connections: int, rate: float, seconds: float) -> Load:
    """A request every 1 / `rate` seconds, come what may; its latency counts from when it was due."""
    return uvloop.run(_open(url, requests, connections, rate, seconds))


async def _closed(url: str, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    load, lines = Load(), await connect(url, connections)
    done = asyncio.get_running_loop().create_future()
    timed = seconds < 1e9
    began = time.perf_counter() + (SETTLE_S if timed else 0.0)
    todo, running = _endless(requests) if timed else iter(requests), len(lines)

    def start(line: Connection) -> None:
        sent = 0.0

        def ask() -> None:
            nonlocal running, sent
            request = next(todo, None)
            sent = time.perf_counter()
            if request is not None and sent - began <= seconds:
                line.ask(request, answered)
                return
            running -= 1
            if not running:
                done.set_result(None)

        def answered(answer: bytes) -> None:
            load.answered += 1
            if not ok(answer):
                load.failures.append(answer)
            if sent >= began:
                load.latencies_s.append(time.perf_counter() - sent)
            ask()

        ask()

    for line in lines:
        start(line)
    await done
    load.seconds = time.perf_counter() - began
    _close(lines)
    return load


async def _open(url: str, requests: Sequence[bytes], connections: int, rate: float, seconds: float) -> Load:
    load, lines = Load(), await connect(url, connections)
    free, due_ones = deque(lines), deque[float]()
    todo = _endless(requests)
    began = time.perf_counter() + SETTLE_S

    def send() -> None:
        while free and due_ones:
            line, due = free.popleft(), due_ones.popleft()

            def answered(answer: bytes, line: Connection = line, due: float = due) -> None:
                load.answered += 1
                if not ok(answer):
                    load.failures.append(answer)
                if due >= began:
                    load.latencies_s.append(time.perf_counter() - due)
                free.append(line)
                send()

            line.ask(next(todo), answered)

    due = time.perf_counter()
    while due < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        while due <= now:
            due_ones.append(due)
            due += 1 / rate
        send()
    while len(free) < len(lines):
        await asyncio.sleep(0.01)
    load.seconds = seconds
    _close(lines)
    return load


def _close(lines: list[Connection]) -> None:
    for line in lines:
        line.answered = _ignore
        line.transport.close()


def _endless(requests: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


def _ignore(answer: bytes) -> None:
    """Nothing is asked for."""
