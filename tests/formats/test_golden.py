"""The formats of files stay what they are: what was written in them once is opened."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from clew.commands import FetchNext, Include, Query, Range
from clew.engine.engine import Engine
from clew.engine.generation import Generation
from clew.engine.sqlite import RECORDS_FILE
from clew.engine.sqlite_queries import QUERIES_FILE
from clew.engine.verify import verify

HERE = Path(__file__).parent


def store(directory: Path) -> Path:
    """A store as it was written."""
    made(directory / RECORDS_FILE, "records-1.sql", "page_size = 16384")
    return directory


def made(file: Path, script: str, *pragmas: str) -> None:
    """An SQLite file of what a script says."""
    connection = apsw.Connection(str(file))
    for pragma in (*pragmas, "auto_vacuum = INCREMENTAL", "journal_mode = WAL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute((HERE / script).read_text())
    connection.close()


def held(directory: Path, **options: Any) -> dict[str, Any]:
    engine = Engine.open(directory, **options)
    page = engine.execute(Range(limit=1000, include=Include(vectors=True)))
    engine.close()
    return {record.id: record.vector for record in page.vectors}


def test_a_store_and_its_image_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path)
    (tmp_path / "clew.1.image").write_bytes(gzip.decompress((HERE / "image-1.gz").read_bytes()))
    linked: list[str] = []
    apply = Generation.apply

    def noted(self: Generation, ids: Any, *rest: Any) -> None:
        linked.extend(ids)
        apply(self, ids, *rest)

    monkeypatch.setattr(Generation, "apply", noted)
    engine = Engine.open(tmp_path)
    assert linked == ["late"]
    hits = engine.execute(Query(np.array([1, 0.06, 0, 0], np.float32), top_k=100))
    assert [hit.id for hit in hits[:5]] == ["late", "v1", "v0", "v2", "v4"]
    assert {hit.id for hit in hits} == {f"v{i}" for i in range(40)} - {"v3", "v7"} | {"late"}
    engine.close()
    found = held(tmp_path)
    assert found["v5"] == [1.0, 9.0, 0.0, 0.0]
    assert len(found) == 39


def test_open_queries_go_on(tmp_path: Path) -> None:
    store(tmp_path)
    made(tmp_path / QUERIES_FILE, "queries-1.sql")
    assert verify(tmp_path).problems == ()
    engine = Engine.open(tmp_path, wall=lambda: 1e9)
    uuid = "c67e0c7a-dc2d-433e-950c-ec187b26f9b9"
    again = engine.execute(FetchNext(uuid, 4, 2))
    assert [hit.id for hit in again] == ["v6", "v8", "v9", "v10"]
    rest = engine.execute(FetchNext(uuid, 100))
    returned = {"late", "v0", "v1", "v2", "v4", "v6", "v8", "v9", "v10"}
    assert {hit.id for hit in rest} == {f"v{i}" for i in range(40)} - {"v3", "v7"} - returned
    engine.close()
