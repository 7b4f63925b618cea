"""What an open query reads from: a cursor, and the records that its slots stand for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clew._core import Hits, pack
from clew.commands import Floats, Include
from clew.engine.generation import Generation
from clew.engine.parts import Reader, Slots
from clew.engine.returned import Rows
from clew.types import QueryResult

# How many further hits are looked at, at least, for such as are as near as the last that is wanted.
TIES = 16

# A slot of the past has this bit; those of a generation are below 2^31.
_PAST = np.uint32(1 << 31)


class Stream(Protocol):
    """Yields every record that a query may still return once, nearest first. One caller at a time.

    It may number the slots of several generations as it likes.
    """

    def next(self, n: int) -> Hits:
        """Up to n further hits; fewer only at the end, and none ever after."""
        ...

    def results(self, hits: Hits, include: Include) -> list[QueryResult]:
        """What a query answers. Without hits whose records were dropped with their namespace."""
        ...

    def rows(self, hits: Hits) -> Rows:
        """The rows of the record store that hits stand for."""
        ...

    def packed(self, hits: Hits) -> bytes:
        """The same, packed."""
        ...

    @property
    def generation(self) -> Generation:
        """The one that it keeps alive."""
        ...

    @property
    def bytes(self) -> int:
        """Memory that it takes, without the generation."""
        ...


class PresentStream:
    """A cursor of one generation. scale: see `Answers.results`."""

    __slots__ = ("cursor", "generation", "next", "results")

    def __init__(self, generation: Generation, cursor: Reader, scale: str | None) -> None:
        self.generation = generation
        self.cursor = cursor
        self.next = cursor.next
        self.results = partial(generation.results, scale=scale)

    def rows(self, hits: Hits) -> Rows:
        """The rows of the record store that hits stand for."""
        return hits.of(self.generation.rows)

    def packed(self, hits: Hits) -> bytes:
        """The same, packed."""
        return hits.packed_of(self.generation.rows)

    @property
    def bytes(self) -> int:
        """Memory that it takes, without the generation."""
        return self.cursor.bytes


class MergedStream:
    """What is there now and what was removed since the query began, read as one, by (distance, row)."""

    def __init__(self, present: PresentStream, past: PresentStream) -> None:
        self._parts = [_Part(present, np.uint32(0)), _Part(past, _PAST)]
        self.generation = present.generation

    def next(self, n: int) -> Hits:
        """Up to n further hits; fewer only at the end, and none ever after."""
        for part in self._parts:
            part.fill(n)
        slots, distances, rows = (np.concatenate([part.ready[i] for part in self._parts]) for i in range(3))
        chosen = np.lexsort((rows, distances))[:n]
        from_present = len(self._parts[0].ready[0])
        self._parts[0].take(chosen[chosen < from_present])
        self._parts[1].take(chosen[chosen >= from_present] - from_present)
        return Hits(slots[chosen], distances[chosen])

    def results(self, hits: Hits, include: Include) -> list[QueryResult]:
        """What a query answers. Without hits whose records were dropped with their namespace."""
        answers: dict[int, QueryResult] = {}
        for part in self._parts:
            at, own = part.own(hits)
            found = part.stream.results(own, include)
            answers.update(zip(at.tolist(), found, strict=len(found) == len(at)))
        return [answers[i] for i in sorted(answers)]

    def rows(self, hits: Hits) -> Rows:
        """The rows of the record store that hits stand for."""
        rows = np.empty(hits.count, dtype=np.int64)
        for part in self._parts:
            at, found = part.own(hits)
            rows[at] = part.stream.rows(found)
        return rows

    def packed(self, hits: Hits) -> bytes:
        """The same, packed."""
        return pack(self.rows(hits))

    @property
    def bytes(self) -> int:
        """Memory that it takes, without the generation."""
        return sum(part.stream.bytes + sum(one.nbytes for one in part.ready) for part in self._parts)


class _Part:
    """One stream of those that are merged: what it has yielded that is not taken yet."""

    def __init__(self, stream: PresentStream, mark: np.uint32) -> None:
        self.stream = stream
        self.mark = mark
        self.ready: tuple[Slots, Floats, Rows] = (
            np.empty(0, np.uint32),
            np.empty(0, np.float32),
            np.empty(0, np.int64),
        )
        self._exhausted = False

    def fill(self, n: int) -> None:
        """See to it that n hits are ready, while there are so many, and with them all that are as near as the
        nth: slots of the past are in no order of rows.
        """
        while not self._exhausted and not self._enough(n):
            there = len(self.ready[0])
            missing = max(n + 1 - there, there, TIES)
            hits = self.stream.next(missing)
            slots, distances = hits.slots, hits.distances
            self._exhausted = hits.count < missing
            rows = self.stream.rows(hits)
            slots_before, distances_before, rows_before = self.ready
            self.ready = (
                np.concatenate([slots_before, slots | self.mark]),
                np.concatenate([distances_before, distances]),
                np.concatenate([rows_before, rows]),
            )

    def _enough(self, n: int) -> bool:
        distances = self.ready[1]
        return len(distances) > n and bool(distances[-1] > np.partition(distances, n - 1)[n - 1])

    def own(self, hits: Hits) -> tuple[NDArray[np.intp], Hits]:
        """Which of these are its own, and those as its stream knows them."""
        slots = hits.slots
        at = np.flatnonzero((slots & _PAST) == self.mark)
        return at, Hits(slots[at] & ~_PAST, hits.distances[at])

    def take(self, at: NDArray[np.intp]) -> None:
        """These are taken."""
        slots, distances, rows = self.ready
        self.ready = (np.delete(slots, at), np.delete(distances, at), np.delete(rows, at))


def chained(hits: Sequence[Hits]) -> Hits:
    """Hits of several batches as one, in that order."""
    return Hits(np.concatenate([one.slots for one in hits]), np.concatenate([one.distances for one in hits]))


def joined(hits: Sequence[Hits]) -> Hits:
    """The same, nearest first."""
    one = chained(hits)
    order = np.argsort(one.distances, kind="stable")
    return Hits(one.slots[order], one.distances[order])
