"""Where an index is: keyword, then environment, then memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew import AsyncIndex, ClientError, Index, Metric
from clew.config import Settings, from_env, resolve
from clew.engine.engine import Engine
from opening import TOKEN, server

SERVER = {"CLEW_URL": "http://clew/a", "CLEW_TOKEN": "c"}
UPSTASH = {"UPSTASH_VECTOR_REST_URL": "https://upstash", "UPSTASH_VECTOR_REST_TOKEN": "u"}


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({}, {}, Settings()),
        ({"location": ":memory:"}, SERVER, Settings()),
        ({"location": "some/dir"}, SERVER, Settings(directory="some/dir")),
        ({"location": Path("some/dir")}, {}, Settings(directory="some/dir")),
        ({"location": "http://host/index", "token": "t"}, SERVER, Settings(url="http://host/index",
        token="t")),
        ({"url": "https://host", "token": "t"}, {}, Settings(url="https://host", token="t")),
        ({"url": "https://host"}, SERVER, Settings(url="https://host", token="c")),
        ({}, SERVER, Settings(url="http://clew/a", token="c")),
        ({}, UPSTASH, Settings(url="https://upstash", token="u")),
        ({}, {**UPSTASH, **SERVER}, Settings(url="http://clew/a", token="c")),
        ({"token": "t"}, SERVER, Settings(url="http://clew/a", token="t")),
        ({}, {"CLEW_URL": ""}, Settings()),
        ({"token": "t\n"}, SERVER, Settings(url="http://clew/a", token="t")),
        ({"location": "~/films"}, {}, Settings(directory=str(Path.home() / "films"))),
        ({"dimension": np.int64(3)}, {}, Settings(dimension=3)),
        ({"dimension": 3, "similarity_function": "DOT_PRODUCT"}, {}, Settings(dimension=3,
        metric=Metric.DOT_PRODUCT)),
        ({"url": "http://h", "retries": 5, "retry_interval": 0.1, "timeout": 7}, {},
        Settings(url="http://h", retries=5, retry_interval_s=0.1, timeout_s=7)),
    ],
)  # fmt: skip
def test_a_keyword_wins_over_the_environment_and_that_over_memory(
    given: dict[str, Any], environment: dict[str, str], expected: Settings
) -> None:
    assert resolve(**given, environment=environment) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"location": ""}, "location is ''"), ({"location": 5}, "location is 5"), ({"url": "some/dir"},
        "url is 'some/dir'"),
        ({"location": "dir", "url": "http://h"}, "both a location"), ({"location": "dir", "token": "t"},
        "token is for a server"),
        ({"dimension": 0}, "dimension is 0"), ({"dimension": True}, "dimension is True"),
        ({"dimension": "3"}, "dimension is '3'"),
        ({"location": "localhost:8080"}, "location is 'localhost:8080'; expected 'http://localhost:8080'"),
        ({"location": "http://host:x"}, "location is 'http://host:x'; expected the name of a server"),
        ({"location": "http://u:p@host"}, "location is 'http://u:p@host'; expected the name of a server"),
        ({"location": "http://host", "token": "geheim\u00fc"}, "token has characters"),
        ({"location": "ftp://host/index"}, "location is 'ftp://host/index'; expected a directory, a URL"),
        ({"location": "HTTP://host"}, "location is 'HTTP://host'"),
        ({"location": "http:///index"}, "location is 'http:///index'; expected the name of a server"),
        ({"url": "https://"}, "url is 'https://'; expected the name of a server"),
        ({"location": "a\0b"}, r"location is 'a\\x00b'"), ({"location": b"dir"}, "location is b'dir'"),
        ({"retries": -1}, "retries is -1; expected an int of at least 0"),
        ({"retries": 1.5}, "retries is 1.5"), ({"retries": True}, "retries is True"),
        ({"retry_interval": -1}, "retry_interval is -1; expected seconds, at least 0"),
        ({"retry_interval": "1"}, "retry_interval is '1'"),
        ({"retry_interval": float("nan")}, "retry_interval is nan"),
        ({"location": "dir", "read_only": "yes"}, "read_only is 'yes'; expected True or False"),
        ({"location": "dir", "mapped": 1}, "mapped is 1; expected True, False or None"),
        ({"timeout": 0}, "timeout is 0; expected seconds"), ({"timeout": "5"}, "timeout is '5'"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"similarity_function": "L2"}, "similarity_function is 'L2'; expected one of COSINE"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=f"^{message}"):
        resolve(**given, environment={})


def test_from_env_needs_a_server_in_the_environment() -> None:
    assert from_env(environment=UPSTASH) == Settings(url="https://upstash", token="u")
    with pytest.raises(ClientError, match="set CLEW_URL or UPSTASH_VECTOR_REST_URL"):
        from_env(environment={})


@pytest.mark.parametrize("shell", [Index, AsyncIndex])
def test_what_a_server_decides_cannot_be_asked_of_it(shell: Any) -> None:
    for settings in ({"dimension": 3}, {"similarity_function": "COSINE"}, {"type": "SPARSE"}):
        with pytest.raises(ClientError, match="is a server, and the index there has its dimension"):
            shell("http://host/index", "token", **settings)


def test_an_index_on_a_server_loads_neither_the_engine_nor_the_server() -> None:
    code = """import sys, clew
index = clew.Index("http://127.0.0.1:1/index", "token", retries=0)
try:
    index.info()
except clew.TransportError as error:
    assert error.retry_is_safe
heavy = ("apsw", "starlette", "uvicorn", "clew._core", "clew.engine", "clew.server", "clew.backends.embedded")
print([name for name in heavy if name in sys.modules])"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_index_of_the_environment_is_that_on_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    hosted = server().host(Engine.open(None))
    monkeypatch.setenv("UPSTASH_VECTOR_REST_URL", f"{server().url}/{hosted.name}")
    monkeypatch.setenv("UPSTASH_VECTOR_REST_TOKEN", TOKEN)
    with Index.from_env() as index:
        assert index.upsert([("a", [1.0])]) == "Success"
    with Index() as index:
        assert index.info().vector_count == 1
    server().stop(hosted)
