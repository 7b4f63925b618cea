"""`clew import`, `export`, `check`, `compact` and `backup`, as they are typed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import apsw
import numpy as np
import pytest

from clew import Index, cli
from clew.engine.generation import Generation
from held import held, served
from opening import TOKEN


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def index() -> None:
    with Index("films") as index:
        index.upsert([("a", [1, 0], {"n": 1}, "text"), ("b", [0, 1])])
        index.upsert([("a", [1, 1])], namespace="n")


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_an_export_and_an_import_move_an_index(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "films", "--to", form]) == 0
    assert cli.main(["import", f"films.{form}", "--to", "copy"]) == 0
    assert capsys.readouterr().out == (
        f"3 records exported to films.{form}\n3 records imported; copy holds 3\n"
    )
    with Index("films") as before, Index("copy") as after:
        assert held(after) == held(before)


@pytest.mark.usefixtures("index")
def test_moving_from_a_server_is_one_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(Path("films")) as (url, there):
        assert cli.main(["import", url, "--token", TOKEN, "--to", "typed"]) == 0
        monkeypatch.setenv("UPSTASH_VECTOR_REST_TOKEN", TOKEN)
        assert cli.main(["import", url, "--to", "from-the-environment", "--page", "1"]) == 0
        with Index("typed") as one, Index("from-the-environment") as other:
            assert held(one) == held(other) == held(there)
        monkeypatch.delenv("UPSTASH_VECTOR_REST_TOKEN")
        assert cli.main(["import", url, "--to", "denied"]) == 1
    assert "Unauthorized" in capsys.readouterr().err
    assert not Path("denied").exists()


def test_options_of_an_import_reach_it(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("v.npy", np.eye(2))
    command = ["import", "v.npy", "--to", "to", "--namespace", "n", "--similarity-function", "EUCLIDEAN"]
    assert cli.main(command) == 0
    with Index("to") as index:
        assert index.info().similarity_function == "EUCLIDEAN"
        assert index.info().namespaces["n"].vector_count == 2
    assert cli.main(["import", "v.npy", "--to", "to", "--similarity-function", "COSINE"]) == 1
    assert "was created with EUCLIDEAN, not COSINE" in capsys.readouterr().err


@pytest.mark.usefixtures("index")
def test_an_export_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "films", "--to", "jsonl", "--output", "x.jsonl"]) == 0
    assert Path("x.jsonl").read_text().startswith('{"clew":{"format":1,')
    assert cli.main(["export", "films", "--to", "jsonl", "--output", "x.jsonl"]) == 1
    assert "x.jsonl exists already" in capsys.readouterr().err


@pytest.mark.usefixtures("index")
def test_an_index_that_is_open_can_be_exported_checked_and_backed_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Index("films") as index:
        for command in (
            ["export", "films", "--to", "jsonl"],
            ["check", "films"],
            ["backup", "films", "copy"],
        ):
            assert cli.main(command) == 0
        with Index("copy") as copy:
            assert held(copy) == held(index)
    assert "films is whole: 3 records in 2 namespaces" in capsys.readouterr().out


@pytest.mark.usefixtures("index")
def test_a_check_that_finds_something_says_what_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    connection = apsw.Connection("films/clew.sqlite")
    connection.execute("DELETE FROM vectors WHERE row = 1")
    connection.close()
    assert cli.main(["check", "films"]) == 1
    said = capsys.readouterr()
    assert said.out == "a record has no vector: row 1, id 'a'\n"
    assert said.err == "clew: films: expected an index that is whole, found 1 problem\n"


def test_compacting_makes_an_index_smaller(capsys: pytest.CaptureFixture[str]) -> None:
    with Index("films") as index:
        index.upsert_arrays(range(2000), np.random.default_rng(0).standard_normal((2000, 64)))
        index.delete([str(i) for i in range(1900)][:1000])
        index.delete([str(i) for i in range(1000, 1900)])
        before = held(index)
    size = Path("films/clew.sqlite").stat().st_size
    assert cli.main(["compact", "films"]) == 0
    assert capsys.readouterr().out.startswith("films takes ")
    assert Path("films/clew.sqlite").stat().st_size < size / 3
    with Index("films") as index:
        assert held(index) == before


def test_a_compaction_interrupted_by_hand_ends_at_once_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index("films") as index:
        index.upsert_arrays(range(4000), np.random.default_rng(0).standard_normal((4000, 8)))
        index.delete([str(i) for i in range(1000)])
        before = held(index)
    compacted = Generation.compacted

    def interrupted(self: Generation, threads: int) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            compacted(self, threads)
        return pytest.fail("the compaction goes on")

    with monkeypatch.context() as patched:
        patched.setattr(Generation, "compacted", interrupted)
        # A shell starts what runs in the background with this signal ignored, and so these tests perhaps.
        heard = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            assert cli.main(["compact", "films"]) == 130
        finally:
            signal.signal(signal.SIGINT, heard)
    assert "interrupted: nothing is lost" in capsys.readouterr().err
    with Index("films") as index:
        assert held(index) == before


@pytest.mark.parametrize("command", [["check"], ["compact"], ["backup", "copy"], ["export", "--to", "jsonl"]])
def test_what_needs_an_index_does_not_make_one(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for directory, message in (("nowhere", "no directory nowhere"), ("empty", "empty holds no index")):
        assert cli.main([command[0], directory, *command[1:]]) == 1
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_interruption_by_hand_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("v.npy", np.eye(2))

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("clew.tools.importing._upsert", interrupted)
        assert cli.main(["import", "v.npy", "--to", "to"]) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert cli.main(["import", "v.npy", "--to", "to"]) == 0
