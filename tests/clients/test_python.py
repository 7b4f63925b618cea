"""Official Python clients against a server in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.server.catalogue import create
from clew.types import IndexType
from serving import serving

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "packages"),
    [
        ("python_calls.py", ["upstash-vector"]),
        ("langchain_calls.py", ["upstash-vector", "langchain-community"]),
    ],
)
def test_an_official_client_makes_every_call_sync_and_async(
    program: str, packages: list[str], python_with: Callable[..., str], tmp_path: Path
) -> None:
    python = python_with(*packages)
    token = create(tmp_path, "index").full
    with serving(str(tmp_path)) as (url, _):
        call = [python, "-W", "ignore", str(HERE / program), f"{url}/index", token]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout == "every call answered\n"


@pytest.mark.slow
def test_the_official_client_asks_sparse_and_hybrid_indexes(
    python_with: Callable[..., str], tmp_path: Path
) -> None:
    python = python_with("upstash-vector")
    tokens = [create(tmp_path, name, type=IndexType(name.upper())).full for name in ("sparse", "hybrid")]
    with serving(str(tmp_path)) as (url, _):
        call = [python, "-W", "ignore", str(HERE / "python_sparse_calls.py"), url, *tokens]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout == "every call answered\n"
