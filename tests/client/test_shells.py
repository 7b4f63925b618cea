"""`Index` and `AsyncIndex` are one API; importing it is cheap."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

import clew
from clew import AsyncIndex, Index

CALLS = [name for name in vars(Index) if not name.startswith("_")]


def test_both_kinds_of_index_have_the_same_calls() -> None:
    assert [name for name in vars(AsyncIndex) if not name.startswith("_")] == CALLS


@pytest.mark.parametrize("name", ["__init__", *[name for name in CALLS if name != "over"]])
def test_both_kinds_of_index_have_equal_signatures(name: str) -> None:
    assert inspect.signature(getattr(Index, name)) == inspect.signature(getattr(AsyncIndex, name))


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("over", "from_env")])
def test_every_call_of_an_async_index_is_awaited(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(AsyncIndex, name))


def test_the_version_is_that_of_the_distribution() -> None:
    assert clew.__version__ == importlib.metadata.version("clew")


def test_importing_clew_loads_neither_the_engine_nor_the_extension() -> None:
    code = "import sys, clew; print(*[m for m in sys.modules if m.split('.')[0] in ('apsw', 'rich', 'httpx')"
    code += " or m in ('clew._core', 'clew.engine', 'clew.backends.embedded', 'clew.server', 'clew.text')])"
    assert printed(code) == []


def test_an_index_of_vectors_waits_for_no_module_that_it_does_not_need() -> None:
    code = "import sys, clew; clew.Index().upsert([('a', [1.0])])"
    code += "; print(*[m for m in ('asyncio', 'clew.text', 'httpx', 'rich') if m in sys.modules])"
    assert printed(code) == []


def test_a_query_passes_through_few_functions() -> None:
    # Each costs a microsecond once a walk has driven our code out of the processor's cache.
    with Index() as index:
        index.upsert([(str(i), [1.0, i]) for i in range(50)])
        vector = np.ones(2, np.float32)
        assert len(called(lambda: index.query(vector))) <= 12
        with index.resumable_query([1.0, 0.0], top_k=5) as query:
            query.start()
            assert len(called(lambda: query.fetch_next(5))) <= 30


def called(work: Callable[[], object]) -> list[str]:
    """The functions of Python that `work` calls; a generator each time it goes on."""
    names: list[str] = []
    sys.setprofile(lambda frame, event, _: names.append(frame.f_code.co_name) if event == "call" else None)
    try:
        work()
    finally:
        sys.setprofile(None)
    return names


def printed(code: str) -> list[str]:
    """The words that a process of its own prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
