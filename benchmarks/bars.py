"""The figures Clew is held to, and whether a run reached them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.records import Record, find

WIDE = 512  # dimensions from which the bar of wide vectors holds
PEERS = ("hnswlib", "faiss", "usearch", "svs", "voyager", "vsag")


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one data set."""

    records: Sequence[Record]

    def get(self, suite: str, engine: str, case: str, value: str) -> float | None:
        """One number, or None where it was not taken."""
        return find(self.records, suite, engine, case, value)

    def ratio(self, suite: str, case: str, value: str, top: str, bottom: str) -> float | None:
        """One engine's number over another's."""
        over, under = self.get(suite, top, case, value), self.get(suite, bottom, case, value)
        return over / under if over is not None and under else None


@dataclass(frozen=True, slots=True)
class Bar:
    """`figure` must be at least, or with `at_most` at most, `bar`."""

    what: str
    bar: float
    figure: Callable[[Measured], float | None]
    at_most: bool = False

    def met(self, figure: float) -> bool:
        """Whether a figure reaches the bar."""
        return figure <= self.bar if self.at_most else figure >= self.bar


def _crossing(recall: float) -> Callable[[Measured], float | None]:
    return lambda m: m.ratio("oneshot", f"recall {recall}", "queries_per_s", "clew", "hnswlib")


def _paged(case: str, value: str, top: str, bottom: str) -> Callable[[Measured], float | None]:
    return lambda m: m.ratio("paging", case, value, top, bottom)


def _over_best_peer(suite: str, case: str, value: str, way: str = "") -> Callable[[Measured], float | None]:
    """The rate over that of the best peer; with a `way` of paging, the time of the quickest over ours."""

    def figure(m: Measured) -> float | None:
        own = m.get(suite, "clew", case, value)
        found = [one for peer in PEERS if (one := m.get(suite, f"{peer}{way}", case, value))]
        if not own or not found:
            return None
        return min(found) / own if way else own / max(found)

    return figure


def _index_overhead(m: Measured) -> float | None:
    through = m.get("overhead", "clew-index", "search 10", "median_us")
    core = m.get("overhead", "clew", "search 10", "median_us")
    return through - core if through is not None and core is not None else None


def _worst_batch(m: Measured) -> float | None:
    worst = m.get("paging", "clew", "1,000 by 10", "worst_batch_ms")
    scan = m.get("paging", "float32 scan", "1,000 by 10", "total_ms")
    return worst / scan if worst is not None and scan else None


def _recall_gain(m: Measured) -> float | None:
    batches = m.get("paging", "clew", "1,000 by 10", "recall")
    once = m.get("paging", "clew, one query", "1,000 by 10", "recall")
    return batches - once if batches is not None and once is not None else None


def _everything(m: Measured) -> float | None:
    total = m.get("paging", "clew", "everything by 1,000", "total_ms")
    sort = m.get("paging", "float32 scan + sort", "everything by 1,000", "total_ms")
    return total / sort if total is not None and sort else None


def _not_once(m: Measured) -> float | None:
    missing = m.get("paging", "clew", "everything by 1,000", "missing")
    twice = m.get("paging", "clew", "everything by 1,000", "duplicates")
    return missing + twice if missing is not None and twice is not None else None


def _difference(m: Measured, case: str, value: str) -> float | None:
    through, alone = (m.get("http", engine, case, value) for engine in ("clew", "clew, engine alone"))
    return through - alone if through is not None and alone is not None else None


def _above_engine(m: Measured) -> float | None:
    case, alone = "query of 10", m.get("http", "clew, engine alone", "query of 10", "cpu_us")
    own, other = (m.get("http", engine, case, "cpu_us") for engine in ("clew", "fastapi + pydantic"))
    if own is None or other is None or alone is None:
        return None
    return (other - alone) / (own - alone)


def _over(m: Measured, top: str, bottom: str, value: str) -> float | None:
    over, under = (m.get("durable", "full", case, value) for case in (top, bottom))
    return over / under if over is not None and under else None


