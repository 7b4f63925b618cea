"""What earlier versions wrote is opened by this one."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from clew.commands import Include, Query, Range
from clew.engine.engine import Engine
from clew.engine.generation import Generation
from clew.engine.sqlite import RECORDS_FILE
from clew.engine.verify import verify

HERE = Path(__file__).parent


def store(directory: Path, version: int) -> Path:
    """A store that version `version` made."""
    file = apsw.Connection(str(directory / RECORDS_FILE))
    for pragma in ("page_size = 16384", "auto_vacuum = INCREMENTAL", "journal_mode = WAL"):
        file.execute(f"PRAGMA {pragma}")
    file.execute((HERE / f"records-{version}.sql").read_text())
    file.close()
    return directory


def held(directory: Path, **options: Any) -> dict[str, Any]:
    engine = Engine.open(directory, **options)
    page = engine.execute(Range(limit=1000, include=Include(vectors=True)))
    engine.close()
    return {record.id: record.vector for record in page.vectors}


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_of_version_2_is_opened(read_only: bool, tmp_path: Path) -> None:
    store(tmp_path, 2)
    expected = {"a": [1.0, 0.0], "b": [1.0, 1.0]}
    assert held(tmp_path, read_only=read_only) == expected
    file = apsw.Connection(str(tmp_path / RECORDS_FILE))
    assert file.execute("PRAGMA user_version").fetchall() == [(2 if read_only else 3,)]
    file.close()
    assert verify(tmp_path).problems == ()
    assert held(tmp_path) == expected


def test_a_store_and_an_image_of_today_are_opened_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, 3)
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
