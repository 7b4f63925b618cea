"""How a directory is opened: for reading alone, or to write to it more or less durably."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clew.commands import Compact, Delete, Reset, UpsertArrays
from clew.engine.engine import Engine
from clew.errors import ClientError
from engine_calls import ALL, NAMES, fetch_ids, fill, start


def test_a_directory_can_be_read_beside_the_process_that_writes(tmp_path: Path) -> None:
    writer = Engine.open(tmp_path)
    fill(writer)
    reader = Engine.open(tmp_path, read_only=True)
    writer.execute(Delete(ids=tuple(NAMES[:100])))
    writer.execute(Compact())
    uuid = start(reader, 1.0, 0.0, include=ALL)
    assert fetch_ids(reader, uuid) == NAMES[1:]
    for write in (UpsertArrays(("x",), np.ones((1, 2), np.float32)), Delete(ids=("n1",)), Reset(), Compact()):
        with pytest.raises(ClientError, match="reading only"):
            reader.execute(write)
    reader.close()
    writer.close()
    later = Engine.open(tmp_path, read_only=True)
    assert fetch_ids(later, start(later, 1.0, 0.0)) == NAMES[101:]
    later.close()
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_without_an_index_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no index|cannot|unable"):
        Engine.open(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ClientError, match="read_only is for a directory"):
        Engine.open(read_only=True)


def test_durability_is_full_or_normal(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="durability is 'most'; expected one of full, normal"):
        Engine.open(tmp_path / "index", durability="most")
    for name in ("full", "normal"):
        engine = Engine.open(tmp_path / name, durability=name)
        fill(engine)
        assert fetch_ids(engine, start(engine, 1.0, 0.0)) == NAMES[1:]
        engine.close()
