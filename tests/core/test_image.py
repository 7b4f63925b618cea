"""A graph as a file and back."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np
import pytest

from clew import _core
from vectors import NONE, clustered

METRICS = ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"]


def graph_of(metric: str, dimension: int = 40, count: int = 2600) -> tuple[_core.Graph, np.ndarray]:
    rows = clustered(count, dimension, seed=31)
    rows[100:140] = rows[5]  # copies
    rows[200:203] = 0
    rows[300] = 1e-30  # kept apart under cosine, where it is rescaled
    graph = _core.Graph(dimension, metric, ef_construction=32)
    graph.apply(rows, NONE, 7, 2)
    graph.apply(rows[:0], np.arange(1000, 1100, dtype=np.uint32), 9)
    return graph, rows


# To be read only.
SHARED = functools.cache(graph_of)


def pages(graph: _core.Graph, query: np.ndarray) -> list[int]:
    cursor, slots = graph.cursor(query), []
    while len(batch := cursor.next(70)[0]):
        slots += batch.tolist()
    return slots


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("dimension", [5, 40])
def test_what_was_saved_comes_back(metric: str, mapped: bool, dimension: int, tmp_path: Path) -> None:
    graph, rows = SHARED(metric, dimension)
    graph.save(str(tmp_path / "image"), b"a note \x00")
    loaded, note = _core.Graph.load(str(tmp_path / "image"), mapped)
    assert note == b"a note \x00"
    assert (loaded.size, loaded.live, loaded.linked, loaded.coded) == (2600, 2500, True, graph.coded)
    every = np.arange(2600, dtype=np.uint32)
    assert loaded.rows(every).tobytes() == graph.rows(every).tobytes()
    for query in rows[::400]:
        for a, b in zip(graph.search(query, 20, 64), loaded.search(query, 20, 64), strict=True):
            assert a.tolist() == b.tolist()
        assert sorted(pages(loaded, query)) == sorted(pages(graph, query))


def test_a_loaded_graph_grows_on(tmp_path: Path) -> None:
    graph, _ = SHARED("EUCLIDEAN", 40)
    graph.save(str(tmp_path / "image"))
    more = clustered(5600, 40, seed=32)[2600:]
    for mapped in (False, True):
        loaded, _ = _core.Graph.load(str(tmp_path / "image"), mapped)
        assert loaded.apply(more, np.arange(50, dtype=np.uint32), 10, 2) == 2600
        loaded.scan_cost = 1e9
        assert np.mean([2600 + i in loaded.search(more[i], 5, 32)[0] for i in range(0, 3000, 30)]) > 0.97
        assert loaded.compact(2)[0].live == 2500 - 50 + 3000


def test_a_small_graph_has_an_image_too(tmp_path: Path) -> None:
    for count in (0, 1, 100):
        graph = _core.Graph(3, "COSINE")
        graph.apply(clustered(count, 3, seed=1), NONE, 1)
        graph.save(str(tmp_path / "image"))
        loaded, note = _core.Graph.load(str(tmp_path / "image"), mapped=True)
        assert (loaded.size, loaded.linked, note) == (count, False, b"")


def test_saving_beside_a_writer_keeps_what_was_visible(tmp_path: Path) -> None:
    graph, rows = graph_of("COSINE")
    more = clustered(4600, 40, seed=33)[2600:]
    done = threading.Event()

    def write() -> None:
        for seq, start in enumerate(range(0, 2000, 40), 10):
            graph.apply(more[start : start + 40], NONE, seq)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    saved = 0
    while not done.is_set() or saved == 0:
        graph.save(str(tmp_path / "image"))
        loaded, _ = _core.Graph.load(str(tmp_path / "image"))
        assert loaded.live == loaded.size - 100
        assert len(pages(loaded, rows[9])) == loaded.live
        saved += 1
    writer.join()


def test_any_bit_that_is_wrong_is_seen(tmp_path: Path) -> None:
    graph, _ = SHARED("COSINE", count=2100)
    path = tmp_path / "image"
    graph.save(str(path), b"note")
    whole = path.read_bytes()
    places = np.random.default_rng(3).integers(len(whole), size=60).tolist()
    for place in [*range(0, 200, 7), *places]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            loaded, note = _core.Graph.load(str(path))
        except _core.DamagedImage:
            continue
        # Between sections lies nothing.
        loaded.save(str(tmp_path / "again"), note)
        assert (tmp_path / "again").read_bytes() == whole


def test_half_a_file_and_no_file_are_refused(tmp_path: Path) -> None:
    graph, _ = SHARED("COSINE", count=2100)
    path = tmp_path / "image"
    graph.save(str(path))
    whole = path.read_bytes()
    for length in (0, 10, 4095, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        for mapped in (False, True):
            with pytest.raises(_core.DamagedImage):
                _core.Graph.load(str(path), mapped)
    with pytest.raises(FileNotFoundError):
        _core.Graph.load(str(tmp_path / "absent"))
    with pytest.raises(OSError, match="directory"):
        graph.save(str(tmp_path))
