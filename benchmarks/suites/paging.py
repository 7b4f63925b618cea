"""Many results in batches: in total, per batch, and whether what came was right.

Beside every way of paging stand one query of the same size, one float32 scan (without and with a full
sort), taken in the same rounds. Beside Clew's cursor stands also one query with the shortest beam that lets
it find as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.bench import Bench
from benchmarks.paging import Pager, Quality, Reading, judge, read
from benchmarks.peers import Engine, Exact, Search
from benchmarks.records import CLEW, Layout, Record, Value
from benchmarks.timing import in_turn, seconds
from benchmarks.truth import Doubles, Floats, Rows, order

LAYOUT = Layout(
    "Results in batches, one thread",
    (
        "total_ms",
        "best_total_ms",
        "first_ms",
        "median_batch_ms",
        "worst_batch_ms",
        "recall",
        "returned",
        "late_finds",
        "duplicates",
        "missing",
    ),
    ratio="total_ms",
    more_is_better=False,
)
Open = Callable[[Floats, int], Pager]
# Of one query, in parts of what is wanted; with the last it scans.
BEAMS = (1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 8, 16, 1e9)


@dataclass(frozen=True, slots=True)
class Case:
    """`wanted` results in batches of `batch`, for the first `queries` queries."""

    name: str
    wanted: int
    batch: int
    queries: int


@dataclass(frozen=True, slots=True)
class Target:
    """A query and its exact answer."""

    query: Floats
    order: Rows
    distances: Doubles


def cases(bench: Bench) -> list[Case]:
    """What is read: a short, a deep and a complete reading."""
    size, few = bench.dataset.size, bench.short
    return [
        Case("1,000 by 10", 1_000, 10, 10 if few else 20),
        Case("10,000 by 100", min(size, 10_000), 100, 3 if few else 5),
        Case("everything by 1,000", size, 1_000, 2 if few else 3),
    ]


def run(bench: Bench) -> list[Record]:
    """Every way of paging of every engine."""
    engines = [bench.built(name) for name in bench.engines if name != Exact.name]
    yardstick = bench.built(Exact.name)
    assert isinstance(yardstick, Exact)
    made = []
    for case in cases(bench):
        targets = [_target(bench, query) for query in bench.dataset.queries[: case.queries]]
        in_batches = _read_all(bench, case, engines, targets)
        found = {record.engine: record.values["recall"] for record in in_batches}
        made += in_batches + _ask_once(bench, case, engines, yardstick, targets, found)
    return made


def _target(bench: Bench, query: Floats) -> Target:
    return Target(query, *order(bench.dataset.base, query, bench.dataset.metric))


def _read_all(bench: Bench, case: Case, engines: list[Engine], targets: list[Target]) -> list[Record]:
    ways: dict[tuple[str, str], Open] = {
        (engine.name, way): opener
        for engine in engines
        for way, opener in engine.pagers().items()
        if way != "re-query" or case.wanted <= (1_000 if bench.short else 10_000)  # else minutes
    }
    work = {
        (engine, way, place): _reading(ways[engine, way], target.query, case)
        for engine, way in ways
        for place, target in enumerate(targets)
    }
    readings = in_turn(work, bench.rounds)
    made = []
    for engine, way in ways:
        of_way = [readings[engine, way, place] for place in range(len(targets))]
        values = _times(of_way) | _worth(of_way, targets, case.wanted)
        made.append(bench.record("paging", engine, case.name, way=way, **values))
    return [_named(record) for record in made]


def _named(record: Record) -> Record:
    """Clew's core keeps its plain name, since ratios are taken against its row."""
    way = record.values["way"]
    name = record.engine if way == "cursor" else f"{record.engine}, {way}"
    return Record(record.suite, record.dataset, name, record.case, record.values)


def _reading(opener: Open, query: Floats, case: Case) -> Callable[[], Reading]:
    return lambda: read(opener, query, case.batch, case.wanted)