def _durable_fetch(m: Measured) -> float | None:
    """What a batch costs beyond 1.2 times one in memory, in commits of what it changes."""
    durable = m.get("durable", "normal", "fetch_next of 10", "median_ms")
    memory = m.get("durable", "memory", "fetch_next of 10", "median_ms")
    commit = m.get("durable", "normal", "commit of a batch", "median_ms")
    if durable is None or memory is None or not commit:
        return None
    return (durable - 1.2 * memory) / commit


def _fetch_over_query(m: Measured) -> float | None:
    fetch = m.get("http", "clew", "fetch_next of 10, 4 connections", "cpu_us")
    query = m.get("http", "clew", "query of 10, 4 connections", "cpu_us")
    return fetch / query if fetch is not None and query else None


ALIKE, THOUSAND = "clew, one query of that recall", "1,000 by 10"
BARS = (
    Bar(
        "1,000 by 10 over one query of 1,000 of that recall, core",
        1.15,
        _paged(THOUSAND, "total_ms", "clew", ALIKE),
        True,
    ),
    Bar(
        "1,000 by 10 through Index over one query of 1,000 of that recall, core",
        1.4,
        _paged(THOUSAND, "total_ms", "clew-index, resumable query", ALIKE),
        True,
    ),
    Bar("slowest batch of 10 over one float32 scan", 1.3, _worst_batch, True),
    Bar("recall of 1,000 by 10", 0.995, lambda m: m.get("paging", "clew", THOUSAND, "recall")),
    Bar("recall of 1,000 by 10 less that of one query", 0.0, _recall_gain),
    Bar("late finds per 1,000", 10, lambda m: m.get("paging", "clew", THOUSAND, "late_finds"), True),
    Bar("reading everything over float32 scan + sort", 2.0, _everything, True),
    Bar("vectors missed or repeated while reading everything", 0, _not_once, True),
    Bar("1,000 by 10 over the best peer", 3, _over_best_peer("paging", THOUSAND, "total_ms", ", doubling")),
    Bar(
        "10,000 by 100 over the best peer",
        11,
        _over_best_peer("paging", "10,000 by 100", "total_ms", ", doubling"),
    ),
    Bar(
        "queries/s under a 1 % filter over the best peer",
        3,
        _over_best_peer("filtered", "top 10 of 1 %", "queries_per_s"),
    ),
    Bar(
        "queries/s under a 10 % filter over the best peer",
        1.5,
        _over_best_peer("filtered", "top 10 of 10 %", "queries_per_s"),
    ),
    Bar("Index.query above the core, microseconds", 10, _index_overhead, True),
    Bar("recall under a 1 % filter", 0.999, lambda m: m.get("filtered", "clew", "top 10 of 1 %", "recall")),
    Bar(
        "queries/s under a 1 % filter over hnswlib",
        20,
        lambda m: m.ratio("filtered", "top 10 of 1 %", "queries_per_s", "clew", "hnswlib"),
    ),
    Bar(
        "build over hnswlib, 1 thread",
        1.0,
        lambda m: m.ratio("build", "1 thread", "vectors_per_s", "clew", "hnswlib"),
    ),
    Bar(
        "build over hnswlib, 2 threads",
        1.0,
        lambda m: m.ratio("build", "2 threads", "vectors_per_s", "clew", "hnswlib"),
    ),
    Bar(
        "bytes per vector over hnswlib",
        1.2,
        lambda m: m.ratio("memory", "after the build", "bytes_per_vector", "clew", "hnswlib"),
        True,
    ),
    Bar(
        "query of 1,000 vectors through Index, microseconds",
        30,
        lambda m: m.get("overhead", "clew-index", "search 10 of 1,000", "median_us"),
        True,
    ),
    Bar(
        "HTTP: server CPU of a query above the engine, microseconds",
        120,
        lambda m: _difference(m, "query of 10", "cpu_us"),
        True,
    ),
    Bar(
        "HTTP: p99 at half of the peak, milliseconds",
        5,
        lambda m: m.get("http", "clew", "query of 10, half of the peak", "p99_ms"),
        True,
    ),
    Bar(
        "HTTP: small requests/s",
        5_000,
        lambda m: m.get("http", "clew", "small query of 10", "requests_per_s"),
    ),
    Bar(
        "HTTP: small requests/s over FastAPI",
        5,
        lambda m: m.ratio("http", "small query of 10", "requests_per_s", "clew", "fastapi + pydantic"),
    ),
    Bar("HTTP: server CPU of a query above the engine, FastAPI over Clew", 5, _above_engine),
    Bar("HTTP: CPU of fetch_next over a query of the same size", 1.3, _fetch_over_query, True),
    Bar(
        "HTTP: errors with 1,000 connections and 5,000 open queries held",
        0,
        lambda m: m.get("http", "clew", "1,000 connections, 5,000 open", "errors"),
        True,
    ),
    Bar(
        "HTTP: memory grown meanwhile, MiB",
        5,
        lambda m: m.get("http", "clew", "1,000 connections, 5,000 open", "grown_mib"),
        True,
    ),
    Bar(
        "durable upserts of 1,000 over those in memory",
        0.9,
        lambda m: m.ratio("durable", "upserts of 1,000", "per_s", "full", "memory"),
    ),
    Bar(
        "durable upserts one by one, 8 threads over 1",
        4,
        lambda m: _over(m, "upserts one by one, threads=8", "upserts one by one, threads=1", "per_s"),
    ),
    Bar(
        "opening from an image, seconds",
        1,
        lambda m: m.get("durable", "full", "opened from an image", "seconds"),
        True,
    ),
    Bar(
        "opening without an image over opening from one",
        20,
        lambda m: _over(m, "opened without an image", "opened from an image", "seconds"),
    ),
    Bar("durable fetch_next of 10 above 1.2 of that in memory, over a commit", 1.0, _durable_fetch, True),
    Bar(
        "10,000 queries asleep at depth 1,000, megabytes",
        20,
        lambda m: m.get("durable", "normal", "10,000 queries asleep at depth 1,000", "megabytes"),
        True,
    ),
    Bar(
        "fetch_next of 10 sought anew at depth 1,000, milliseconds",
        5,
        lambda m: m.get("durable", "normal", "fetch_next of 10, sought anew at depth 1,000", "median_ms"),
        True,
    ),
    Bar(
        "longest upsert beside checkpoints, milliseconds",
        100,
        lambda m: m.get("durable", "full", "upserts beside checkpoints", "longest_ms"),
        True,
    ),
    Bar(
        "import clew, milliseconds",
        150,
        lambda m: _thousandth(m.get("overhead", "clew", "import clew", "median_us")),
        True,
    ),
)


