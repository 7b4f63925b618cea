"""What is interrupted goes on where it was: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew import ClientError, Index
from clew.tools import exporting, importing, jsonl, parquet, parquet_sink, server
from clew.tools.arrays import ArraySource
from clew.tools.exporting import export_to
from clew.tools.importing import STATE_FILE, Imported, import_into
from clew.tools.server import ServerSource
from clew.tools.sources import open_source
from held import held, served
from opening import TOKEN
from vectors import clustered

ROWS = 60


class Killed(BaseException):
    """Stands for the end of the process, which no code of the product may catch."""


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Three namespaces, one of them empty, and what was removed among what is there."""
    vectors = clustered(ROWS, 3, seed=5)
    with Index(tmp_path / "index", similarity_function="EUCLIDEAN") as index:
        index.upsert_arrays(range(ROWS), vectors, metadata=[{"i": i} for i in range(ROWS)])
        index.delete(["3", "4", "59"])
        index.upsert([("x", [1, 2, 3], None, "ü")], namespace="empty")
        index.upsert_arrays([f"b{i}" for i in range(25)], vectors[:25], namespace="b")
        index.delete("x", namespace="empty")
    return tmp_path / "index"


@pytest.fixture
def _small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (jsonl, parquet, server):
        monkeypatch.setattr(module, "ROWS_PER_STRETCH", 10)
    monkeypatch.setattr(exporting, "ROWS_FIRST", 8)
    monkeypatch.setattr(exporting, "ROWS_PER_PART", 8)
    monkeypatch.setattr(parquet_sink, "PIECE_BYTES", 600)
    monkeypatch.setattr(jsonl, "KEPT_BYTES", 600)


def killed_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, after: bool) -> None:
    """The `call`-th call of `owner.name` does not return, and is carried out or not."""
    whole, calls = getattr(owner, name), 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != call:
            return whole(*arguments, **named)
        if after:
            whole(*arguments, **named)
        raise Killed

    monkeypatch.setattr(owner, name, dying)


def import_it(where: str, to: Path, **options: Any) -> Imported:
    with closing(open_source(where)) as source:
        return import_into(to, source, **options)


STEPS = [
    (importing, "_upsert", 3, True),
    (importing, "_upsert", 5, False),
    (importing, "write_json", 2, False),
    (importing, "write_json", 4, True),
    (Index, "upsert", 1, True),
    (Index, "reset", 2, False),
    (importing.Path, "unlink", 1, False),
]
# What differs from source to source is where it goes on; what the target goes through does not.
TRIED = [
    *(("jsonl", step) for step in STEPS),
    *((form, STEPS[i]) for form in ("parquet", "server") for i in (1, 3)),
]


