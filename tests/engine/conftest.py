"""An engine in memory and in a directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.engine.engine import Engine

MakeEngine = Callable[..., Engine]


@pytest.fixture(scope="module", autouse=True)
def _quick_links(quick_links: None) -> None:
    pass


@pytest.fixture(params=["memory", "directory"])
def make_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeEngine]:
    """Opens an engine; a second call, after a close, opens the same directory again."""
    made: list[Engine] = []

    def make(**options: Any) -> Engine:
        made.append(Engine.open(None if request.param == "memory" else tmp_path / "index", **options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    return make_engine()


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[MakeEngine]:
    """Closes the engine of a directory and opens it again."""
    made: list[Engine] = []

    def again(**options: Any) -> Engine:
        for engine in made:
            engine.close()
        made.append(Engine.open(tmp_path / "kept", **options))
        return made[-1]

    yield again
    for engine in made:
        engine.close()
