"""Change: insert one by one, delete a tenth, and what the graph still finds at equal beam width."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.bench import SPARE, Bench
from benchmarks.peers import Engine
from benchmarks.records import Layout, Record
from benchmarks.timing import no_gc
from benchmarks.truth import Floats, Rows, nearest, recall

K = 10
BEAMS = (32, 64, 128, 256)
INSERTED = 2_000
QUERIES = 300
LAYOUT = Layout(
    "Insert and delete, one thread",
    ("per_s", "seconds", "recall_before", "recall_after", "recall_lost_points", "returned_deleted"),
    ratio="per_s",
)


def run(bench: Bench) -> list[Record]:
    """Engines that change; what they did is undone by dropping them from the run."""
    made = []
    rng = np.random.default_rng(5)
    gone = rng.permutation(bench.dataset.size)[: bench.dataset.size // 10]
    kept = np.setdiff1d(np.arange(bench.dataset.size), gone)
    queries = bench.dataset.queries[:QUERIES]
    before = bench.dataset.truth[:QUERIES, :K]
    after = kept[nearest(bench.dataset.base[kept], queries, K, bench.dataset.metric)]
    extra = _between(bench.dataset.base, rng)
    for engine in map(bench.built, bench.engines):
        if not engine.changes:
            continue
        first = {ef: _recall(engine, ef, queries, before)[0] for ef in BEAMS}
        made.append(_timed_delete(bench, engine, gone))
        for ef in BEAMS:
            found, ghosts = _recall(engine, ef, queries, after, gone)
            made.append(
                bench.record(
                    "delete",
                    engine.name,
                    f"a tenth deleted, ef={ef}",
                    recall_before=first[ef],
                    recall_after=found,
                    returned_deleted=ghosts,
                    recall_lost_points=100 * (first[ef] - found),
                )
            )
        made.append(_timed_insert(bench, engine, extra))
        bench.drop(engine.name)
    return sorted(made, key=lambda record: (len(record.case), record.case))


def _between(base: Floats, rng: np.random.Generator) -> Floats:
    """New vectors half-way between two old ones."""
    rows = rng.permutation(len(base))[: min(INSERTED, SPARE, len(base))]
    return np.ascontiguousarray((base[rows] + base[np.roll(rows, 1)]) / 2, np.float32)


def _recall(
    engine: Engine, ef: int, queries: Floats, truth: Rows, gone: Rows | None = None
) -> tuple[float, int]:
    """Recall, and how many results had been deleted."""
    ask = engine.search(K, ef)
    rows = [engine.rows(ask(query)) for query in queries]
    ghosts = 0 if gone is None else sum(int(np.isin(found, gone).sum()) for found in rows)
    return recall(rows, truth), ghosts


def _timed_delete(bench: Bench, engine: Engine, gone: Rows) -> Record:
    with no_gc():
        start = time.perf_counter()
        engine.delete(gone)
        taken = time.perf_counter() - start
    return bench.record("delete", engine.name, "delete a tenth", seconds=taken, per_s=len(gone) / taken)


def _timed_insert(bench: Bench, engine: Engine, extra: Floats) -> Record:
    with no_gc():
        start = time.perf_counter()
        for vector in extra:
            engine.insert(vector)
        taken = time.perf_counter() - start
    return bench.record("delete", engine.name, "insert one by one", seconds=taken, per_s=len(extra) / taken)
