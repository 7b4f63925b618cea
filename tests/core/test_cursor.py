"""The cursor: complete, without repetition, over what was visible when it was opened."""

from __future__ import annotations

import functools
import gc

import numpy as np
import pytest

from clew import _core
from vectors import NONE, bitmap, brute_force, clustered

NO_ROWS = np.zeros((0, 8), np.float32)


def linked_graph(metric: str = "EUCLIDEAN") -> tuple[_core.Graph, np.ndarray]:
    """Of one's own: it may be written to."""
    rows = clustered(6000, 8, seed=11)
    rows[500:900] = rows[2]  # copies
    rows[900:1500] = np.round(rows[900:1500])  # ties
    rows[1500:1510] = 0
    graph = _core.Graph(8, metric, ef_construction=64)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    return graph, rows


LINKED = functools.cache(linked_graph)


def shared_graph(metric: str = "EUCLIDEAN", scan_cost: float = 1e9) -> tuple[_core.Graph, np.ndarray]:
    """To be read only: linking takes longer than what is asked of it."""
    graph, rows = LINKED(metric)
    graph.scan_cost = scan_cost
    return graph, rows


def read(cursor: _core.Cursor, sizes: np.random.Generator, most: int = 200) -> list[np.ndarray]:
    batches = []
    while len(batch := cursor.next(int(sizes.integers(1, most)))[0]):
        batches.append(batch)
    return batches


