"""Vectors that stay in the file of an image."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew.commands import (
    UpsertArrays,
)
from clew.engine import images
from clew.engine.engine import Engine
from clew.engine.image import read_image
from clew.engine.memory import memory_bytes
from image_calls import (
    ALL,
    N,
    opened,
    put,
    require,
)


@pytest.mark.parametrize(("memory", "maps"), [(1 << 10, True), (1 << 40, False)])
def test_vectors_that_would_take_most_of_the_memory_stay_in_the_file(
    memory: int, maps: bool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = []

    def read(path: Path, *, mapped: bool, seen: list[bool] = mapped) -> Any:
        seen.append(mapped)
        return read_image(path, mapped=mapped)

    monkeypatch.setattr("clew.engine.memory.memory_bytes", lambda: memory)
    monkeypatch.setattr(images, "read_image", read)
    opened(directory, ALL)
    assert mapped == [maps, maps]


def test_a_mapped_index_is_written_to_and_makes_images(directory: Path, linked: list[int]) -> None:
    expected = dict(ALL)
    for turn in range(2):
        engine = Engine.open(directory, mapped=True)
        first = N + 100 * turn
        expected |= put(engine, first, first + 100) | put(engine, 10 * turn, 10 * turn + 5, shift=300)
        require(engine, expected)
        engine.close()
    linked.clear()
    opened(directory, expected, mapped=True)
    assert linked == []


def test_the_memory_of_the_machine_is_known() -> None:
    assert 1 << 26 < memory_bytes() < 1 << 50


HELD = """
import sys
from clew import Index

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon"))

before = anonymous()
with Index(sys.argv[1], mapped=sys.argv[2] == "mapped", read_only=True) as index:
    assert index.query(vector=[1.0] + [0.0] * 2047, top_k=1)[0].id == "n7"
    print(anonymous() - before)
"""


@pytest.mark.slow
def test_vectors_that_are_mapped_take_no_memory_that_is_not_the_file(tmp_path: Path) -> None:
    n, dimension = 4_000, 2_048
    rows = np.random.default_rng(0).standard_normal((n, dimension)).astype(np.float32)
    rows[7, 0] = 1000
    engine = Engine.open(tmp_path)
    engine.execute(UpsertArrays(tuple(f"n{i}" for i in range(n)), rows))
    engine.close()
    held = {}
    for how in ("mapped", "read"):
        asked = [sys.executable, "-c", HELD, str(tmp_path), how]
        held[how] = int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert held["read"] - held["mapped"] > 0.7 * rows.nbytes
