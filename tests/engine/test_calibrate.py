from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clew._core import Cursor, Graph
from clew.commands import Delete, UpsertArrays
from clew.engine import generation as generation_module
from clew.engine.calibrate import COST_MAX, COST_MIN, SCANS, scan_cost
from clew.engine.engine import Engine
from clew.engine.generation import Generation
from opening import FakeClock

LINKED_AT = 2048
NO_SLOTS = np.empty(0, dtype=np.uint32)


class TimedCursor:
    """Takes a fixed time for every distance and every row."""

    def __init__(self, graph: TimedGraph, rows: int) -> None:
        self.graph, self.scanning = graph, graph.scan_cost == 0
        self.walked, self.scanned = (0, rows) if self.scanning else (graph.walked, 0)

    def next(self, k: int) -> None:
        self.graph.clock.advance(
            self.walked * self.graph.distance_s + self.scanned * self.graph.row_s + self.graph.noise_s()
        )


class TimedGraph:
    """What `scan_cost` needs of a graph."""

    dimension, size = 128, 100_000

    def __init__(self, distance_s: float, row_s: float, walked: int = 1000) -> None:
        self.distance_s, self.row_s, self.walked = distance_s, row_s, walked
        self.clock = FakeClock()
        self.scan_cost = 0.25
        self.costs_while_measured: list[float] = []
        self._opened = 0

    def noise_s(self) -> float:
        """Every other run is held up by one second."""
        self._opened += 1
        return float(self._opened % 2)

    def rows(self, slots: NDArray[np.uint32]) -> NDArray[np.float32]:
        assert slots.max() < self.size
        return np.zeros((len(slots), self.dimension), dtype=np.float32)

    def cursor(
        self,
        query: NDArray[np.float32],
        ef: int = 0,
        allowed: NDArray[np.uint64] | None = None,
    ) -> TimedCursor:
        self.costs_while_measured.append(self.scan_cost)
        rows = 0 if allowed is None else int(np.bitwise_count(allowed).sum())
        return TimedCursor(self, min(rows, self.size))


def measured(graph: Any) -> float:
    return scan_cost(graph, graph.clock)


def linked_graph(n: int = LINKED_AT, dimension: int = 32) -> Graph:
    graph = Graph(dimension, "COSINE", ef_construction=32)
    graph.apply(np.random.default_rng(0).standard_normal((n, dimension)).astype(np.float32), NO_SLOTS, 1)
    assert graph.linked
    return graph


@pytest.mark.parametrize(
    ("distance_s", "row_s", "cost"),
    [(2e-6, 1e-6, 0.5), (4e-6, 1e-6, 0.25), (1e-6, 1e-3, COST_MAX), (1e-3, 1e-6, COST_MIN)],
)
def test_the_cost_is_the_time_of_a_row_over_that_of_a_distance_in_undisturbed_runs(
    distance_s: float, row_s: float, cost: float
) -> None:
    assert measured(TimedGraph(distance_s, row_s)) == pytest.approx(cost)


def test_measuring_leaves_the_cost_to_its_caller() -> None:
    graph = TimedGraph(2e-6, 1e-6)
    measured(graph)
    assert graph.scan_cost == 0.25
    assert set(graph.costs_while_measured) == {COST_MAX, 0}


def test_a_graph_that_does_not_walk_keeps_its_cost() -> None:
    assert measured(TimedGraph(2e-6, 1e-6, walked=0)) == 0.25


def test_a_real_graph_has_a_cost_within_bounds() -> None:
    for dimension in (2, 128):
        graph = linked_graph(2304, dimension)
        assert COST_MIN <= scan_cost(graph) <= COST_MAX
        assert graph.scan_cost == 0.25


class RecordedGraph:
    """A real graph, and the cursors that were opened on it."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.cursors = graph, list[Cursor]()
        self.dimension, self.size, self.rows = graph.dimension, graph.size, graph.rows

    @property
    def scan_cost(self) -> float:
        return self.graph.scan_cost

    @scan_cost.setter
    def scan_cost(self, value: float) -> None:
        self.graph.scan_cost = value

    def cursor(self, *args: Any, **kwargs: Any) -> Cursor:
        self.cursors.append(self.graph.cursor(*args, **kwargs))
        return self.cursors[-1]


@pytest.mark.parametrize("dimension", [64, 512])
def test_the_scans_that_are_measured_go_by_codes(dimension: int) -> None:
    graph: Any = RecordedGraph(linked_graph(4224, dimension))
    assert graph.graph.coded
    scan_cost(graph)
    scans = [cursor for cursor in graph.cursors if cursor.scanning]
    assert len(scans) == SCANS
    for scan in scans:
        by_codes = scan.scanned
        scan.next(graph.size)  # so many that floats are quicker: a scan by codes starts over with them
        assert scan.scanned > by_codes


def test_it_is_measured_when_a_graph_is_linked_and_once_per_doubling(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def measure(graph: Graph) -> float:
        sizes.append(graph.size)
        return 0.5 + len(sizes) / 100

    monkeypatch.setattr(generation_module, "scan_cost", measure)
    engine: Engine = make_engine()
    vectors = np.random.default_rng(0).standard_normal((7000, 4)).astype(np.float32)
    for first in range(0, 7000, 1000):
        ids = tuple(f"n{i}" for i in range(first, first + 1000))
        engine.execute(UpsertArrays(ids, vectors[first : first + 1000]))
    assert sizes == [3000, 6000]
    assert generation_of(engine).graph.scan_cost == pytest.approx(0.52)


def test_a_compaction_keeps_the_cost_and_does_not_measure_again(
    make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(generation_module, "scan_cost", lambda graph: sizes.append(graph.size) or 0.75)
    engine: Engine = make_engine()
    n = 4200
    ids = tuple(f"n{i}" for i in range(n))
    engine.execute(UpsertArrays(ids, np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)))
    before = generation_of(engine)
    engine.execute(Delete(ids=ids[: n // 2 + 10]))
    engine._parts.upkeep.work()
    after = generation_of(engine)
    assert after is not before
    assert after.graph.scan_cost == pytest.approx(0.75)
    engine.execute(UpsertArrays(("more",), np.ones((1, 4), dtype=np.float32)))
    assert sizes == [n]


def generation_of(engine: Engine) -> Generation:
    return engine._catalog.namespaces[""].generation
