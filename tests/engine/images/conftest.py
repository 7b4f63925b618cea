"""A directory with images."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from clew.engine.engine import Engine
from clew.engine.generation import Generation
from image_calls import (
    ODD,
    N,
    put,
)
from linking import linking_quickly


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that was closed: N records, and as many in a namespace with an odd name."""
    directory = tmp_path_factory.mktemp("filled") / "index"
    with linking_quickly():
        engine = Engine.open(directory)
        for namespace in ("", ODD):
            put(engine, 0, N, namespace)
        engine.close()
    return directory


@pytest.fixture
def directory(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "index"))


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each change handed to a graph."""
    counts: list[int] = []
    apply = Generation.apply

    def counted(self: Generation, ids: Any, *rest: Any) -> None:
        counts.append(len(ids))
        apply(self, ids, *rest)

    monkeypatch.setattr(Generation, "apply", counted)
    return counts
