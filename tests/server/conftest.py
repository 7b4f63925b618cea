"""An index on a server, asked with raw requests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from clew.engine.engine import Engine
from opening import READ_ONLY, TOKEN, server

Ask = Callable[..., Any]

# Made once: a context that reads the certificates of the system takes longer than most tests.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def engine() -> Engine:
    """The index that `http` asks; a module may have another."""
    return Engine.open(None)


@pytest.fixture
def http(engine: Engine) -> Iterator[httpx.Client]:
    """A client of an empty index, with its full token."""
    hosted = server().host(engine)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{server().url}/{hosted.name}"
    with httpx.Client(base_url=url, headers=headers, timeout=30, verify=PLAIN) as client:
        yield client
    server().stop(hosted)


@pytest.fixture
def ask(http: httpx.Client) -> Ask:
    """The result of a request that succeeds."""

    def ask(path: str, body: Any = None, method: str = "POST") -> Any:
        content = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = http.request(method, path, **content)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        said = answer.json()
        assert list(said) == ["result"]
        return said["result"]

    return ask


@pytest.fixture
def refused(http: httpx.Client) -> Callable[..., tuple[int, str]]:
    """The status and text of a request that fails."""

    def refused(path: str, body: Any = None, method: str = "POST", **options: Any) -> tuple[int, str]:
        content = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = http.request(method, path, **content, **options)
        assert answer.headers["content-type"] == "application/json"
        said = answer.json()
        assert said["status"] == answer.status_code
        assert said["type"]
        return answer.status_code, said["error"]

    return refused


@pytest.fixture
def read_only() -> dict[str, str]:
    return {"Authorization": f"Bearer {READ_ONLY}"}


@pytest.fixture
def line(http: httpx.Client, ask: Any) -> Iterator[socket.socket]:
    """A connection to an index of three records."""
    ask("/upsert", [{"id": str(i), "vector": [1, i]} for i in range(3)])
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), 20) as made:
        yield made
