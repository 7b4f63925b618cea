"""When images are made, and when they go."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from clew.commands import (
    Compact,
    Delete,
    DeleteNamespace,
    RenameNamespace,
    Reset,
)
from clew.engine import images
from clew.engine.engine import Engine
from clew.engine.generation import Generation
from clew.engine.sqlite import SqliteRecords
from clew.engine.verify import verify
from clew.tools.backup import backup
from image_calls import (
    ALL,
    ODD,
    N,
    image,
    killed,
    opened,
    put,
    require,
    wait_for,
    written,
)


def test_images_are_made_in_the_background_as_an_index_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: list[int]
) -> None:
    monkeypatch.setattr(images, "NEW_SLOTS_MIN", 100)
    engine = Engine.open(tmp_path / "index")
    put(engine, 0, 2_060)
    wait_for(image(tmp_path / "index").exists)
    first = written(tmp_path / "index")
    put(engine, 2_060, 2_200)
    put(engine, 2_200, N + 500)
    wait_for(lambda: written(tmp_path / "index") != first)
    copy = killed(engine, tmp_path / "index", tmp_path / "copy")
    engine.close()
    linked.clear()
    opened(copy, {f"n{i}": i for i in range(N + 500)})
    assert sum(linked) <= 600


def test_images_made_beside_a_writer_are_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "NEW_SLOTS_MIN", 20)
    monkeypatch.setattr(images, "NEW_SHARE_MIN", 0.0)
    engine = Engine.open(tmp_path / "index", durability="normal")
    expected = put(engine, 0, 2_100)
    for i in range(2_100, N + 500, 5):
        expected |= put(engine, i, i + 5)
        engine.execute(Delete(ids=(f"n{i - 2_100}",)))
        del expected[f"n{i - 2_100}"]
    wait_for(image(tmp_path / "index").exists)
    copy = killed(engine, tmp_path / "index", tmp_path / "copy")
    engine.close()
    opened(copy, expected)


@pytest.mark.parametrize(
    ("where", "step"), [(Generation, "compacted"), (SqliteRecords, "purge"), (images, "save")]
)
def test_a_close_in_the_middle_of_upkeep_leaves_an_image_that_fits(
    where: Any, step: str, directory: Path, monkeypatch: pytest.MonkeyPatch, linked: list[int]
) -> None:
    monkeypatch.setattr(images, "NEW_SLOTS_MIN", 0)
    monkeypatch.setattr(images, "NEW_SHARE_MIN", 0.0)
    done, begun = getattr(where, step), threading.Event()

    def closed_meanwhile(*arguments: Any) -> Any:
        begun.set()
        wait_for(lambda: engine._parts.upkeep._background.closed)
        return done(*arguments)

    monkeypatch.setattr(where, step, closed_meanwhile)
    engine = Engine.open(directory)
    expected = ALL | put(engine, N, N + 400)
    engine.execute(Delete(filter="i < 1500"))
    assert begun.wait(20)
    engine.close()
    monkeypatch.setattr(where, step, done)
    linked.clear()
    opened(directory, {id: row for id, row in expected.items() if row >= 1500})
    assert linked == []


def test_an_image_of_a_namespace_that_only_earlier_processes_changed_is_used(
    directory: Path, linked: list[int]
) -> None:
    image(directory).unlink()  # as where a process ended before it made one
    engine = Engine.open(directory)
    put(engine, 0, 10, "another")
    engine.close()
    assert verify(directory).remarks == ()
    linked.clear()
    opened(directory, ALL)
    assert linked == [10]


def test_an_image_of_a_namespace_that_was_only_compacted_is_used(directory: Path, linked: list[int]) -> None:
    engine = Engine.open(directory)
    engine.execute(Delete(filter="i < 300"))
    put(engine, N, N + 400)  # so many that the close makes an image, with the tombstones
    engine.close()
    engine = Engine.open(directory)
    put(engine, 0, 10, "another")
    before = written(directory)
    engine.execute(Compact())
    engine.close()
    assert written(directory) != before
    linked.clear()
    opened(directory, {f"n{i}": i for i in range(300, N + 400)})
    assert linked == [10]


def test_images_go_with_their_namespaces(directory: Path) -> None:
    engine = Engine.open(directory)
    put(engine, 0, N, "kept")
    number = engine._catalog.namespaces["kept"].number
    engine.execute(RenameNamespace("kept", "renamed"))
    engine.execute(Reset())
    engine.execute(DeleteNamespace(ODD))
    wait_for(lambda: not image(directory, 1).exists() and not image(directory, 2).exists())
    engine.close()
    assert sorted(path.name for path in directory.glob("*image*")) == [image(directory, number).name]
    engine = Engine.open(directory)
    require(engine, {})
    require(engine, ALL, "renamed")
    engine.close()


def test_what_is_left_of_images_is_removed_at_an_opening(directory: Path) -> None:
    left = [directory / name for name in ("clew.1.image.new", "clew.77.image", "clew.77.image.damaged")]
    for path in left:
        path.write_bytes(b"half")
    others = [directory / name for name in ("clew.x.image", "clew.1.image.mine")]
    for path in others:
        path.write_bytes(b"not ours")
    opened(directory, ALL, read_only=True)
    assert all(path.exists() for path in left)
    opened(directory, ALL)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_a_reader_uses_images_and_makes_none(directory: Path, linked: list[int]) -> None:
    opened(directory, ALL, read_only=True)
    assert linked == []
    image(directory).write_bytes(b"damaged")
    image(directory, 2).unlink()
    before = sorted(path.name for path in directory.iterdir())
    opened(directory, ALL, read_only=True)
    assert sorted(linked) == [N, N]
    assert sorted(path.name for path in directory.iterdir()) == before


def test_small_namespaces_and_indexes_in_memory_have_no_images(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    put(engine, 0, 500)
    engine.close()
    assert list(tmp_path.glob("*image*")) == []
    engine = Engine.open()
    put(engine, 0, N)
    engine.close()


def test_a_backup_holds_no_images_and_makes_its_own(directory: Path, tmp_path: Path) -> None:
    engine = Engine.open(directory)
    backup(directory, tmp_path / "copy")
    engine.close()
    assert not list((tmp_path / "copy").glob("*image*"))
    opened(tmp_path / "copy", ALL)
    assert image(tmp_path / "copy").exists()
    assert verify(tmp_path / "copy").problems == ()


def test_after_a_write_that_failed_half_way_no_image_is_made(directory: Path) -> None:
    before = written(directory)
    engine = Engine.open(directory)
    put(engine, N, N + 400)
    engine._catalog.poisoned = True
    engine.close()
    assert written(directory) == before
