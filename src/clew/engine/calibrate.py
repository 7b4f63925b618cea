"""What a scan costs beside a walk, measured on the graph at hand: it depends on dimension and machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from clew._core import Cursor, Graph
from clew.commands import Floats

# Each scan passes rows of this many bytes as floats, an eighth as coarse halves: at most 1 ms from memory.
# Several at places drawn at random, so that the rows are as far from the processor as they are for a query.
SCAN_BYTES = 8 << 20
SCANS = 12
# Of fewer rows, or for many results of them, a scan reads floats (see `Cursor::scan_by`): what that costs is
# not what a scan of all costs.
ROWS_MIN = 4096
SCAN_K = 1
# Places are drawn among the first so many slots: the bitmap that names them stays at 256 KiB.
SPREAD = 1 << 21

# Walks of the kind that queries begin with, about 1,000 distances each: 3 to 9 ms for all.
WALKS = 36
EF, K = 64, 10

# The minimum of many timings is luck, and up to half may be disturbed by other work; so the lower quartile is
# taken. Measured again and again beside other work, the ratio of two of these lay within 12 % of its median;
# that of the least of 12 and of 4 within 30 %.
QUANTILE = 0.25

# A ratio beyond these is a disturbance of the clock and not a property of the machine: 0.2 to 0.63 was
# measured of 16 to 768 dimensions and 2,048 to 100,000 rows.
COST_MIN, COST_MAX = 0.02, 3.0

SEED = 0


def scan_cost(graph: Graph, clock: Callable[[], float] = time.thread_time) -> float:
    """Seconds per row of a scan over seconds per distance of a walk, within COST_MIN and COST_MAX.

    clock: seconds; as a rule those that this thread has worked, which other work on the machine disturbs
    least. A graph that does not walk keeps the cost that it has. Takes 5 to 20 ms, also of huge graphs.
    """
    draw = np.random.default_rng(SEED)
    queries = graph.rows(draw.integers(graph.size, size=WALKS + SCANS, dtype=np.uint32))
    before = graph.scan_cost
    rows = max(ROWS_MIN, -(-SCAN_BYTES // (4 * graph.dimension * 64)) * 64)
    last = max(0, min(graph.size, SPREAD) - rows) // 64
    starts = draw.integers(last, endpoint=True, size=SCANS).tolist()
    try:
        # So that walks are not cut short, and scans are no walks; queries beside it do the same meanwhile.
        graph.scan_cost = COST_MAX
        walks = [_per_distance(graph, query, clock) for query in queries[:WALKS]]
        graph.scan_cost = 0
        scans = [
            _per_row(graph, query, start, rows // 64, clock)
            for query, start in zip(queries[WALKS:], starts, strict=True)
        ]
    finally:
        graph.scan_cost = before
    walk, scan = (np.quantile(times, QUANTILE, method="lower") for times in (walks, scans))
    if not (0 < walk < np.inf and 0 < scan < np.inf):
        return before
    return float(min(max(scan / walk, COST_MIN), COST_MAX))


def _per_distance(graph: Graph, query: Floats, clock: Callable[[], float]) -> float:
    cursor = graph.cursor(query, EF)
    seconds = _timed(cursor, K, clock)
    return seconds / cursor.walked if cursor.walked and not cursor.scanning else np.inf


def _per_row(graph: Graph, query: Floats, start: int, words: int, clock: Callable[[], float]) -> float:
    """Of a scan of `words` * 64 slots from slot `start` * 64 on."""
    allowed = np.zeros(start + words, dtype=np.uint64)
    allowed[start:] = ~np.uint64(0)
    cursor = graph.cursor(query, allowed=allowed)
    seconds = _timed(cursor, SCAN_K, clock)
    return seconds / cursor.scanned if cursor.scanned else np.inf


def _timed(cursor: Cursor, k: int, clock: Callable[[], float]) -> float:
    """Seconds until the first k results."""
    started = clock()
    cursor.next(k)
    return clock() - started
