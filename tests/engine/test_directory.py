"""How a directory is opened: for reading alone, or to write to it more or less durably."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from clew.commands import Compact, Delete, Reset, UpsertArrays
from clew.engine.engine import Engine
from clew.engine.sqlite import RECORDS_FILE
from clew.engine.sqlite_queries import QUERIES_FILE
from clew.engine.verify import verify
from clew.errors import ClientError, Corruption
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


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("beside", [QUERIES_FILE, "clew.2.image"])
def test_records_that_were_emptied_are_not_taken_for_a_new_index(
    beside: str, read_only: bool, tmp_path: Path
) -> None:
    engine = Engine.open(tmp_path / "index")
    fill(engine)
    directory = Path(shutil.copytree(tmp_path / "index", tmp_path / "copy"))  # with the log of a process
    engine.close()
    (directory / RECORDS_FILE).write_bytes(b"")
    (directory / QUERIES_FILE).rename(directory / beside)
    log = (directory / f"{RECORDS_FILE}-wal").read_bytes()
    assert log
    expected = f"{RECORDS_FILE}: expected the records of a Clew index, found an empty file, though {beside}"
    with pytest.raises(Corruption, match=expected):
        Engine.open(directory, read_only=read_only)
    [problem, *_] = verify(directory).problems
    assert expected in problem
    assert (directory / beside).exists()
    assert (directory / f"{RECORDS_FILE}-wal").read_bytes() == log


def test_records_that_are_missing_are_not_begun_anew(tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    (tmp_path / RECORDS_FILE).unlink()
    with pytest.raises(Corruption, match=f"found no file, though {QUERIES_FILE}"):
        Engine.open(tmp_path)
    assert not (tmp_path / RECORDS_FILE).exists()


def test_an_empty_file_alone_is_a_new_index(tmp_path: Path) -> None:
    (tmp_path / RECORDS_FILE).touch()  # as of a process that ended while it made the first
    engine = Engine.open(tmp_path)
    fill(engine)
    engine.close()
    assert verify(tmp_path).problems == ()
