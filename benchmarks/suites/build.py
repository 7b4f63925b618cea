"""Building from nothing: vectors per second with one and two threads, and the curve of what was built."""

from __future__ import annotations

from benchmarks import machine
from benchmarks.bench import Bench
from benchmarks.peers import Engine
from benchmarks.records import Layout, Record
from benchmarks.suites import oneshot
from benchmarks.timing import no_gc, seconds

LAYOUT = Layout(
    "Build",
    ("vectors_per_s", "seconds", "speed_up", "queries_per_s", "recall", "ef", "p50_us"),
    ratio="vectors_per_s",
)


def run(bench: Bench) -> list[Record]:
    """Every engine that builds something, with one thread and then, where it can, with two."""
    made: list[Record] = []
    alone: dict[str, float] = {}
    for threads in (1, 2):
        engines = []
        for name in bench.engines:
            engine = bench.fresh(name)
            if engine.exact or (threads > 1 and not engine.threaded_build):
                continue
            engines.append(engine)
            taken = _build(bench, engine, threads)
            alone.setdefault(name, taken)
            made.append(
                bench.record(
                    "build",
                    name,
                    f"{threads} thread{'s' * (threads > 1)}",
                    seconds=taken,
                    vectors_per_s=bench.dataset.size / taken,
                    speed_up=alone[name] / taken,
                )
            )
            print(f"  {name}: {taken:.1f} s with {threads}", flush=True)
        made += _curves(bench, engines, threads)
        if threads == 1:
            for engine in engines:
                bench.adopt(engine)
    return made


def _build(bench: Bench, engine: Engine, threads: int) -> float:
    column = bench.dataset.column()
    if threads == 1:
        with no_gc():
            return seconds(lambda: engine.build(bench.dataset.base, 1, column))
    with no_gc(), machine.unpinned():
        return seconds(lambda: engine.build(bench.dataset.base, threads, column))


def _curves(bench: Bench, engines: list[Engine], threads: int) -> list[Record]:
    """The rates at the recall targets of what was just built: a fast build must not be a worse one."""
    points = oneshot.curves(bench, engines, "build", min(2, bench.rounds), batches=False)
    return [
        Record(point.suite, point.dataset, point.engine, f"built by {threads}: {point.case}", point.values)
        for point in points
        if point.case.startswith("recall")
    ]
