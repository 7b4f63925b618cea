"""The graph: what can be seen of it, how well it is found, what removing leaves."""

from __future__ import annotations

import numpy as np
import pytest

from clew import _core
from vectors import NONE, bitmap, brute_force, clustered

METRICS = ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"]


def recall(
    graph: _core.Graph, rows: np.ndarray, queries: np.ndarray, metric: str, k: int = 10, ef: int = 64
) -> float:
    found = 0
    for query in queries:
        _, distances = graph.search(query, k, ef)
        limit = brute_force(rows, query, metric)[1][k - 1]
        found += int(np.count_nonzero(distances <= limit + 1e-5 * abs(limit) + 1e-7))
    return found / (k * len(queries))


@pytest.mark.parametrize("metric", METRICS)
def test_a_walk_finds_the_nearest(metric: str) -> None:
    rows = clustered(3000, 24, seed=1)
    queries = clustered(3080, 24, seed=1)[3000:]
    graph = _core.Graph(24, metric)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    assert graph.linked
    assert recall(graph, rows, queries, metric) > (0.98 if metric != "DOT_PRODUCT" else 0.95)


@pytest.mark.parametrize("codes", [True, False])
@pytest.mark.parametrize("size", [10, 700])
def test_ties_come_in_order_of_slot_under_a_filter_that_is_here_dense_and_there_sparse(
    codes: bool, size: int
) -> None:
    rows = np.tile(np.random.default_rng(1).standard_normal((7, 40)).astype(np.float32), (1500, 1))[:10_000]
    graph = _core.Graph(40, "EUCLIDEAN", codes=codes, ef_construction=16)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 0
    place = np.arange(10_000)
    mask = (place % 11 == 0) | (place // 64 % 3 == 0)
    order = np.lexsort((place, ((rows - rows[3]) ** 2).sum(1)))
    for exact in (True, False):
        cursor, found = graph.cursor(rows[3], allowed=bitmap(mask), exact=exact), []
        while batch := cursor.next(size).slots.tolist():
            found += batch
        assert found == order[mask[order]].tolist()


@pytest.mark.parametrize("metric", METRICS)
def test_an_exact_search_is_the_order_of_brute_force(metric: str) -> None:
    rows = np.round(clustered(3000, 5, seed=2))  # many ties
    graph = _core.Graph(5, metric)
    graph.apply(rows, NONE, 1)
    for query in np.round(clustered(3010, 5, seed=2))[3000:]:
        slots, distances = graph.search(query, 3000, exact=True)
        assert np.all(np.diff(distances) >= 0)
        order = np.lexsort((slots, distances))
        assert order.tolist() == list(range(3000))  # ties by slot
        np.testing.assert_allclose(distances, brute_force(rows, query, metric)[1], rtol=1e-5, atol=1e-5)


def test_rows_come_in_one_by_one_as_well_as_together() -> None:
    rows = clustered(3500, 16, seed=3)
    graph = _core.Graph(16, "EUCLIDEAN", link_min=500, ef_construction=64)
    for i in range(0, 3500, 7):
        assert graph.apply(rows[i : i + 7], NONE, i + 1) == i
    graph.scan_cost = 1e9
    assert recall(graph, rows, rows[::50], "EUCLIDEAN") > 0.98


def test_many_copies_do_not_hide_one_another() -> None:
    rows = clustered(5000, 16, seed=4)
    rows[1000:3500] = rows[7]
    graph = _core.Graph(16, "EUCLIDEAN", ef_construction=64)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    slots, distances = graph.search(rows[7], 2000)
    assert np.all(distances == 0)
    assert len(set(slots.tolist())) == 2000
    assert graph.search(rows[7], 10)[0].tolist() == [7, *range(1000, 1009)]


def test_a_removed_slot_is_not_found_and_others_are() -> None:
    rows = clustered(3000, 16, seed=5)
    graph = _core.Graph(16, "EUCLIDEAN", ef_construction=64)
    graph.apply(rows, NONE, 1, 2)
    gone = np.arange(0, 3000, 3, dtype=np.uint32)
    graph.apply(np.zeros((0, 16), np.float32), gone, 2)
    assert graph.live == 3000 - len(gone)
    graph.scan_cost = 1e9
    kept = np.setdiff1d(np.arange(3000), gone)
    for row in rows[::100]:
        assert not np.isin(graph.search(row, 20)[0], gone).any()
    assert recall(graph, rows[kept], rows[kept][::40], "EUCLIDEAN") > 0.97


def test_removing_twice_counts_once() -> None:
    graph = _core.Graph(2, "EUCLIDEAN")
    graph.apply(np.eye(2, dtype=np.float32), NONE, 1)
    for seq in (2, 3):
        graph.apply(np.zeros((0, 2), np.float32), np.array([0, 0], np.uint32), seq)
    assert graph.live == 1


@pytest.mark.parametrize("metric", METRICS)
def test_compacting_keeps_rows_order_and_recall(metric: str) -> None:
    rows = clustered(2600, 16, seed=6)
    rows[100:200] = rows[3]  # copies whose first is removed
    graph = _core.Graph(16, metric, link_min=1000, ef_construction=64)
    graph.apply(rows, NONE, 1, 2)
    gone = np.unique(np.concatenate([[3], np.arange(0, 2600, 2)])).astype(np.uint32)
    graph.apply(np.zeros((0, 16), np.float32), gone, 2)
    before = recall(graph, rows[np.setdiff1d(np.arange(2600), gone)], rows[1::50], metric)
    compacted, old_slots = graph.compact(2)
    kept = np.setdiff1d(np.arange(2600), gone)
    assert old_slots.tolist() == kept.tolist()
    assert (compacted.size, compacted.live) == (len(kept), len(kept))
    np.testing.assert_array_equal(compacted.rows(np.arange(len(kept), dtype=np.uint32)), rows[kept])
    assert compacted.linked
    compacted.scan_cost = 1e9
    assert recall(compacted, rows[kept], rows[1::50], metric) >= before - 0.02
    assert compacted.search(rows[3], 5, exact=True)[0].tolist() == compacted.search(rows[3], 5)[0].tolist()
    compacted.apply(rows[gone[:50]], NONE, 3)  # it goes on growing
    assert (
        compacted.search(rows[gone[10]], 1, exact=True)[1][0]
        <= graph.search(rows[gone[10]], 1, exact=True)[1][0]
    )
    assert graph.size == 2600


def test_compacting_an_unlinked_or_empty_graph() -> None:
    graph = _core.Graph(3, "COSINE")
    empty, slots = graph.compact()
    assert (empty.size, slots.size) == (0, 0)
    graph.apply(np.eye(3, dtype=np.float32), np.zeros(0, np.uint32), 1)
    graph.apply(np.zeros((0, 3), np.float32), np.array([1], np.uint32), 2)
    small, slots = graph.compact()
    assert slots.tolist() == [0, 2]
    assert small.search(np.array([0, 0, 1], np.float32), 5)[0].tolist() == [1, 0]


def test_a_compaction_that_is_given_up_leaves_the_graph_as_it_was() -> None:
    rows = clustered(3000, 8, seed=6)
    graph = _core.Graph(8, "COSINE", ef_construction=32)
    graph.apply(rows, NONE, 1, 2)
    before = graph.search(rows[0], 10)
    graph.give_up_compacting()
    with pytest.raises(_core.GivenUp, match="given up"):
        graph.compact(2)
    assert graph.search(rows[0], 10)[0].tolist() == before[0].tolist()


def test_a_filter_admits_only_its_slots() -> None:
    rows = clustered(4500, 16, seed=7)
    graph = _core.Graph(16, "EUCLIDEAN", ef_construction=64)
    graph.apply(rows, NONE, 1, 2)
    rng = np.random.default_rng(0)
    for share in (0.5, 0.1, 0.01, 0.0):
        mask = rng.random(4500) < share
        for scan_cost in (1e9, 1e-9):
            graph.scan_cost = scan_cost
            for query in rows[::450]:
                slots, _ = graph.search(query, 10, allowed=bitmap(mask))
                truth = brute_force(rows[mask], query, "EUCLIDEAN")[0][:10]
                assert len(slots) == min(10, int(mask.sum()))
                assert mask[slots].all()
                assert np.isin(np.flatnonzero(mask)[truth], slots).mean() >= 0.8 if len(slots) else True


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dimension", [16, 48], ids=["floats", "codes"])
def test_many_queries_at_once_are_each_of_them(dimension: int, threads: int) -> None:
    rows = clustered(2500, dimension, seed=8)
    graph = _core.Graph(dimension, "COSINE", ef_construction=32)
    graph.apply(rows, NONE, 1, 2)
    for count, allowed in ((1, None), (33, bitmap(np.arange(2500) % 100 == 0)), (200, None)):
        slots, distances, counts = graph.search_many(rows[:count], 7, allowed=allowed, threads=threads)
        for i in range(count):
            one, far = graph.search(rows[i], 7, allowed=allowed)
            assert slots[i].tolist() == one.tolist()
            assert distances[i].tolist() == far.tolist()
        assert counts.tolist() == [7] * count


def test_rows_of_fewer_answers_say_so() -> None:
    rows = clustered(3, 16, seed=8)
    few = _core.Graph(16, "COSINE")
    few.apply(rows, NONE, 1)
    assert few.search_many(rows[:2], 7)[2].tolist() == [3, 3]


def test_bad_arguments_change_nothing() -> None:
    with pytest.raises(ValueError, match="dimension is 0"):
        _core.Graph(0, "COSINE")
    with pytest.raises(ValueError, match="MANHATTAN"):
        _core.Graph(3, "MANHATTAN")
    with pytest.raises(ValueError, match="degree"):
        _core.Graph(3, "COSINE", degree=1)
    graph = _core.Graph(3, "COSINE")
    with pytest.raises(ValueError, match="got 4 dimensions, expected 3"):
        graph.apply(np.ones((1, 4), np.float32), NONE, 1)
    with pytest.raises(IndexError):
        graph.apply(np.ones((1, 3), np.float32), np.array([5], np.uint32), 1)
    with pytest.raises(ValueError, match="got 2 dimensions, expected 3"):
        graph.search(np.ones(2, np.float32), 1)
    with pytest.raises(IndexError):
        graph.rows(np.array([0], np.uint32))
    assert (graph.size, graph.live) == (0, 0)
