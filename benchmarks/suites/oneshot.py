"""Top-10 of single queries: recall against queries per second over the beam width, and batch calls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.bench import Bench
from benchmarks.peers import Engine
from benchmarks.records import Layout, Record, Value
from benchmarks.timing import Nanoseconds, each_call, in_turn, rate_at, seconds
from benchmarks.truth import recall

K = 10
TARGETS = (0.95, 0.99)
ENOUGH = 0.997  # recall at which a curve ends
SCANNED_QUERIES = 50  # for engines that scan: each query takes as long as hundreds of the others
LAYOUT = Layout(
    "Top-10, single queries from Python, one thread",
    ("queries_per_s", "best_round_queries_per_s", "recall", "ef", "p50_us", "p99_us"),
    ratio="queries_per_s",
)
Point = tuple[str, int]


def run(bench: Bench) -> list[Record]:
    """Curves of every engine, and the rates where they cross each recall of `TARGETS`."""
    engines = [bench.built(name) for name in bench.engines]
    return curves(bench, engines, "oneshot", bench.rounds, batches=True)


def curves(bench: Bench, engines: list[Engine], suite: str, rounds: int, *, batches: bool) -> list[Record]:
    """Measure engines in turn; rates at the targets first, then every point of every curve."""
    by_name = {engine.name: engine for engine in engines}
    recalls = {
        (engine.name, ef): found for engine in engines for ef, found in ladder(bench, engine).items()
    }
    cases = {point: _single(bench, by_name[point[0]], point[1]) for point in recalls}
    found = in_turn(cases, rounds)
    points = [_point(bench, suite, point, recalls[point], samples) for point, samples in found.items()]
    crossings = _crossings(bench, suite, "recall", points)
    if batches:
        together = {
            point: _together(bench, by_name[point[0]], point[1])
            for point in recalls
            if by_name[point[0]].search_many(K, max(point[1], K)) is not None
        }
        rates = {point: 1 / np.array(taken) for point, taken in in_turn(together, rounds).items()}
        many = [
            bench.record(
                suite, point[0], f"batch ef={point[1]}", ef=point[1], recall=recalls[point], **_rates(rate)
            )
            for point, rate in rates.items()
        ]
        crossings += _crossings(bench, suite, "batch call, recall", many)
        points += many
    return crossings + points


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


def _queries(bench: Bench, engine: Engine) -> list[np.ndarray]:
    return list(bench.dataset.queries[: SCANNED_QUERIES if engine.exact else None])


def _single(bench: Bench, engine: Engine, ef: int) -> Callable[[], Nanoseconds]:
    queries = _queries(bench, engine)
    return lambda: each_call(engine.search(K, ef), queries)


def _together(bench: Bench, engine: Engine, ef: int) -> Callable[[], float]:
    queries = bench.dataset.queries

    def per_query() -> float:
        ask = engine.search_many(K, ef)
        assert ask is not None
        ask(queries[:20])
        return seconds(lambda: ask(queries)) / len(queries)

    return per_query


def _point(
    bench: Bench, suite: str, point: Point, found: float, samples: list[Nanoseconds]
) -> Record:
    rates = np.array([1e9 / sample.mean() for sample in samples])
    calls = np.concatenate(samples) / 1e3
    return bench.record(
        suite,
        point[0],
        f"ef={point[1]}",
        ef=point[1],
        recall=found,
        p50_us=float(np.percentile(calls, 50)),
        p99_us=float(np.percentile(calls, 99)),
        **_rates(rates),
    )


def _rates(rates: np.ndarray) -> dict[str, Value]:
    return {
        "queries_per_s": float(np.median(rates)),
        "best_round_queries_per_s": float(rates.max()),
        "rounds": len(rates),
    }


def _crossings(bench: Bench, suite: str, label: str, points: list[Record]) -> list[Record]:
    """Each engine's rate at each recall, between the points of its curve."""
    made = []
    for target in TARGETS:
        for name in dict.fromkeys(point.engine for point in points):
            own = [point.values for point in points if point.engine == name]
            median = rate_at(_pairs(own, "queries_per_s"), target)
            best = rate_at(_pairs(own, "best_round_queries_per_s"), target)
            reached = max(target, min(recall_of for recall_of, _ in _pairs(own, "queries_per_s")))
            values: dict[str, Value] = {"queries_per_s": median, "best_round_queries_per_s": best}
            values["recall"] = reached if median is not None else None
            made.append(bench.record(suite, name, f"{label} {target}", **values))
    return made


def _pairs(values: list[dict[str, Value]], rate: str) -> list[tuple[float, float]]:
    return [(float(one["recall"] or 0), float(one[rate] or 0)) for one in values]
