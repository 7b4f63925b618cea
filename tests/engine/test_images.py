"""A directory that is opened again takes its graphs from images, and the records stay the truth."""

from __future__ import annotations

import logging
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from clew._core import DamagedImage
from clew.commands import (
    Compact,
    Delete,
    DeleteNamespace,
    FetchNext,
    Include,
    Query,
    Range,
    Record,
    RenameNamespace,
    Reset,
    StartQuery,
    Upsert,
    UpsertArrays,
)
from clew.engine import images
from clew.engine.engine import Engine
from clew.engine.generation import Generation
from clew.engine.image import UnfitImage, encode_note, read_image
from clew.engine.memory import memory_bytes
from clew.engine.verify import verify
from clew.types import IndexType, SparseVector, WeightingStrategy
from engine_calls import fetch_ids, start
from vectors import clustered

N = 2_300
ROWS = clustered(N + 500, 8, seed=4)
ODD = "ns/ü 🦊\n.."


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that was closed: N records, and as many in a namespace with an odd name."""
    directory = tmp_path_factory.mktemp("filled") / "index"
    engine = Engine.open(directory)
    for namespace in ("", ODD):
        put(engine, 0, N, namespace)
    engine.close()
    return directory


@pytest.fixture
def directory(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "index"))


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each change handed to a graph."""
    counts: list[int] = []
    apply = Generation.apply

    def counted(self: Generation, ids: Any, *rest: Any) -> None:
        counts.append(len(ids))
        apply(self, ids, *rest)

    monkeypatch.setattr(Generation, "apply", counted)
    return counts


def put(engine: Engine, first: int, end: int, namespace: str = "", shift: int = 0) -> dict[str, int]:
    """Upsert records with the rows that are `shift` further on; which row each has."""
    names = tuple(f"n{i}" for i in range(first, end))
    metadata = tuple({"i": i} for i in range(first, end))
    engine.execute(UpsertArrays(names, ROWS[first + shift : end + shift], metadata, namespace=namespace))
    return dict(zip(names, range(first + shift, end + shift), strict=True))


ALL = {f"n{i}": i for i in range(N)}


def require(engine: Engine, expected: dict[str, int], namespace: str = "") -> None:
    """It holds records with these rows and no others, however it is asked."""
    cursor, records = "0", []
    while cursor:
        page = engine.execute(Range(cursor, 1000, None, Include(vectors=True), namespace))
        records += page.vectors
        cursor = page.next_cursor
    assert len(records) == len(expected)
    if expected:
        vectors = np.array([one.vector for one in records])
        np.testing.assert_allclose(vectors, ROWS[[expected[one.id] for one in records]], rtol=1e-5)
    uuid, hits = engine.execute(StartQuery(Query(ROWS[7], top_k=5, namespace=namespace), 60.0))
    assert sorted([hit.id for hit in hits] + rest(engine, uuid)) == sorted(expected)
    for id in list(expected)[::97]:
        [hit] = engine.execute(
            Query(ROWS[expected[id]], top_k=1, filter=f"i = {id[1:]}", namespace=namespace)
        )
        assert (hit.id, hit.score) == (id, pytest.approx(1.0))
        assert engine.execute(Query(ROWS[expected[id]], top_k=1, namespace=namespace))[0].score > 0.999


def rest(engine: Engine, uuid: str) -> list[str]:
    found: list[str] = []
    while batch := fetch_ids(engine, uuid, 500):
        found += batch
    return found


def answers(engine: Engine, namespace: str = "") -> list[Any]:
    include = Include(metadata=True, vectors=True)
    asked = [Query(row, top_k=10, namespace=namespace, include=include) for row in ROWS[::100]]
    return [engine.execute(query) for query in asked]


def killed(engine: Engine, directory: Path, copy: Path) -> Path:
    """What would be on the disk if the process ended here."""
    engine._parts.upkeep._background.close()
    return Path(shutil.copytree(directory, copy))


def opened(directory: Path, expected: dict[str, int], **options: Any) -> None:
    """Open it, require that it holds this, and close it."""
    engine = Engine.open(directory, **options)
    require(engine, expected)
    engine.close()


def image(directory: Path, number: int = 1) -> Path:
    return directory / f"clew.{number}.image"


def written(directory: Path) -> tuple[int, int]:
    """Tells an image from another that took its place."""
    status = image(directory).stat()
    return status.st_ino, status.st_mtime_ns


# -- nothing is linked twice


@pytest.mark.parametrize("mapped", [None, True])
def test_an_index_closed_and_opened_links_nothing_and_answers_the_same(
    mapped: bool | None, tmp_path: Path, linked: list[int]
) -> None:
    engine = Engine.open(tmp_path)
    for namespace in ("", ODD):
        put(engine, 0, N, namespace)
    before = answers(engine), answers(engine, ODD)
    engine.close()
    assert linked == [N, N]
    engine = Engine.open(tmp_path, mapped=mapped)
    assert (answers(engine), answers(engine, ODD)) == before
    require(engine, ALL)
    require(engine, ALL, ODD)
    engine.close()
    assert linked == [N, N]


def test_a_close_without_changes_leaves_the_images_as_they_are(directory: Path) -> None:
    before = written(directory)
    opened(directory, ALL)
    assert written(directory) == before