@pytest.mark.usefixtures("_small_stretches")
@pytest.mark.parametrize(("form", "step"), TRIED)
def test_an_import_goes_on(form: str, step: tuple[Any, str, int, bool], index: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        file = tmp_path / f"file.{form}"
        if form == "server":
            url, there = stack.enter_context(served(index))
        else:
            export_to(index, file, form)
            there = stack.enter_context(Index(index))

        def again() -> Imported:
            source = ServerSource(url, TOKEN, page=9) if form == "server" else open_source(str(file))
            with closing(source):
                return import_into(tmp_path / "to", source)

        with pytest.MonkeyPatch.context() as patched:
            killed_at(patched, *step)
            with pytest.raises(Killed):
                again()
        assert again() == Imported(records=ROWS - 3 + 25, held=ROWS - 3 + 25)
        with Index(tmp_path / "to") as made:
            assert held(made) == held(there)
        assert not (tmp_path / "to" / STATE_FILE).exists()


@pytest.mark.slow
def test_an_import_that_is_killed_goes_on(tmp_path: Path) -> None:
    rows, to = 10_500, tmp_path / "to"
    np.save(tmp_path / "v.npy", clustered(rows, 4, seed=2))
    command = [sys.executable, "-m", "clew.cli", "import", str(tmp_path / "v.npy"), "--to", str(to)]
    process = subprocess.Popen(command)
    until = time.monotonic() + 60
    while b'"done":8192' not in ((to / STATE_FILE).read_bytes() if (to / STATE_FILE).exists() else b""):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"10,500 records imported; {to} holds 10,500\n"
    with Index(to) as made:
        assert made.info().vector_count == rows
        [last] = made.range(str(rows - 1), 2, include_vectors=True).vectors
        assert (last.id, last.vector) == (
            str(rows - 1),
            [float(str(x)) for x in np.load(tmp_path / "v.npy")[-1]],
        )


def test_going_on_does_not_read_what_came_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tools.arrays.ROWS_PER_STRETCH", 10)
    np.save(tmp_path / "v.npy", clustered(50, 3, seed=1))
    with monkeypatch.context() as patched:
        killed_at(patched, importing, "_upsert", 4, False)
        with pytest.raises(Killed):
            import_it(str(tmp_path / "v.npy"), tmp_path / "to")
    places: list[Any] = []
    stretches = ArraySource.stretches
    monkeypatch.setattr(ArraySource, "stretches", lambda self, at: places.append(at) or stretches(self, at))
    advanced: list[int] = []

    class Shown:
        def __init__(self, total: int, done: int) -> None:
            advanced.extend([total, done])

        def __enter__(self) -> Callable[[int], None]:
            return advanced.append

        def __exit__(self, *error: object) -> None:
            pass

    import_it(str(tmp_path / "v.npy"), tmp_path / "to", shown=Shown)
    assert places == [{"row": 30}]
    assert advanced == [50, 30, 10, 10]


def test_an_interrupted_import_is_not_mixed_with_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tools.arrays.ROWS_PER_STRETCH", 10)
    for name in ("v", "w"):
        np.save(tmp_path / f"{name}.npy", clustered(30, 3, seed=1))
    with monkeypatch.context() as patched:
        killed_at(patched, importing, "_upsert", 2, False)
        with pytest.raises(Killed):
            import_it(str(tmp_path / "v.npy"), tmp_path / "to")
    with pytest.raises(
        ClientError, match=r"import of .*v\.npy into .*to was interrupted.* is another.*--restart"
    ):
        import_it(str(tmp_path / "w.npy"), tmp_path / "to")
    np.save(tmp_path / "v.npy", clustered(31, 3, seed=1))
    with pytest.raises(ClientError, match=r"this source has changed since"):
        import_it(str(tmp_path / "v.npy"), tmp_path / "to")
    assert import_it(str(tmp_path / "v.npy"), tmp_path / "to", restart=True) == Imported(31, 31)


EXPORT_STEPS = [
    ("write", 2, True),
    ("write", 7, False),
    ("keep", 3, True),
    ("finish", 1, False),
    ("finish", 1, True),
]


@pytest.mark.usefixtures("_small_stretches")
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
@pytest.mark.parametrize(("name", "call", "after"), EXPORT_STEPS)
def test_an_export_goes_on(form: str, name: str, call: int, after: bool, index: Path, tmp_path: Path) -> None:
    export_to(index, tmp_path / f"whole.{form}", form)
    file = tmp_path / f"file.{form}"
    with pytest.MonkeyPatch.context() as patched:
        killed_at(patched, exporting.SINKS[form], name, call, after)
        with pytest.raises(Killed):
            export_to(index, file, form)
    assert not file.exists()
    if call > 5 or name == "finish":
        assert (tmp_path / f"file.{form}.unfinished" / exporting.STATE_FILE).exists()
    assert export_to(index, file, form) == ROWS - 3 + 25
    assert file.read_bytes() == (tmp_path / f"whole.{form}").read_bytes()
    assert [path.name for path in tmp_path.glob("file*")] == [file.name]


@pytest.mark.usefixtures("_small_stretches")
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_an_export_of_what_has_changed_begins_anew(form: str, index: Path, tmp_path: Path) -> None:
    file = tmp_path / f"file.{form}"
    with pytest.MonkeyPatch.context() as patched:
        killed_at(patched, exporting.SINKS[form], "write", 7, False)
        with pytest.raises(Killed):
            export_to(index, file, form)
    with Index(index) as opened:
        opened.upsert([("0", [9, 9, 9])])
        expected = held(opened)
    export_to(index, file, form)
    import_it(str(file), tmp_path / "to")
    with Index(tmp_path / "to") as made:
        assert held(made) == expected
