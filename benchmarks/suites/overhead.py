"""What stands between the core and a user: `Index.query`, opening a cursor, small sets, the import.

Where there is an index, the core is asked over the graph of that index: of two graphs alike, one may lie in
memory so that it takes a fifth longer, and that is more than what is measured here.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.bench import Bench
from benchmarks.data import HOME, clustered
from benchmarks.own import Core, ThroughIndex
from benchmarks.records import Layout, Record
from benchmarks.timing import Nanoseconds, each_call, in_turn
from benchmarks.truth import Floats

K = 10
SMALL = 1_000
IMPORTS = 7
LAYOUT = Layout("Overhead, one thread", ("median_us", "best_us", "p99_us", "bytes"))


def run(bench: Bench) -> list[Record]:
    """Nothing but Clew is measured here, except hnswlib on the small set."""
    made = []
    if "clew" in bench.engines:
        made += [*_times(bench, _core_cases(bench)), _cursor_bytes(bench)]
    if "clew-index" in bench.engines:
        made += [_import(bench, "clew"), _import(bench, "numpy")]
    made += _times(bench, _small_cases(bench))
    return made


def _core_cases(bench: Bench) -> dict[tuple[str, str], Callable[[Floats], Any]]:
    if "clew-index" not in bench.engines:
        core = bench.built("clew")
        assert isinstance(core, Core)
        return _graph_cases(core.graph)
    through = bench.built("clew-index")
    assert isinstance(through, ThroughIndex)
    index = through.index

    def resumable(query: Floats) -> None:
        with index.resumable_query(vector=query, top_k=K) as results:
            results.start()

    return _graph_cases(through.graph) | {
        ("clew-index", "search 10"): lambda query: index.query(vector=query, top_k=K),
        ("clew-index", "open, 10, close"): resumable,
    }


def _graph_cases(graph: Any) -> dict[tuple[str, str], Callable[[Floats], Any]]:
    def first_batch(query: Floats) -> None:
        cursor = graph.cursor(query)
        tuple(cursor.next(K))
        cursor.close()

    return {
        ("clew", "search 10"): lambda query: tuple(graph.search(query, K)),
        ("clew", "open, 10, close"): first_batch,
    }


def _small_cases(bench: Bench) -> dict[tuple[str, str], Callable[[Floats], Any]]:
    """Top-10 of 1,000 vectors, where a scan is all there is to do."""
    dataset = bench.dataset
    rows = clustered(SMALL, dataset.dimension, 3, unit=dataset.metric == "COSINE")
    cases: dict[tuple[str, str], Callable[[Floats], Any]] = {}
    for name in bench.engines:
        engine = bench.fresh(name)
        engine.build(rows)
        cases[name, f"search 10 of {SMALL:,}"] = engine.search(K, 64)
    return cases


def _times(bench: Bench, cases: dict[tuple[str, str], Callable[[Floats], Any]]) -> list[Record]:
    queries = list(bench.dataset.queries)
    samples = in_turn({name: _pass(call, queries) for name, call in cases.items()}, max(5, bench.rounds))
    made = []
    for (engine, case), rounds in samples.items():
        usual = np.median(rounds, axis=0) / 1e3
        made.append(
            bench.record(
                "overhead",
                engine,
                case,
                median_us=float(np.median(usual)),
                best_us=float(np.median(np.min(rounds, axis=0))) / 1e3,
                p99_us=float(np.percentile(usual, 99)),
            )
        )
    return made


def _pass(call: Callable[[Floats], Any], queries: list[Floats]) -> Callable[[], Nanoseconds]:
    return lambda: each_call(call, queries)


def _cursor_bytes(bench: Bench) -> Record:
    """Memory of a cursor that has returned its first batch."""
    core = bench.built("clew")
    assert isinstance(core, Core)
    held = []
    for query in bench.dataset.queries[:100]:
        cursor = core.graph.cursor(query)
        cursor.next(K)
        held.append(cursor.bytes)
        cursor.close()
    return bench.record("overhead", "clew", "an open cursor after 10", bytes=float(np.median(held)))


def _import(bench: Bench, module: str) -> Record:
    """Time of the import statement in a fresh interpreter, caches warm."""
    program = (
        f"import time; start = time.perf_counter_ns()\nimport {module}\nprint(time.perf_counter_ns() - start)"
    )
    taken = []
    for _ in range(IMPORTS):
        answer = subprocess.run(
            [sys.executable, "-c", program], cwd=HOME.parent, capture_output=True, text=True, check=True
        )
        taken.append(int(answer.stdout) / 1e3)
    median, best = float(np.median(taken)), min(taken)
    return bench.record("overhead", module, f"import {module}", median_us=median, best_us=best)
