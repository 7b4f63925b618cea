"""Records that were removed and that open queries still see, once the generation that held them is gone."""

from __future__ import annotations

from array import array

import numpy as np

from clew.engine.fair import FairLock
from clew.engine.generation import Generation
from clew.engine.parts import Asked, Bits, part_of
from clew.engine.records import RemovedVector
from clew.engine.snapshot import Chosen, Snapshot
from clew.engine.stream import PresentStream
from clew.engine.uninterrupted import Uninterrupted
from clew.engine.vectors import from_blobs
from clew.types import Metric

# Nothing is removed from the past, so its state has no number.
_ANY = Snapshot(0, 0)


class Past:
    """The removed records of a namespace, each with the seq of the command that removed it.

    It grows when a query is sought anew that is older than a removal, and goes when no query is that old.
    """

    def __init__(self, like: Generation, namespace: int) -> None:
        self._namespace = namespace
        self._records = like.records
        self._turn = FairLock()
        self._type, metric = like.records.settings.type, Metric(like.metric)
        part = part_of(self._type, like.graph.dimension, metric)
        self.generation = Generation(part, metric, like.records, self._turn, _ANY)
        self._removed = array("q")  # by slot
        # Every row that was removed by then, and was not purged before it was asked for, is here.
        self.upto = 0

    def stream(
        self,
        asked: Asked,
        filter: str,
        seen: Snapshot,
        now: Snapshot,
        chosen: Chosen,
        threads: int,
        scale: str | None,
    ) -> PresentStream:
        """Over the records that `seen` holds and `now` does not, of those that `chosen` names."""
        with Uninterrupted(), self._turn:
            if self.upto < now.seq:
                self._grow(self._records.removed(self._namespace, self.upto, now.seq), threads)
                self.upto = now.seq
            size = self.generation.graph.size
            removed = np.frombuffer(self._removed[:size], dtype=np.int64)
            rows = np.frombuffer(self.generation.rows[:size], dtype=np.int64)
            there = (rows < seen.end_row) & (removed > seen.seq) & (removed <= now.seq)
            there &= np.isin(rows, chosen.rows, invert=not chosen.only)
            allowed = self.generation.allowed(filter, size)
            cursor = self.generation.graph.cursor(
                asked, allowed=bitmap(there) if allowed is None else allowed & bitmap(there)
            )
        return PresentStream(self.generation, cursor, scale)

    def _grow(self, found: list[RemovedVector], threads: int) -> None:
        if not found:
            return
        vectors = from_blobs(self._type, self.generation.graph.dimension, [one.vector for one in found])
        self._removed.extend(one.deleted_seq for one in found)
        self.generation.apply(
            [one.id for one in found],
            vectors,
            [one.row for one in found],
            [one.position for one in found],
            (),
            0,
            threads,
        )


def bitmap(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Bits:
    """One bit for each flag, in uint64 words."""
    words = np.zeros(-(-len(flags) // 64) * 8, dtype=np.uint8)
    packed = np.packbits(flags, bitorder="little")
    words[: len(packed)] = packed
    return words.view(np.uint64)
