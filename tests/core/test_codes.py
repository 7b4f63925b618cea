"""int8 codes: a walk and a scan that go by them return what floats would."""

from __future__ import annotations

import numpy as np
import pytest

from clew import _core
from vectors import NONE, brute_force, clustered

METRICS = ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"]


def rows_of(kind: str, dimension: int, count: int = 2100) -> np.ndarray:
    rng = np.random.default_rng(dimension)
    rows = rng.standard_normal((count, dimension))
    if kind == "heavy tails":
        rows = np.sign(rows) * np.abs(rows) ** 3
    elif kind == "norms of all sizes":
        rows *= np.exp(1.5 * rng.standard_normal((count, 1)))
    elif kind == "far from the origin":
        rows += 50
    elif kind == "copies and zeros":
        rows[100:200] = rows[7]
        rows[300:310] = 0
    elif kind == "bytes":
        rows = np.clip(np.round(rows * 40 + 100), 0, 255)
    return rows.astype(np.float32)


KINDS = ["normal", "heavy tails", "norms of all sizes", "far from the origin", "copies and zeros", "bytes"]


def pages(cursor: _core.Cursor, size: int) -> list[int]:
    slots: list[int] = []
    while len(batch := cursor.next(size)[0]):
        slots += batch.tolist()
    return slots


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_by_codes_has_the_exact_order_of_floats(metric: str, kind: str) -> None:
    rows = rows_of(kind, 40)
    coded = _core.Graph(40, metric, ef_construction=16)
    plain = _core.Graph(40, metric, link_min=1 << 30)
    coded.apply(rows, NONE, 1, 2)
    plain.apply(rows, NONE, 1)
    queries = [*rows_of("normal", 41)[:3, :40], rows[7], rows[300], 1e6 * rows[5]]
    for query in np.ascontiguousarray(queries, np.float32):
        truth = plain.search(query, len(rows), exact=True)[0].tolist()
        for size in (10, 130, 1000):
            assert pages(coded.cursor(query, exact=True), size) == truth
        assert coded.search(query, 10, exact=True)[0].tolist() == truth[:10]


@pytest.mark.parametrize("metric", METRICS)
def test_a_scan_by_coarse_halves_gives_all_in_the_order_of_floats(metric: str) -> None:
    rows = clustered(12_000, 64, seed=8)
    rows[::400] *= 9  # wild
    graph = _core.Graph(64, metric, ef_construction=16)
    graph.apply(rows, NONE, 1, 2)
    graph.apply(rows[:0], np.arange(0, 12_000, 7, dtype=np.uint32), 2)
    graph.scan_cost = 0
    draw = np.random.default_rng(8)
    masks = [np.ones(12_032, bool), draw.random(12_032) < 0.7, draw.random(12_032) < 0.7]
    masks[2][4096:] = False  # much here, nothing there
    for mask in masks:
        allowed = np.packbits(mask, bitorder="little").view(np.uint64)
        truth = graph.search(rows[5], 12_000, allowed=allowed, exact=True)[0].tolist()
        for size in (10, 130):
            assert pages(graph.cursor(rows[5], allowed=allowed), size) == truth
        assert graph.search(rows[5], 100, allowed=allowed)[0].tolist() == truth[:100]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimension", [33, 100])
def test_a_walk_by_codes_finds_what_a_walk_by_floats_finds(metric: str, dimension: int) -> None:
    rows = clustered(2380, dimension, seed=5)
    rows, queries = rows[:2300], rows[2300:]
    tops = [brute_force(rows, query, metric)[1][9] for query in queries]
    found = {}
    for codes in (True, False):
        graph = _core.Graph(dimension, metric, codes=codes, ef_construction=32)
        graph.apply(rows, NONE, 1, 2)
        graph.scan_cost = 1e9
        assert graph.coded == codes
        distances = [graph.search(query, 10, 48)[1] for query in queries]
        hits = [d <= top + 1e-5 * abs(top) + 1e-7 for d, top in zip(distances, tops, strict=True)]
        found[codes] = np.mean(hits)
    assert found[True] >= found[False] - 0.01


