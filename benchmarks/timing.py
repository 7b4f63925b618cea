"""Taking times: cases of all engines in turn, several rounds, and what is said of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)
S = TypeVar("S")
Nanoseconds = NDArray[np.int64]


@contextmanager
def no_gc() -> Iterator[None]:
    """The garbage collector waits until the block ends, so that it is not timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def in_turn(cases: Mapping[K, Callable[[], S]], rounds: int) -> dict[K, list[S]]:
    """Run every case once per round, beginning at another one each round; the samples of each case.

    Engines alternate, so that a slow minute of the machine falls on all of them alike. Garbage is collected
    between rounds and not between cases: going through all objects empties the caches for whoever is next.
    """
    samples: dict[K, list[S]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds):
        first = turn * len(names) // max(rounds, 1)
        with no_gc():
            for name in names[first:] + names[:first]:
                samples[name].append(cases[name]())
    return samples


def each_call(call: Callable[[Any], Any], arguments: Iterable[Any], warm_up: int = 20) -> Nanoseconds:
    """Nanoseconds of `call` for each argument, after some calls that bring its data into the caches."""
    arguments = list(arguments)
    for argument in arguments[:warm_up]:
        call(argument)
    taken = np.empty(len(arguments), np.int64)
    clock = time.perf_counter_ns
    for place, argument in enumerate(arguments):
        start = clock()
        call(argument)
        taken[place] = clock() - start
    return taken


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rate_at(curve: Iterable[tuple[float, float]], recall: float) -> float | None:
    """Queries per second at a recall, between the points (recall, rate) of a curve; None beyond it.

    The rate is interpolated in its logarithm. A curve that starts above `recall` gives its fastest point.
    """
    points = sorted(curve)
    if not points or points[-1][0] < recall:
        return None
    recalls = [point[0] for point in points]
    logs = [float(np.log(point[1])) for point in points]
    return float(np.exp(np.interp(recall, recalls, logs)))
