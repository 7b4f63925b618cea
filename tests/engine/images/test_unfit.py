"""An image that cannot be used is made anew: the records stay the truth."""

from __future__ import annotations

import logging
import random
import shutil
from pathlib import Path

import msgspec
import pytest

from clew._core import DamagedImage
from clew.engine.engine import Engine
from clew.engine.image import UnfitImage, encode_note, read_image
from image_calls import (
    ALL,
    N,
    image,
    opened,
    put,
)


@pytest.mark.parametrize("how", ["cut", "bit", "empty", "other"])
def test_a_damaged_image_is_set_aside_with_a_warning_and_made_anew(
    how: str, directory: Path, linked: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    whole = image(directory).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 4
    content = {"cut": whole[:-100], "bit": bytes(damaged), "empty": b"", "other": bytes(10_000)}[how]
    image(directory).write_bytes(content)
    opened(directory, ALL)
    assert linked == [N]
    [warning] = caplog.records
    assert (warning.name, warning.levelno) == ("clew.images", logging.WARNING)
    assert f"{image(directory)} is damaged" in warning.getMessage()
    assert Path(f"{image(directory)}.damaged").read_bytes() == content
    linked.clear()
    opened(directory, ALL)
    assert linked == []


def test_no_cut_and_no_bit_is_taken_for_a_whole_image(directory: Path, tmp_path: Path) -> None:
    whole = image(directory).read_bytes()
    file = tmp_path / "image"
    draw = random.Random(8)
    for length in [*range(0, 300, 37), *(draw.randrange(len(whole)) for _ in range(40))]:
        file.write_bytes(whole[:length])
        with pytest.raises(DamagedImage):
            read_image(file, mapped=False)
    for _ in range(60):
        damaged = bytearray(whole)
        at = draw.randrange(len(whole))
        damaged[at] ^= 1 << draw.randrange(8)
        file.write_bytes(damaged)
        try:
            graph, note = read_image(file, mapped=False)
        except (DamagedImage, UnfitImage):
            continue
        graph.save(str(file), encode_note(note))  # the bit was between two sections
        assert file.read_bytes() == whole


def test_an_image_newer_than_the_records_is_not_used(
    directory: Path, tmp_path: Path, linked: list[int]
) -> None:
    old = shutil.copytree(directory, tmp_path / "old")
    engine = Engine.open(directory)
    put(engine, N, N + 400)
    engine.close()
    shutil.copy(image(directory), image(old))
    linked.clear()
    opened(old, ALL)
    assert linked == [N]


def test_an_image_of_a_history_that_was_undone_is_not_used(
    directory: Path, tmp_path: Path, linked: list[int]
) -> None:
    old = shutil.copytree(directory, tmp_path / "old")
    engine = Engine.open(directory)
    put(engine, N, N + 100)
    engine.close()
    expected = dict(ALL)
    for _ in range(2):  # as many commands as the other history, and more
        engine = Engine.open(old)
        expected |= put(engine, N, N + 100, shift=200)
        shutil.copy(image(directory), tmp_path / "image")
        engine.close()
        shutil.copy(tmp_path / "image", image(old))
        linked.clear()
        opened(old, expected)
        assert linked == [N + 100]


def test_an_image_of_another_index_is_not_used(directory: Path, tmp_path: Path, linked: list[int]) -> None:
    engine = Engine.open(tmp_path / "other")
    expected = put(engine, 0, N, shift=100)
    put(engine, 0, 10, "ns")
    engine.close()
    for number, source in ((1, image(directory)), (2, image(directory, 1))):
        shutil.copy(source, image(tmp_path / "other", number))
    linked.clear()
    opened(tmp_path / "other", expected)
    assert sorted(linked) == [10, N]


@pytest.mark.parametrize(("at", "length"), [(8, 4), (None, 1)], ids=["file", "note"])
def test_an_image_of_a_later_version_is_made_anew(
    at: int | None, length: int, directory: Path, linked: list[int]
) -> None:
    graph, note = read_image(image(directory), mapped=False)
    if at is None:
        graph.save(str(image(directory)), encode_note(msgspec.structs.replace(note, version=2)))
    else:
        content = bytearray(image(directory).read_bytes())
        content[at : at + length] = (2).to_bytes(length, "little")
        image(directory).write_bytes(content)
    opened(directory, ALL)
    assert linked == [N]
    linked.clear()
    opened(directory, ALL)
    assert linked == []