def _times(readings: list[list[Reading]]) -> dict[str, Value]:
    """Medians over queries; each batch of a query counts with its median over the rounds.

    A total is the sum of such batches, so that a time slice lost in one round does not count.
    """
    usual, best = [], []
    for of_query in readings:
        count = min(len(one.batch_ns) for one in of_query)
        steps = np.array([(*one.batch_ns[:count], one.close_ns) for one in of_query]) / 1e6
        usual.append(np.median(steps, axis=0))
        best.append(steps.min(axis=0).sum())
    return {
        "total_ms": float(np.median([steps.sum() for steps in usual])),
        "best_total_ms": float(np.median(best)),
        "first_ms": float(np.median([steps[0] for steps in usual])),
        "median_batch_ms": float(np.median([np.median(steps[:-1]) for steps in usual])),
        "worst_batch_ms": float(np.median([steps[:-1].max() for steps in usual])),
    }


def _worth(readings: list[list[Reading]], targets: list[Target], wanted: int) -> dict[str, Value]:
    judged = [
        judge(of_query[0], target.order, target.distances, wanted)
        for of_query, target in zip(readings, targets, strict=True)
    ]
    return {
        "recall": _mean(judged, "recall"),
        "returned": round(_mean(judged, "returned")),
        "late_finds": _mean(judged, "late_finds"),
        "duplicates": sum(one.duplicates for one in judged),
        "missing": _mean(judged, "missing"),
    }


def _mean(judged: list[Quality], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in judged]))


def _ask_once(
    bench: Bench,
    case: Case,
    engines: list[Engine],
    yardstick: Exact,
    targets: list[Target],
    found: dict[str, Value],
) -> list[Record]:
    """One query of the same size, and the scans; timed in turn with each other."""
    asks: dict[str, tuple[Engine, Search]] = {}
    for engine in engines:
        if engine.results_max < case.wanted:
            continue
        asks[f"{engine.name}, one query"] = engine, partial(engine.grow, k=case.wanted)
        if engine.name == CLEW:
            asks[f"{engine.name}, one query of that recall"] = (
                engine,
                _as_good(engine, case.wanted, targets, found[engine.name]),
            )
    work: dict[tuple[str, int], Callable[[], float]] = {}
    for place, target in enumerate(targets):
        for name, (_, ask) in asks.items():
            work[name, place] = _timed(ask, target.query)
        work["scan", place] = _timed(yardstick.scan, target.query)
        work["scan + sort", place] = _timed(yardstick.scan_and_sort, target.query)
    samples = in_turn(work, bench.rounds)
    made = []
    for name in [*asks, "scan", "scan + sort"]:
        taken = np.array([samples[name, place] for place in range(len(targets))])
        values: dict[str, Value] = {
            "total_ms": float(np.median(np.median(taken, axis=1))),
            "best_total_ms": float(np.median(taken.min(axis=1))),
        }
        if name in asks:
            values |= _once_worth(*asks[name], case.wanted, targets)
        label = name if name in asks else f"float32 {name}"
        made.append(bench.record("paging", label, case.name, **values))
    return made


def _as_good(engine: Engine, wanted: int, targets: list[Target], recall: Value) -> Search:
    """One query with the shortest beam tried that finds as much as was found in batches."""
    assert isinstance(recall, float)
    tried = (engine.search(wanted, int(wanted * more)) for more in BEAMS)
    return next(ask for ask in tried if _once_worth(engine, ask, wanted, targets)["recall"] >= recall)


def _timed(scan: Callable[[Floats], object], query: Floats) -> Callable[[], float]:
    return lambda: seconds(lambda: scan(query)) * 1e3


def _once_worth(engine: Engine, ask: Search, wanted: int, targets: list[Target]) -> dict[str, float]:
    found = [engine.rows(ask(target.query)) for target in targets]
    shares = [
        len(np.intersect1d(rows, target.order[:wanted])) / wanted
        for rows, target in zip(found, targets, strict=True)
    ]
    return {
        "recall": float(np.mean(shares)),
        "returned": round(float(np.mean([len(rows) for rows in found]))),
    }
