"""What the server counts, as the text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

# Upper bounds in seconds: from a small query inline to a large upsert.
LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[str, str]  # index and endpoint


GAUGES = {
    "vectors": "Vectors of an index.",
    "index_bytes": "Bytes of its records.",
    "open_cursors": "Resumable queries that are open.",
    "cursor_bytes": "Bytes that their cursors take together.",
}


class State(NamedTuple):
    """What an index holds at the moment."""

    name: str
    vectors: int
    index_bytes: int
    open_cursors: int
    cursor_bytes: int


class Counter:
    """Counts of requests to one endpoint of one index."""

    __slots__ = ("buckets", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.seconds = 0.0

    def count(self, status: int, seconds: float) -> None:
        """One request was answered."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.buckets[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.seconds += seconds


class Metrics:
    """Counts of requests. Used on the event loop only, so it needs no lock."""

    def __init__(self) -> None:
        self._counters: defaultdict[Labels, Counter] = defaultdict(Counter)

    def counter(self, index: str, endpoint: str) -> Counter:
        """Where requests to an endpoint are counted."""
        return self._counters[index, endpoint]

    def text(self, states: Sequence[State]) -> str:
        """Everything, in the text format of Prometheus."""
        lines = ["# HELP clew_requests_total Requests answered.", "# TYPE clew_requests_total counter"]
        counters = sorted(self._counters.items())
        for (index, endpoint), counter in counters:
            labels = f'index="{index}",endpoint="{endpoint}"'
            for status, n in sorted(counter.statuses.items()):
                lines.append(f'clew_requests_total{{{labels},status="{status}"}} {n}')
        name = "clew_request_seconds"
        lines += [f"# HELP {name} From the head of a request to its answer.", f"# TYPE {name} histogram"]
        for (index, endpoint), counter in counters:
            lines += _histogram(name, f'index="{index}",endpoint="{endpoint}"', counter)
        for gauge, about in GAUGES.items():
            lines += [f"# HELP clew_{gauge} {about}", f"# TYPE clew_{gauge} gauge"]
            lines += [f'clew_{gauge}{{index="{state.name}"}} {getattr(state, gauge)}' for state in states]
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: str, counter: Counter) -> list[str]:
    lines, total = [], 0
    for bound, n in zip((*map(str, LATENCY_BOUNDS_S), "+Inf"), counter.buckets, strict=True):
        total += n
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total}')
    return [*lines, f"{name}_sum{{{labels}}} {counter.seconds:.6f}", f"{name}_count{{{labels}}} {total}"]
