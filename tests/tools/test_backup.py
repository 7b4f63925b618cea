"""A backup is an index of one moment, made while another process writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clew import ClewError, Index
from clew.engine.verify import verify
from clew.tools.backup import backup
from held import held

# Writes until it is told to stop: batch b has the ids b0 to b9, whose metadata says b.
WRITER = """
import sys
from clew import Index
with Index(sys.argv[1]) as index:
    for batch in range(1_000_000):
        index.upsert([(str(i), [batch, i], {"batch": batch}) for i in range(10)])
        index.upsert([(f"{batch}-{i}", [batch, i]) for i in range(10)], namespace="n")
        print(batch, flush=True)
"""


def test_a_backup_holds_what_the_index_held(tmp_path: Path) -> None:
    with Index(tmp_path / "a", similarity_function="EUCLIDEAN") as index:
        index.upsert([("a", [1, 2], {"n": 1}, "text")])
        index.upsert([("b", [3, 4])], namespace="n")
        before = held(index)
        assert backup(tmp_path / "a", tmp_path / "b") > 0
        index.upsert([("later", [1, 1])])
    with Index(tmp_path / "b") as copy:
        assert held(copy) == before
        copy.upsert([("more", [1, 1])])
    assert verify(tmp_path / "b").problems == ()


def test_backups_of_an_index_that_another_process_writes_to_are_each_of_one_moment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a")]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    try:
        for number in range(3):
            acknowledged = int(writer.stdout.readline())
            backup(tmp_path / "a", tmp_path / f"b{number}")
            assert verify(tmp_path / f"b{number}").problems == ()
            with Index(tmp_path / f"b{number}") as copy:
                batches = {r.metadata["batch"] for r in copy.range("", 100, include_metadata=True).vectors}
                [batch] = batches
                assert batch >= acknowledged
                assert copy.info().namespaces["n"].vector_count in (10 * batch, 10 * batch + 10)
    finally:
        writer.kill()
        writer.communicate()


def test_a_backup_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    with Index(tmp_path / "a") as index:
        index.upsert([("a", [1, 2])])
    (tmp_path / "b.unfinished").mkdir()
    (tmp_path / "b.unfinished" / "clew.sqlite").write_text("half")
    backup(tmp_path / "a", tmp_path / "b")
    assert verify(tmp_path / "b").records == 1
    assert not (tmp_path / "b.unfinished").exists()


def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with Index(tmp_path / name) as index:
            index.upsert([(name, [1, 2])])
    with pytest.raises(ClewError, match="b exists already, and is not an empty directory"):
        backup(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ClewError, match="no directory .*nowhere"):
        backup(tmp_path / "a", tmp_path / "nowhere" / "b")
    with pytest.raises(ClewError, match="nobody holds no index"):
        backup(tmp_path / "nobody", tmp_path / "c")