def table(records: Sequence[Record], dimensions: dict[str, int]) -> str:
    """Every bar that a run can tell about, per data set, as a Markdown table."""
    lines = ["## Bars\n", "| data | figure | bar | measured | |", "|---|---|---|---|---|"]
    for name, dimension in dimensions.items():
        measured = Measured([record for record in records if record.dataset == name])
        for bar in (*_one_shot(dimension), *BARS):
            figure = bar.figure(measured)
            if figure is not None:
                sign, verdict = "<=" if bar.at_most else ">=", "met" if bar.met(figure) else "**missed**"
                lines.append(f"| {name} | {bar.what} | {sign} {bar.bar:g} | {figure:.4g} | {verdict} |")
    return "\n".join(lines)


def _one_shot(dimension: int) -> tuple[Bar, ...]:
    over_hnswlib, over_best = (1.4, 2.4) if dimension >= WIDE else (1.8, 1.8)
    rate = "queries_per_s"
    return tuple(
        bar
        for recall in (0.95, 0.99)
        for bar in (
            Bar(f"queries/s at recall {recall} over hnswlib", over_hnswlib, _crossing(recall)),
            Bar(
                f"queries/s at recall {recall} over the best peer",
                over_best,
                _over_best_peer("oneshot", f"recall {recall}", rate),
            ),
            Bar(
                f"batch queries/s at recall {recall} over the best peer",
                2.0,
                _over_best_peer("oneshot", f"batch call, recall {recall}", rate),
            ),
        )
    )


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1000
