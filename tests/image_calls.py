"""What tests of images do to an index, and require of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew.commands import (
    Include,
    Query,
    Range,
    StartQuery,
    UpsertArrays,
)
from clew.engine.engine import Engine
from engine_calls import fetch_ids
from vectors import clustered

N = 2_300
ROWS = clustered(N + 500, 8, seed=4)
ODD = "ns/ü 🦊\n.."


def put(engine: Engine, first: int, end: int, namespace: str = "", shift: int = 0) -> dict[str, int]:
    """Upsert records with the rows that are `shift` further on; which row each has."""
    names = tuple(f"n{i}" for i in range(first, end))
    metadata = tuple({"i": i} for i in range(first, end))
    engine.execute(UpsertArrays(names, ROWS[first + shift : end + shift], metadata, namespace=namespace))
    return dict(zip(names, range(first + shift, end + shift), strict=True))


ALL = {f"n{i}": i for i in range(N)}


def require(engine: Engine, expected: dict[str, int], namespace: str = "") -> None:
    """It holds records with these rows and no others, however it is asked."""
    cursor, records = "0", []
    while cursor:
        page = engine.execute(Range(cursor, 1000, None, Include(vectors=True), namespace))
        records += page.vectors
        cursor = page.next_cursor
    assert len(records) == len(expected)
    if expected:
        vectors = np.array([one.vector for one in records])
        np.testing.assert_allclose(vectors, ROWS[[expected[one.id] for one in records]], rtol=1e-5)
    uuid, hits = engine.execute(StartQuery(Query(ROWS[7], top_k=5, namespace=namespace), 60.0))
    assert sorted([hit.id for hit in hits] + rest(engine, uuid)) == sorted(expected)
    for id in list(expected)[::97]:
        [hit] = engine.execute(
            Query(ROWS[expected[id]], top_k=1, filter=f"i = {id[1:]}", namespace=namespace)
        )
        assert (hit.id, hit.score) == (id, pytest.approx(1.0))
        assert engine.execute(Query(ROWS[expected[id]], top_k=1, namespace=namespace))[0].score > 0.999


def rest(engine: Engine, uuid: str) -> list[str]:
    found: list[str] = []
    while batch := fetch_ids(engine, uuid, 500):
        found += batch
    return found


def answers(engine: Engine, namespace: str = "") -> list[Any]:
    include = Include(metadata=True, vectors=True)
    asked = [Query(row, top_k=10, namespace=namespace, include=include) for row in ROWS[::100]]
    return [engine.execute(query) for query in asked]


def killed(engine: Engine, directory: Path, copy: Path) -> Path:
    """What would be on the disk if the process ended here."""
    engine._parts.upkeep._background.close()
    return Path(shutil.copytree(directory, copy))


def opened(directory: Path, expected: dict[str, int], **options: Any) -> None:
    """Open it, require that it holds this, and close it."""
    engine = Engine.open(directory, **options)
    require(engine, expected)
    engine.close()


def image(directory: Path, number: int = 1) -> Path:
    return directory / f"clew.{number}.image"


def written(directory: Path) -> tuple[int, int]:
    """Tells an image from another that took its place."""
    status = image(directory).stat()
    return status.st_ino, status.st_mtime_ns


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)