def test_distances_are_those_of_the_floats() -> None:
    rows = clustered(3000, 48, seed=6)
    graph = _core.Graph(48, "COSINE", ef_construction=64)
    graph.apply(rows, NONE, 1)
    graph.scan_cost = 1e9
    assert graph.coded
    for slot in (0, 17, 2999):
        slots, distances = graph.search(rows[slot], 5, 64)
        assert slots[0] == slot
        assert distances[0] == -1.0
        wide = rows[slots].astype(np.float64)
        query = rows[slot].astype(np.float64)
        cosines = wide @ query / np.linalg.norm(wide, axis=1) / np.linalg.norm(query)
        np.testing.assert_allclose(-distances, cosines, atol=1e-6)


def test_codes_follow_vectors_that_move_away() -> None:
    here, there = clustered(2400, 40, seed=7), 300 + 20 * clustered(1800, 40, seed=8)
    graph = _core.Graph(40, "EUCLIDEAN", ef_construction=64)
    graph.apply(here, NONE, 1, 2)
    early = graph.cursor(here[3])
    first = early.next(50)[0].tolist()
    for seq, start in enumerate(range(0, 1800, 200), 2):
        graph.apply(there[start : start + 200], NONE, seq, 2)
    graph.scan_cost = 1e9
    rows = np.concatenate([here, there])
    hits = [slot in graph.search(rows[slot], 3, 32)[0] for slot in range(0, 4200, 42)]
    assert np.mean(hits) > 0.97
    # A query begun before goes on in what it saw.
    assert sorted(first + pages(early, 100)) == list(range(2400))


def test_vectors_that_a_grid_cannot_tell_apart_keep_to_floats() -> None:
    rng = np.random.default_rng(9)
    centers = 1000 * rng.standard_normal((150, 40))
    rows = (centers[rng.integers(150, size=3000)] + 0.01 * rng.standard_normal((3000, 40))).astype(np.float32)
    graph = _core.Graph(40, "EUCLIDEAN", ef_construction=64)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    assert not graph.coded
    assert np.mean([graph.search(rows[slot], 1, 64)[0][0] == slot for slot in range(0, 3000, 30)]) > 0.97


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-30, 1e18])
def test_huge_and_tiny_components_lose_nothing(metric: str, scale: float) -> None:
    rows = (clustered(2200, 40, seed=10).astype(np.float64) * scale).astype(np.float32)
    graph = _core.Graph(40, metric, ef_construction=32)
    graph.apply(rows, NONE, 1, 2)
    assert sorted(graph.search(rows[5], 2200, exact=True)[0].tolist()) == list(range(2200))
    assert sorted(pages(graph.cursor(rows[5]), 100)) == list(range(2200))


def test_one_vector_in_the_middle_of_all_does_not_break_the_graph() -> None:
    rows = rows_of("normal", 64, 3000)
    rows[100] = 0
    graph = _core.Graph(64, "EUCLIDEAN")
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    queries = np.random.default_rng(11).standard_normal((50, 64)).astype(np.float32)
    tops = [set(brute_force(rows, query, "EUCLIDEAN")[0][:10].tolist()) for query in queries]
    found = [
        len(top & set(graph.search(q, 10, 128)[0].tolist())) for q, top in zip(queries, tops, strict=True)
    ]
    assert np.mean(found) > 9


@pytest.mark.slow
def test_late_finds_are_rare_in_batches_by_codes() -> None:
    # Without clusters distances differ little, so that codes often put a row behind one that is farther.
    rows = np.random.default_rng(1).standard_normal((12_000, 40)).astype(np.float32)
    graph = _core.Graph(40, "EUCLIDEAN")
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    assert graph.coded
    late = 0
    for query in rows[::600] + np.float32(0.01):
        cursor, farthest = graph.cursor(query), -np.inf
        for _ in range(60):
            _, distances = cursor.next(10)
            late += int(np.count_nonzero(distances < farthest))
            farthest = max(farthest, float(distances[-1]))
    assert late <= 20 * 600 / 100
