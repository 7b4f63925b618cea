"""Official Python clients against a server in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.server.indexes_file import create
from serving import create_every_kind, serving

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "packages"),
    [
        ("python_calls.py", ["upstash-vector"]),
        ("langchain_calls.py", ["upstash-vector", "langchain-community"]),
        ("llamaindex_calls.py", ["llama-index-vector-stores-upstash"]),  # brings an older SDK
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
def test_the_official_client_asks_sparse_and_hybrid_indexes_and_those_of_texts(
    python_with: Callable[..., str], tmp_path: Path
) -> None:
    python = python_with("upstash-vector")
    sparse, hybrid, text = create_every_kind(tmp_path)
    with serving(str(tmp_path)) as (url, _):
        for program, *tokens in (
            ("python_sparse_calls.py", sparse, hybrid),
            ("python_text_calls.py", text),
        ):
            call = [python, "-W", "ignore", str(HERE / program), url, *tokens]
            done = subprocess.run(call, capture_output=True, text=True, timeout=120)
            assert done.stderr == ""
            assert done.stdout == "every call answered\n"
