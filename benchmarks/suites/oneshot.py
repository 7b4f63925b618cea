"""Top-10 of single queries: recall against queries per second over the beam width, and batch calls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.bench import Bench
from benchmarks.peers import Engine
from benchmarks.records import Layout, Record, Value
from benchmarks.timing import Nanoseconds, each_call, in_turn, rate_at, seconds
from benchmarks.truth import Floats, recall

K = 10
TARGETS = (0.95, 0.99)
ENOUGH = 0.997  # recall at which a curve ends
SCANNED_QUERIES = 50  # for engines that scan: each query takes as long as hundreds of the others
BATCH_POINT = "batch of "
LAYOUT = Layout(
    "Top-10, single queries from Python, one thread",
    ("queries_per_s", "best_queries_per_s", "recall", "ef", "p50_us", "p99_us"),
    ratio="queries_per_s",
    hidden=BATCH_POINT,
)
Point = tuple[str, int]


def run(bench: Bench) -> list[Record]:
    """Curves of every engine, and the rates where they cross each recall of `TARGETS`."""
    engines = [bench.built(name) for name in bench.engines]
    return curves(bench, engines, "oneshot", bench.rounds, batches=True)


def curves(bench: Bench, engines: list[Engine], suite: str, rounds: int, *, batches: bool) -> list[Record]:
    """Measure engines in turn; rates at the targets first, then every point of every curve."""
    by_name = {engine.name: engine for engine in engines}
    recalls = {(engine.name, ef): found for engine in engines for ef, found in ladder(bench, engine).items()}
    samples = in_turn({point: _single(bench, by_name[point[0]], point[1]) for point in recalls}, rounds)
    points = [_point(bench, suite, point, recalls[point], taken) for point, taken in samples.items()]
    made = _crossings(bench, suite, "recall", points)
    if batches:
        many = _batch_points(bench, suite, by_name, list(recalls), rounds)
        made += _crossings(bench, suite, "batch call, recall", many)
        points += many
    return made + points


def ladder(bench: Bench, engine: Engine) -> dict[int, float]:
    """Recall at each beam width, from the narrowest to the first that is good enough."""
    queries, found = _queries(bench, engine), {}
    for ef in engine.ladder:
        ask = engine.search(K, ef)
        rows = [engine.rows(ask(query)) for query in queries]
        found[ef] = recall(rows, bench.dataset.truth[: len(queries), :K])
        if found[ef] >= ENOUGH:
            break
    return found


def _queries(bench: Bench, engine: Engine) -> list[Floats]:
    return list(bench.dataset.queries[: SCANNED_QUERIES if engine.exact else None])


def _single(bench: Bench, engine: Engine, ef: int) -> Callable[[], Nanoseconds]:
    queries = _queries(bench, engine)
    return lambda: each_call(engine.search(K, ef), queries)


def _together(engine: Engine, ef: int, queries: Floats) -> Callable[[], float]:
    """Seconds per query of a batch call."""

    def per_query() -> float:
        ask = engine.search_many(K, ef) or list
        ask(queries[:20])
        return seconds(lambda: ask(queries)) / len(queries)

    return per_query


def _point(bench: Bench, suite: str, point: Point, found: float, samples: list[Nanoseconds]) -> Record:
    """A query counts with its median over the rounds, so that a lost time slice does not count."""
    taken = np.array(samples)
    usual = np.median(taken, axis=0)
    return bench.record(
        suite,
        point[0],
        f"{point[0]} ef={point[1]}",
        ef=point[1],
        recall=found,
        queries_per_s=float(1e9 / usual.mean()),
        best_queries_per_s=float(1e9 / taken.min(axis=0).mean()),
        p50_us=float(np.percentile(usual, 50)) / 1e3,
        p99_us=float(np.percentile(usual, 99)) / 1e3,
        rounds=len(samples),
    )


def _batch_points(
    bench: Bench, suite: str, engines: dict[str, Engine], points: list[Point], rounds: int
) -> list[Record]:
    """All queries in one call of one thread, for the engines that have such a call."""
    queries, truth = bench.dataset.queries, bench.dataset.truth[:, :K]
    work: dict[Point, Callable[[], float]] = {}
    recalls: dict[Point, float] = {}
    for name, ef in points:
        ask = engines[name].search_many(K, ef)
        if ask is not None:
            recalls[name, ef] = recall(engines[name].many_rows(ask(queries)), truth)
            work[name, ef] = _together(engines[name], ef, queries)
    return [
        bench.record(
            suite,
            point[0],
            f"{BATCH_POINT}{point[0]} ef={point[1]}",
            ef=point[1],
            recall=recalls[point],
            queries_per_s=float(1 / np.median(taken)),
            best_queries_per_s=1 / min(taken),
            rounds=rounds,
        )
        for point, taken in in_turn(work, rounds).items()
    ]


def _crossings(bench: Bench, suite: str, label: str, points: list[Record]) -> list[Record]:
    """Each engine's rate at each recall, between the points of its curve."""
    made = []
    for target in TARGETS:
        for name in dict.fromkeys(point.engine for point in points):
            own = [point.values for point in points if point.engine == name]
            median = rate_at(_pairs(own, "queries_per_s"), target)
            best = rate_at(_pairs(own, "best_queries_per_s"), target)
            reached = max(target, min(recall_of for recall_of, _ in _pairs(own, "queries_per_s")))
            values: dict[str, Value] = {"queries_per_s": median, "best_queries_per_s": best}
            values["recall"] = reached if median is not None else None
            made.append(bench.record(suite, name, f"{label} {target}", **values))
    return made


def _pairs(values: list[dict[str, Value]], rate: str) -> list[tuple[float, float]]:
    return [(float(one["recall"] or 0), float(one[rate] or 0)) for one in values]
