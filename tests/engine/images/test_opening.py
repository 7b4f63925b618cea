"""A directory that is opened again takes its graphs from images, and links nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.commands import (
    Compact,
    Delete,
    FetchNext,
    Query,
    Record,
    StartQuery,
    Upsert,
)
from clew.engine.engine import Engine
from clew.types import IndexType, SparseVector, WeightingStrategy
from engine_calls import fetch_ids, start
from image_calls import (
    ALL,
    ODD,
    ROWS,
    N,
    answers,
    image,
    killed,
    opened,
    put,
    require,
    rest,
    written,
)


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
