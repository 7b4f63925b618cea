from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clew.engine.engine import Engine
from clew.engine.lock import LOCK_FILE
from clew.errors import AlreadyOpen, ClientError, StorageError
from engine_calls import upsert

HOLD = """
import sys
from clew.engine.engine import Engine
engine = Engine.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(AlreadyOpen, match=f"already open in process {holder.pid}"):
            Engine.open(tmp_path)
    finally:
        holder.kill()  # also without a close, the directory is free again
        holder.communicate()
    Engine.open(tmp_path).close()


def test_one_process_cannot_open_a_directory_twice(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    with pytest.raises(AlreadyOpen, match="already open in this process: close"):
        Engine.open(tmp_path)
    engine.close()
    Engine.open(tmp_path).close()


FORKED = """
import os, signal, sys, time
from clew import Index
index = Index(sys.argv[1])
index.upsert([("a", [1.0])])
child = os.fork()
if child == 0:
    time.sleep(60)
index.close()
Index(sys.argv[1]).close()
os.kill(child, signal.SIGKILL)
print("free")
"""


def test_a_child_does_not_keep_the_directory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("free\n", "")


READING = """
import os, sys
from clew import Index
Index().upsert([("x", [1.0])])  # all is imported by now, from wherever another user may not look
os.setgid(65534); os.setuid(65534)
with Index(sys.argv[1], read_only=True) as index:
    print(len(index.range(limit=9).vectors), flush=True)
    sys.stdin.readline()
    print(index.fetch("a")[0].id, flush=True)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_nobody_writes_while_a_reader_that_may_not_write_is_there() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # which other users may pass
        directory = Path(name)
        directory.chmod(0o755)
        engine = Engine.open(directory / "films", dimension=1)
        upsert(engine, ("a", [1.0], None))
        engine.close()
        reader = subprocess.Popen(
            [sys.executable, "-c", READING, str(directory / "films")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        with pytest.raises(AlreadyOpen, match="open for reading in a process that may not write"):
            Engine.open(directory / "films")
        assert reader.communicate("\n") == ("a\n", None)
        Engine.open(directory / "films").close()


def test_to_read_where_there_is_no_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="holds no index"):
        Engine.open(tmp_path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_open_lets_go_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "clew.sqlite").write_bytes(b"rubbish" * 1_000)
    with pytest.raises(StorageError):
        Engine.open(tmp_path)
    (tmp_path / "clew.sqlite").unlink()
    Engine.open(tmp_path).close()


def test_a_place_where_no_directory_can_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot make the directory"):
        Engine.open(tmp_path / "file" / "index")
    (tmp_path / "index" / LOCK_FILE).mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot open"):
        Engine.open(tmp_path / "index")


def test_a_directory_that_is_made_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("clew.engine.disk.sync_directory", synced.append)
    Engine.open(tmp_path / "a" / "b").close()
    assert synced == [tmp_path, tmp_path / "a"]
    Engine.open(tmp_path / "a" / "b").close()
    assert len(synced) == 2
