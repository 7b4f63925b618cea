"""What the server counts, as the text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
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


class Metrics:
    """Counts of requests. Used on the event loop only, so it needs no lock."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[Labels, list[int]] = {}
        self._seconds: dict[Labels, float] = {}

    def count(self, index: str, endpoint: str, status: int, seconds: float) -> None:
        """One request was answered."""
        key = (index, endpoint, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        labels = (index, endpoint)
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = [0] * (len(LATENCY_BOUNDS_S) + 1)
        buckets[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self._seconds[labels] = self._seconds.get(labels, 0.0) + seconds

    def text(self, states: Sequence[State]) -> str:
        """Everything, in the text format of Prometheus."""
        lines = ["# HELP clew_requests_total Requests answered.", "# TYPE clew_requests_total counter"]
        for (index, endpoint, status), n in sorted(self._requests.items()):
            lines.append(
                f'clew_requests_total{{index="{index}",endpoint="{endpoint}",status="{status}"}} {n}'
            )
        name = "clew_request_seconds"
        lines += [f"# HELP {name} From the head of a request to its answer.", f"# TYPE {name} histogram"]
        for labels, buckets in sorted(self._buckets.items()):
            lines += self._histogram(name, labels, buckets)
        for gauge, about in GAUGES.items():
            lines += [f"# HELP clew_{gauge} {about}", f"# TYPE clew_{gauge} gauge"]
            lines += [f'clew_{gauge}{{index="{state.name}"}} {getattr(state, gauge)}' for state in states]
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str, labels: Labels, buckets: list[int]) -> list[str]:
        said = f'index="{labels[0]}",endpoint="{labels[1]}"'
        lines, total = [], 0
        for bound, n in zip((*map(str, LATENCY_BOUNDS_S), "+Inf"), buckets, strict=True):
            total += n
            lines.append(f'{name}_bucket{{{said},le="{bound}"}} {total}')
        return [
            *lines,
            f"{name}_sum{{{said}}} {self._seconds[labels]:.6f}",
            f"{name}_count{{{said}}} {total}",
        ]
