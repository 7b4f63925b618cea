"""The disk refuses: nothing that was acknowledged is lost, and the index says so until it is opened again."""

from __future__ import annotations

import copy
import os
import random
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crashes import DISK_FULL, KILLED, READ_ONLY, SYNC_FAILS, Crashes, check, records_of
from plan import NAMESPACES, Model, steps

from clew.commands import Range, Record, Upsert
from clew.engine.engine import Engine
from clew.engine.sqlite import RECORDS_FILE
from clew.engine.verify import verify
from clew.errors import AlreadyOpen, Poisoned, StorageError
from clew.tools.backup import backup

STEPS = 40


@pytest.mark.parametrize(
    ("kind", "says"), [(DISK_FULL, "full|I/O|unable"), (SYNC_FAILS, "I/O|unable")], ids=["disk", "sync"]
)
def test_a_write_that_the_disk_refuses_is_an_error_and_loses_nothing(
    crashes: Crashes, tmp_path: Path, kind: int, says: str
) -> None:
    draw = random.Random(kind)
    failed = 0
    for n in range(12):
        directory = tmp_path / str(n)
        outcome = crashes.run(directory, seed=n, at=draw.randrange(20, 150), kind=kind, steps=STEPS)
        failed += outcome.code == 3
        if outcome.failure:
            assert outcome.failure["failed"] in ("StorageError", "Poisoned")
        check(directory, n, outcome.answers)
    assert failed >= 3


@pytest.mark.parametrize("at", [40, 100, 200])
def test_after_a_checkpoint_that_the_disk_refuses_nothing_is_written(
    crashes: Crashes, tmp_path: Path, at: int
) -> None:
    """With "normal" nothing but checkpoints waits for the disk."""
    options: Any = {"durability": "normal", "checkpoints": True, "only": "clew.sqlite"}
    directory = tmp_path / "index"
    outcome = crashes.run(directory, seed=at, at=at, kind=SYNC_FAILS, steps=2 * STEPS, **options)
    assert outcome.failure is not None
    assert "an earlier write failed" in outcome.failure["says"] or "I/O" in outcome.failure["says"]
    check(directory, at, outcome.answers)


@pytest.mark.parametrize("kind", [DISK_FULL, SYNC_FAILS], ids=["disk", "sync"])
@pytest.mark.parametrize("at", [1, 4, 9])
def test_an_image_that_the_disk_refuses_is_left_out_and_nothing_else_notices(
    crashes: Crashes, tmp_path: Path, kind: int, at: int
) -> None:
    directory = tmp_path / "index"
    outcome = crashes.run(directory, seed=at, at=at, kind=kind, steps=STEPS, images=True, only="clew.1.image")
    assert (outcome.code, len(outcome.answers), outcome.failure) == (0, STEPS, None)
    assert outcome.calls is not None
    assert outcome.calls >= at
    assert not list(directory.glob("*.new"))
    assert (directory / "clew.2.image").exists()
    check(directory, at, outcome.answers)


def put(engine: Engine, name: str) -> None:
    engine.execute(Upsert((Record(name, np.ones(2, np.float32)),)))


def names(engine: Engine) -> list[str]:
    return [record.id for record in engine.execute(Range(limit=1000)).vectors]


def test_after_a_write_that_failed_nothing_is_written_until_it_is_opened_again(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    put(engine, "a")
    connection = engine._catalog.records.file.connection
    [(pages,)] = connection.execute("PRAGMA page_count")
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="the disk is full"):
        engine.execute(Upsert(tuple(Record(str(i), np.ones(2, np.float32)) for i in range(5000))))
    connection.execute("PRAGMA max_page_count = 1000000")
    with pytest.raises(Poisoned, match="open it again"):
        put(engine, "b")
    assert names(engine) == ["a"]
    engine.close()
    engine = Engine.open(tmp_path)
    put(engine, "b")
    assert names(engine) == ["a", "b"]
    engine.close()


def test_a_log_that_was_cut_off_loses_its_end_and_nothing_else(crashes: Crashes, tmp_path: Path) -> None:
    outcome = crashes.run(tmp_path / "killed", seed=3, steps=10_000, kill_after_s=0.4)
    assert outcome.code == KILLED
    states = [Model()]
    for number, step in islice(enumerate(steps(3)), len(outcome.answers)):
        states.append(copy.deepcopy(states[-1]))
        if step.kind in ("put", "drop"):
            states[-1].apply(number, step, None)
    for share in (0.0, 0.3, 0.9, 0.999):
        directory = shutil.copytree(tmp_path / "killed", tmp_path / str(share))
        log = directory / f"{RECORDS_FILE}-wal"
        os.truncate(log, int(log.stat().st_size * share))
        (directory / "clew.queries.sqlite-wal").unlink()
        for file in directory.glob("*-shm"):
            file.unlink()
        engine = Engine.open(directory, threads=1)
        found = {name: records_of(engine, name) for name in NAMESPACES}
        engine.close()
        assert verify(directory).problems == ()
        assert found in [state.records for state in states]


def test_a_copy_of_a_running_directory_made_by_backup_is_whole(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path / "index")
    put(engine, "a")
    backup(tmp_path / "index", tmp_path / "copy")
    put(engine, "b")
    copy = Engine.open(tmp_path / "copy")
    assert names(copy) == ["a"]
    copy.close()
    engine.close()


def test_a_directory_on_a_read_only_medium_can_be_read_and_says_so_to_who_writes(
    crashes: Crashes, tmp_path: Path
) -> None:
    directory = tmp_path / "index"
    engine = Engine.open(directory)
    put(engine, "a")
    engine.close()
    outcome = crashes.run(directory, seed=1, kind=READ_ONLY, read=True)
    assert outcome.answers == [{"ids": ["a"]}]
    assert outcome.failure is not None
    assert "Read-only file system" in outcome.failure["says"]


def test_the_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    with pytest.raises(AlreadyOpen, match="already open in this process"):
        Engine.open(tmp_path)
    engine.close()