def test_what_was_written_after_an_image_is_linked_and_nothing_else(
    directory: Path, tmp_path: Path, linked: list[int]
) -> None:
    engine = Engine.open(directory)
    expected = ALL | put(engine, N, N + 30) | put(engine, 100, 120, shift=400)
    engine.execute(Delete(ids=("n5", "n110", f"n{N + 3}")))
    for id in ("n5", "n110", f"n{N + 3}"):
        del expected[id]
    copy = killed(engine, directory, tmp_path / "copy")
    engine.close()
    linked.clear()
    opened(copy, expected)
    assert sum(linked) == 29 + 19
    linked.clear()
    opened(copy, expected)
    assert linked == []


def test_few_records_after_an_image_do_not_make_another(directory: Path, linked: list[int]) -> None:
    before = written(directory)
    engine = Engine.open(directory)
    expected = ALL | put(engine, N, N + 5)
    engine.close()
    assert written(directory) == before
    linked.clear()
    opened(directory, expected)
    assert linked == [5]


def test_records_removed_and_purged_after_an_image_are_not_found(
    directory: Path, tmp_path: Path, linked: list[int]
) -> None:
    engine = Engine.open(directory)
    expected = ALL | put(engine, N, N + 10)
    engine.execute(Delete(filter="i >= 300 AND i < 450"))
    for i in range(300, 450):
        del expected[f"n{i}"]
    engine.execute(Compact())  # the image is of a generation that is gone, and the removed rows are purged
    expected |= put(engine, N + 10, N + 15)
    copy = killed(engine, directory, tmp_path / "copy")
    engine.close()
    linked.clear()
    opened(copy, expected)
    assert linked == [15]
    opened(directory, expected)  # its close made another image
    assert linked == [15]


@pytest.mark.parametrize(("left", "used"), [(1000, True), (40, False)])
def test_an_image_of_which_almost_all_is_gone_is_not_used(
    left: int, used: bool, directory: Path, tmp_path: Path, linked: list[int]
) -> None:
    engine = Engine.open(directory)
    engine.execute(Delete(filter=f"i >= {left}"))
    copy = killed(engine, directory, tmp_path / "copy")
    engine.close()
    linked.clear()
    opened(copy, {f"n{i}": i for i in range(left)})
    assert linked == ([] if used else [left])
    assert used or not image(copy).exists()


def test_an_image_with_tombstones_is_used_and_they_stay_gone(tmp_path: Path, linked: list[int]) -> None:
    engine = Engine.open(tmp_path)
    put(engine, 0, N)
    expected = ALL | put(engine, 50, 80, shift=300)
    engine.execute(Delete(ids=("n60", "n1000")))
    del expected["n60"], expected["n1000"]
    engine.close()
    linked.clear()
    opened(tmp_path, expected)
    assert linked == []


def test_open_queries_go_on_over_an_image(directory: Path, linked: list[int]) -> None:
    engine = Engine.open(directory)
    uuids = [start(engine, *ROWS[i].tolist(), top_k=3) for i in range(3)]
    first = [fetch_ids(engine, uuid, 200) for uuid in uuids]
    engine.execute(Delete(filter="i < 400"))
    put(engine, 500, 900, shift=100)
    put(engine, N, N + 100)
    engine.close()
    linked.clear()
    engine = Engine.open(directory)
    assert linked == []
    for i, uuid in enumerate(uuids):
        assert fetch_ids(engine, uuid, 50) == [hit.id for hit in engine.execute(FetchNext(uuid, 50, 2))]
        left = [hit.id for hit in engine.execute(FetchNext(uuid, 50, 2))] + rest(engine, uuid)
        assert len(left) == N - 3 - 200
        assert len({*left, *first[i]}) == N - 3
    engine.close()


@pytest.mark.parametrize("kind", [IndexType.HYBRID, IndexType.SPARSE])
def test_an_index_with_sparse_vectors_is_the_same_after_an_opening(
    kind: IndexType, tmp_path: Path, linked: list[int]
) -> None:
    def record(i: int) -> Record:
        sparse = SparseVector([i % 50, 50 + i % 7, 100], [1.0, 0.5 + i % 3, 0.25])
        return Record(f"n{i}", ROWS[i] if kind is IndexType.HYBRID else None, sparse)

    sparse = SparseVector([3, 52, 100], [1.0, 2.0, 0.5])
    asked = Query(
        ROWS[9] if kind is IndexType.HYBRID else None,
        sparse_vector=sparse,
        top_k=20,
        weighting_strategy=WeightingStrategy.IDF,
    )
    engine = Engine.open(tmp_path / "index", type=kind)
    engine.execute(Upsert(tuple(map(record, range(N)))))
    engine.execute(Delete(ids=("n3", "n53", "n10")))
    engine.close()
    linked.clear()
    engine = Engine.open(tmp_path / "index")
    assert sum(linked) == (N - 3 if kind is IndexType.SPARSE else 0)
    engine.execute(Upsert(tuple(map(record, (*range(N, N + 7), 10)))))
    engine.execute(Delete(ids=("n103", "n152")))
    before = engine.execute(asked)
    copy = killed(engine, tmp_path / "index", tmp_path / "copy")
    engine.close()
    engine = Engine.open(copy)
    assert engine.execute(asked) == before
    uuid, hits = engine.execute(StartQuery(asked, 60.0))
    found = [hit.id for hit in hits] + rest(engine, uuid)
    alive = {f"n{i}" for i in range(N + 7)} - {"n3", "n53", "n103", "n152"}
    assert sorted(found) == sorted(alive)
    engine.close()


# -- images that cannot be used


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


# -- when they are made, and when they go


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
    engine.backup(tmp_path / "copy")
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


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


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
