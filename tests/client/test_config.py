"""Where an index is: keyword, then environment, then memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clew import AsyncIndex, ClientError, Index, Metric
from clew.config import Settings, from_env, resolve

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
        ({"dimension": 3, "similarity_function": "DOT_PRODUCT"}, {}, Settings(dimension=3,
        metric=Metric.DOT_PRODUCT)),
        ({"url": "http://h", "retries": 5, "retry_interval": 0.1}, {}, Settings(url="http://h", retries=5,
        retry_interval_s=0.1)),
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
def test_a_server_is_refused_until_there_is_a_client_for_it(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for make in (
        lambda: shell("http://host/index", "token"),
        lambda: shell(url="http://host", token="t", retries=5),
    ):
        with pytest.raises(ClientError, match="is a server, and this version of clew has no HTTP client"):
            make()
    monkeypatch.setenv("UPSTASH_VECTOR_REST_URL", "https://host")
    for make in (shell, shell.from_env):
        with pytest.raises(ClientError, match="'https://host' is a server"):
            make()