@pytest.mark.parametrize("metric", ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"])
@pytest.mark.parametrize("scan_cost", [1e9, 0.25, 1e-9], ids=["walks to the end", "turns", "scans"])
def test_every_slot_comes_exactly_once(metric: str, scan_cost: float) -> None:
    graph, rows = shared_graph(metric, scan_cost)
    for seed in range(3):
        cursor = graph.cursor(rows[seed * 777])
        slots = np.concatenate(read(cursor, np.random.default_rng(seed)))
        assert sorted(slots.tolist()) == list(range(6000))
        assert len(cursor.next(10)[0]) == 0


def test_what_one_query_met_is_news_to_the_next() -> None:
    graph, rows = shared_graph()
    most = bitmap(np.arange(6000) % 10 > 0)
    alone = [graph.search(row, 10, 20, most)[0].tolist() for row in rows[:500:50]]
    for row, found in zip(rows[:500:50], alone, strict=True):
        graph.search(row, 10, 20)  # keeps what it met in other ways than one with a filter
        assert graph.search(row, 10, 20, most)[0].tolist() == found


def test_an_exact_cursor_is_one_ranking_whatever_the_batches() -> None:
    graph, rows = shared_graph()
    for query in rows[::1500]:
        whole = graph.search(query, 6000, exact=True)[0]
        for seed in range(3):
            cursor = graph.cursor(query, exact=True)
            np.testing.assert_array_equal(
                np.concatenate(read(cursor, np.random.default_rng(seed), 900)), whole
            )


def test_batches_are_in_order_and_late_finds_are_rare() -> None:
    graph, rows = shared_graph()
    late = returned = 0
    for query in rows[::200] + np.float32(0.01):
        cursor, farthest = graph.cursor(query), -np.inf
        for _ in range(100):
            _, distances = cursor.next(10)
            assert np.all(np.diff(distances) >= 0)
            late += int(np.count_nonzero(distances < farthest))
            farthest = max(farthest, float(distances[-1]))
            returned += 10
    assert late <= returned / 100


def test_a_deep_cursor_finds_what_one_large_query_finds() -> None:
    graph, rows = shared_graph()
    for query in rows[::1000] + np.float32(0.01):
        truth = set(brute_force(rows, query, "EUCLIDEAN")[0][:1000].tolist())
        cursor = graph.cursor(query)
        paged = {slot for _ in range(100) for slot in cursor.next(10)[0].tolist()}
        assert len(paged & truth) >= 990


def test_a_cursor_keeps_its_view_and_its_graph() -> None:
    graph, rows = linked_graph()
    cursor = graph.cursor(rows[0])
    first = cursor.next(5)[0].tolist()
    graph.apply(rows[:50] + np.float32(0.001), np.arange(0, 6000, 2, dtype=np.uint32), 2)
    new = graph.cursor(rows[0])
    del graph
    gc.collect()
    old = first + np.concatenate(read(cursor, np.random.default_rng(0))).tolist()
    assert sorted(old) == list(range(6000))
    slots = np.concatenate(read(new, np.random.default_rng(0)))
    assert sorted(slots.tolist()) == [*range(1, 6000, 2), *range(6000, 6050)]


def test_a_filter_never_shortens_a_batch() -> None:
    graph, rows = shared_graph()
    rng = np.random.default_rng(5)
    for share in (0.9, 0.3, 0.03):
        mask = rng.random(6000) < share
        for scan_cost in (1e9, 0.25):
            graph.scan_cost = scan_cost
            cursor = graph.cursor(rows[9], allowed=bitmap(mask))
            slots: list[int] = []
            while len(batch := cursor.next(37)[0]):
                slots += batch.tolist()
                assert len(batch) == 37 or len(slots) == mask.sum()
            assert sorted(slots) == np.flatnonzero(mask).tolist()


def test_a_walk_costs_the_same_read_at_once_or_in_batches() -> None:
    graph, rows = shared_graph()
    for query in rows[::1000] + np.float32(0.01):
        whole, paged = graph.cursor(query), graph.cursor(query)
        whole.next(600)
        for _ in range(60):
            paged.next(10)
        assert paged.walked <= 1.1 * whole.walked


def test_cursors_read_in_turn_give_what_each_gives_alone() -> None:
    """There are more of them than workrooms: what they met is taken from some, and found again by others."""
    graph, rows = shared_graph()
    queries = rows[:3000:75] + np.float32(0.01)

    def pages(cursor: _core.Cursor, count: int) -> list[list[int]]:
        return [cursor.next(7)[0].tolist() for _ in range(count)]

    alone = [pages(graph.cursor(query), 12) for query in queries]
    cursors = [graph.cursor(query) for query in queries]
    in_turn: list[list[list[int]]] = [[] for _ in queries]
    for _ in range(6):
        for got, cursor in zip(in_turn, cursors, strict=True):
            got += pages(cursor, 1)
    for got, cursor in zip(in_turn, cursors, strict=True):
        got += pages(cursor, 6)
        cursor.close()
    assert in_turn == alone


def test_a_closed_or_empty_cursor_yields_nothing() -> None:
    graph, rows = shared_graph()
    cursor = graph.cursor(rows[0])
    cursor.next(3)
    cursor.close()
    cursor.close()
    assert len(cursor.next(3)[0]) == 0
    empty = _core.Graph(8, "COSINE").cursor(rows[0])
    assert len(empty.next(3)[0]) == 0
    assert len(graph.cursor(rows[0]).next(0)[0]) == 0


def test_a_closed_cursor_holds_no_more_than_its_query_however_far_it_walked() -> None:
    rows = np.random.default_rng(5).standard_normal((40_000, 12)).astype(np.float32)
    graph = _core.Graph(12, "EUCLIDEAN", ef_construction=16)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 1e9
    near, far = graph.cursor(rows[0]), graph.cursor(rows[0])
    near.next(10)
    for _ in range(70):
        far.next(500)
    assert far.bytes > 2**19
    for cursor in (near, far):
        cursor.close()
        assert cursor.bytes == rows[0].nbytes  # its query


def test_one_vector_and_all_copies() -> None:
    one = _core.Graph(8, "COSINE")
    one.apply(np.ones((1, 8), np.float32), NONE, 1)
    assert one.cursor(np.ones(8, np.float32)).next(5)[0].tolist() == [0]
    copies = _core.Graph(8, "EUCLIDEAN", ef_construction=64)
    copies.apply(np.ones((3000, 8), np.float32), NONE, 1, 2)
    copies.scan_cost = 1e9
    assert copies.linked
    cursor = copies.cursor(np.zeros(8, np.float32))
    slots = [slot for batch in read(cursor, np.random.default_rng(1)) for slot in batch.tolist()]
    assert slots == list(range(3000))
    copies.apply(NO_ROWS, np.arange(3000, dtype=np.uint32), 2)
    assert len(copies.cursor(np.zeros(8, np.float32)).next(5)[0]) == 0


def test_a_filter_far_from_the_query_does_not_make_a_walk_wander() -> None:
    rows = clustered(12000, 16, seed=17)
    graph = _core.Graph(16, "EUCLIDEAN", ef_construction=48)
    graph.apply(rows, NONE, 1, 2)
    for query in rows[:5]:
        order, _ = brute_force(rows, query, "EUCLIDEAN")
        far = np.zeros(12000, bool)
        far[order[-3000:]] = True
        cursor = graph.cursor(query, allowed=bitmap(far))
        assert cursor.next(10)[0].tolist() == order[-3000:-2990].tolist()
        assert cursor.walked < 3000


def test_one_batch_under_a_filter_goes_on_where_its_beam_was_too_short() -> None:
    graph, rows = shared_graph()
    allowed = np.random.default_rng(3).random(6000) < 0.3
    for query in rows[1500::700]:
        slots = graph.search(query, 30, 10, bitmap(allowed))[0]
        assert len(set(slots.tolist())) == 30
        assert allowed[slots].all()
        cursor = graph.cursor(query, 10, bitmap(allowed))
        assert cursor.next(30)[0].tolist() == slots.tolist()


def test_reading_to_the_end_scans_by_codes_once_and_by_floats_once() -> None:
    rows = clustered(6000, 48, seed=21)
    graph = _core.Graph(48, "EUCLIDEAN", ef_construction=48)
    graph.apply(rows, NONE, 1, 2)
    graph.scan_cost = 0.25
    assert graph.coded
    cursor = graph.cursor(rows[0])
    slots = []
    while len(batch := cursor.next(500)[0]):
        slots += batch.tolist()
    assert sorted(slots) == list(range(6000))
    assert cursor.scanned < 2 * 6000
