"""An index in a directory: what durability costs, and what open queries cost that outlive their process."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw
import numpy as np

from benchmarks.bench import Bench
from benchmarks.records import Layout
from benchmarks.records import Record as Measured
from benchmarks.truth import Floats
from clew import Index, Metric
from clew.commands import Compact, EndQuery, FetchNext, Query, Record, StartQuery, Upsert, UpsertArrays
from clew.engine.engine import Engine
from clew.engine.returned import TAIL_BYTES_MAX
from clew.engine.sqlite_queries import PAGE_BYTES, QUERIES_FILE

BATCH, BATCHED = 1_000, 20_000
ONE_BY_ONE, THREADS = 3_200, 8  # upserts of all threads together
ASKED, PAGES, PAGE = 20, 60, 10
BATCH_BYTES = 53  # what the rows of a page take in the file of open queries
DEPTH, SOUGHT = 1_000, 40
HIBERNATED = 10_000

SETTINGS = ("memory", "normal", "full")
OPENED, REBUILT = "opened from an image", "opened without an image"
LAYOUT = Layout(
    "In a directory: writes, batches of open queries, and queries that are asleep",
    ("per_s", "median_ms", "p99_ms", "longest_ms", "megabytes", "seconds"),
)


def run(bench: Bench) -> list[Measured]:
    """One thread unless a case says otherwise."""
    made = _batches(bench)
    made += _opened(bench)
    made += [_one_by_one(bench, setting, n) for setting in SETTINGS[1:] for n in (1, THREADS)]
    with ExitStack() as opened:
        engines = {setting: opened.enter_context(_engine(setting)) for setting in SETTINGS}
        for engine, _ in engines.values():
            _fill(engine, bench.dataset.base)
        made += _pages(bench, {setting: engine for setting, (engine, _) in engines.items()})
        for setting, (engine, directory) in engines.items():
            made.append(_sought(bench, engine, setting))
            if directory is not None:
                made.append(_commits(bench, engine, setting))
            if setting == "normal":
                assert directory is not None
                made.append(_asleep(bench, engine, directory))
    return made


@contextmanager
def _engine(setting: str, metric: str = "COSINE") -> Iterator[tuple[Engine, Path | None]]:
    if setting == "memory":
        engine = Engine.open(metric=Metric(metric))
        yield engine, None
        engine.close()
        return
    with tempfile.TemporaryDirectory(prefix="clew-durable-", dir=Path.cwd()) as name:
        engine = Engine.open(name, durability=setting, metric=Metric(metric), sessions_max=2 * HIBERNATED)
        yield engine, Path(name)
        engine.close()


def _fill(engine: Engine, rows: Floats) -> None:
    for first in range(0, len(rows), BATCHED):
        part = rows[first : first + BATCHED]
        engine.execute(UpsertArrays(tuple(map(str, range(first, first + len(part)))), part))


def _batches(bench: Bench) -> list[Measured]:
    """The settings take turns with each batch, so that what disturbs the machine disturbs all of them."""
    rows = bench.dataset.base[:BATCHED]
    taken: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    with ExitStack() as opened:
        engines = {setting: opened.enter_context(_engine(setting))[0] for setting in SETTINGS}
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            ids = tuple(map(str, range(first, first + len(part))))
            metadata = tuple({"number": i, "text": "x" * 100} for i in range(len(part)))
            command = UpsertArrays(ids, part, metadata)
            for setting, engine in engines.items():
                taken[setting].append(_timed(lambda: engine.execute(command)))  # noqa: B023
    return [
        bench.record(
            "durable",
            setting,
            f"upserts of {BATCH:,}",
            per_s=len(rows) / sum(times),
            longest_ms=1e3 * max(times),
        )
        for setting, times in taken.items()
    ]


def _one_by_one(bench: Bench, setting: str, threads: int) -> Measured:
    rows = bench.dataset.base

    def write(thread: int) -> None:
        for i in range(ONE_BY_ONE // threads):
            id = f"{thread}-{i}"
            engine.execute(Upsert((Record(id, rows[i], metadata={"number": i}),)))

    with _engine(setting) as (engine, _):
        workers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
        taken = _timed(lambda: ([one.start() for one in workers], [one.join() for one in workers]))
    return bench.record(
        "durable", setting, f"upserts one by one, threads={threads}", per_s=ONE_BY_ONE / taken
    )


def _opened(bench: Bench) -> list[Measured]:
    """`Index(dir)` of all vectors: from an image, also with vectors left in the file, and without one."""
    made = []
    with tempfile.TemporaryDirectory(prefix="clew-durable-", dir=Path.cwd()) as name:
        with Index(name) as index:
            for first in range(0, len(bench.dataset.base), BATCHED):
                part = bench.dataset.base[first : first + BATCHED]
                index.upsert_arrays(range(first, first + len(part)), part)
            closing = time.perf_counter()
        closed = time.perf_counter() - closing
        made.append(bench.record("durable", "full", "close, with an image", seconds=closed))
        for case, mapped in ((OPENED, False), ("opened from an image, mapped", True)):
            made.append(
                bench.record("durable", "full", case, seconds=min(_open(name, mapped) for _ in range(3)))
            )
        for image in Path(name).glob("*.image"):
            image.unlink()
        made.append(bench.record("durable", "full", REBUILT, seconds=_open(name, None)))
    return made


def _open(directory: str, mapped: bool | None) -> float:
    """Seconds until the first answer."""
    start = time.perf_counter()
    index = Index(directory, mapped=mapped)
    index.query(vector=[1.0] * index.info().dimension, top_k=10)
    taken = time.perf_counter() - start
    index.close()
    return taken


def _pages(bench: Bench, engines: dict[str, Engine]) -> list[Measured]:
    """`fetch_next` of few results, the index at rest, and a commit of what such a batch changes. They take
    turns with each query, so that what disturbs the machine disturbs all of them.
    """
    taken: dict[str, list[float]] = {case: [] for case in (*SETTINGS, "commit")}

    def pages(engine: Engine, query: Floats, took: list[float], then: Callable[[int], object]) -> None:
        uuid, _ = engine.execute(StartQuery(Query(query, top_k=PAGE)))
        for page in range(PAGES):
            took.append(_timed(lambda: engine.execute(FetchNext(uuid, PAGE))))
            then(page)
        engine.execute(EndQuery(uuid))

    with _row() as commit:
        for query in bench.dataset.queries[:ASKED]:
            for setting, engine in engines.items():
                pages(engine, query, taken[setting], lambda page: None)
            between = lambda page: taken["commit"].append(_timed(lambda: commit(page)))  # noqa: E731
            pages(engines["memory"], query, [], between)
    commits = _of_times(bench, "normal", "commit of a batch", taken.pop("commit"))
    case = f"fetch_next of {PAGE}"
    return [*(_of_times(bench, setting, case, times) for setting, times in taken.items()), commits]


@contextmanager
def _row() -> Iterator[Callable[[int], object]]:
    """Commits the row that a batch changes, as long as that is, in a file of its own, by one statement: the
    least that SQLite takes for it.
    """
    with tempfile.TemporaryDirectory(prefix="clew-durable-", dir=Path.cwd()) as name:
        connection = apsw.Connection(f"{name}/rows")
        for pragma in (f"page_size = {PAGE_BYTES}", "journal_mode = WAL", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, deadline, batch, last, tail)")
        connection.execute("INSERT INTO rows VALUES (1, 0.0, 0, x'', x'')")
        moved = "UPDATE rows SET deadline = ?, batch = ?, last = ?, tail = ? WHERE number = 1"
        yield lambda page: connection.execute(
            moved, (float(page), page, bytes(BATCH_BYTES), bytes(page * BATCH_BYTES % TAIL_BYTES_MAX))
        )
        connection.close()


def _sought(bench: Bench, engine: Engine, setting: str) -> Measured:
    """The same of a query whose stream was dropped, once it has returned so many."""
    taken = []
    for query in bench.dataset.queries[:SOUGHT]:
        uuid, _ = engine.execute(StartQuery(Query(query, top_k=100)))
        for _ in range(DEPTH // 100 - 1):
            engine.execute(FetchNext(uuid, 100))
        engine._sessions._table._sessions[uuid].drop()
        taken.append(_timed(lambda: engine.execute(FetchNext(uuid, PAGE))))  # noqa: B023
        engine.execute(EndQuery(uuid))
    return _of_times(bench, setting, f"fetch_next of {PAGE}, sought anew at depth {DEPTH:,}", taken)


def _commits(bench: Bench, engine: Engine, setting: str) -> Measured:
    """Single upserts while the log of a large write is checkpointed."""
    rows = bench.dataset.base[:BATCHED]
    taken = []
    for turn in range(5):
        engine.execute(UpsertArrays(tuple(f"t{i}" for i in range(2_000)), rows[:2_000]))
        for i in range(60):
            record = Record(f"o{turn}-{i}", rows[i])
            taken.append(_timed(lambda: engine.execute(Upsert((record,)))))  # noqa: B023
    return _of_times(bench, setting, "upserts beside checkpoints", taken)


def _asleep(bench: Bench, engine: Engine, directory: Path) -> Measured:
    """Queries that are open, not used, and outlive the process: their file, and how long opening it takes."""
    queries = bench.dataset.queries
    draw = np.random.default_rng(0)
    for i in range(HIBERNATED):
        near = queries[i % len(queries)] + draw.normal(0, 0.01, queries.shape[1]).astype(np.float32)
        engine.execute(StartQuery(Query(near, top_k=DEPTH)))
    engine._parts.saved.settle()
    held = (directory / QUERIES_FILE).stat().st_size
    taken = _timed(lambda: engine._parts.saved.active())
    engine.execute(Compact())
    return bench.record(
        "durable",
        "normal",
        f"{HIBERNATED:,} queries asleep at depth {DEPTH:,}",
        megabytes=held / 1e6,
        seconds=taken,
    )


def _of_times(bench: Bench, setting: str, case: str, taken: list[float]) -> Measured:
    ms = sorted(1e3 * one for one in taken)
    return bench.record(
        "durable",
        setting,
        case,
        median_ms=statistics.median(ms),
        p99_ms=ms[int(0.99 * len(ms))],
        longest_ms=ms[-1],
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
