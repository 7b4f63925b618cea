"""Reading results in batches: the shape of a pager, and how one pages an index that has no cursor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from benchmarks.truth import Doubles, Floats, Rows

TIE = 1e-6  # nearer by less than this share is the same distance
Answer = Any


class Pager(Protocol):
    """An open read of one query's results."""

    def next(self, count: int) -> Answer:
        """The next batch; an empty one at the end."""

    def rows(self, answer: Answer) -> Rows:
        """The rows in a batch (not timed)."""

    def close(self) -> None:
        """Give back what it holds."""


class Grows(Protocol):
    """An index that can only be asked again, for more."""

    def grow(self, query: Floats, k: int) -> Answer:
        """The `k` nearest."""

    def rows(self, answer: Answer) -> Rows:
        """The rows in an answer."""


class Requery:
    """Asks for `batch` more results each time and drops those returned before: what most people write."""

    def __init__(self, index: Grows, query: Floats, batch: int) -> None:
        self._index, self._query = index, query
        self._asked = 0
        self._returned: set[int] = set()

    def next(self, count: int) -> Answer:
        """The next batch."""
        self._asked += count
        found = self._index.rows(self._index.grow(self._query, self._asked)).tolist()
        batch = [row for row in found if row not in self._returned][:count]
        self._returned.update(batch)
        return batch

    def rows(self, answer: Answer) -> Rows:
        """The rows in a batch."""
        return np.asarray(answer, np.int64)

    def close(self) -> None:
        """Nothing is held."""


class Doubling:
    """Asks for twice as many when its buffer runs out and serves batches from it: the careful way."""

    def __init__(self, index: Grows, query: Floats, batch: int, first: int = 100) -> None:
        self._index, self._query = index, query
        self._wanted = max(first, batch)
        self._returned: set[int] = set()
        self._buffer: list[int] = []
        self._place = 0
        self._exhausted = False

    def next(self, count: int) -> Answer:
        """The next batch."""
        while len(self._buffer) - self._place < count and not self._exhausted:
            found = self._index.rows(self._index.grow(self._query, self._wanted)).tolist()
            fresh = [row for row in found if row not in self._returned]
            self._exhausted = len(found) < self._wanted
            self._wanted *= 2
            self._returned.update(fresh)
            self._buffer += fresh
        batch = self._buffer[self._place : self._place + count]
        self._place += len(batch)
        return batch

    def rows(self, answer: Answer) -> Rows:
        """The rows in a batch."""
        return np.asarray(answer, np.int64)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One query read in batches: nanoseconds of each (the first includes opening), and its rows."""

    batch_ns: tuple[int, ...]
    close_ns: int
    batches: tuple[Rows, ...]


def read(open_pager: Any, query: Floats, batch: int, wanted: int, cap_s: float = 20.0) -> Reading:
    """Read up to `wanted` results of a query in batches, or as many as `cap_s` seconds allow."""
    clock, taken, answers = time.perf_counter_ns, [], []
    began = start = clock()
    pager: Pager = open_pager(query, batch)
    found = 0
    while found < wanted:
        answer = pager.next(batch)
        now = clock()
        taken.append(now - start)
        answers.append(answer)
        found += batch
        start = clock()
        if start - began > cap_s * 1e9:
            break
    start = clock()
    pager.close()
    return Reading(tuple(taken), clock() - start, tuple(pager.rows(answer) for answer in answers))


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a reading is: recall over everything read, and the ways it can be wrong."""

    recall: float
    returned: int
    duplicates: int
    missing: int  # results short of those that were there to be had
    late_finds: int  # nearer than something in an earlier batch


def judge(reading: Reading, order: Rows, distances: Doubles, wanted: int) -> Quality:
    """Compare a reading with the exact `order` of the rows that may be returned."""
    rows = np.concatenate(reading.batches) if reading.batches else np.empty(0, np.int64)
    unique = np.unique(rows)
    expected = order[:wanted]
    late, farthest = 0, -np.inf
    for batch in reading.batches:
        if len(batch):
            apart = distances[batch]
            late += (
                int((apart < farthest - TIE * max(abs(farthest), 1e-9)).sum()) if farthest > -np.inf else 0
            )
            farthest = max(farthest, float(apart.max()))
    return Quality(
        recall=len(np.intersect1d(unique, expected)) / max(len(expected), 1),
        returned=len(rows),
        duplicates=len(rows) - len(unique),
        missing=len(expected) - min(len(unique), len(expected)),
        late_finds=late,
    )
