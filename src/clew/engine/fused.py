"""A hybrid query whose stream is made anew: its halves, each sought by itself, are fused again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clew._core import FusedStreams, Hits
from clew.commands import Floats, Include
from clew.engine.fusion import Fusion
from clew.engine.generation import Generation
from clew.engine.parts import Slots
from clew.engine.returned import Rows
from clew.engine.snapshot import Chosen
from clew.engine.stream import MergedStream, PresentStream, chained
from clew.errors import ClientError
from clew.types import QueryResult

# The core fuses numbers below this. Rows, which order ties of the present and the past alike, have to fit.
ROWS_MAX = 1 << 31

Pair = tuple[Slots, Floats]

# What a slot that waits takes in a dict, about.
_WAITING_BYTES = 120


class FusedStream:
    """The streams of two halves, which number slots alike, as one ranking of what `chosen` says."""

    def __init__(
        self,
        dense: PresentStream | MergedStream,
        sparse: PresentStream | MergedStream,
        fusion: Fusion,
        chosen: Chosen,
    ) -> None:
        self._halves = (dense, sparse)
        self._slots: dict[int, int] = {}  # by row, of what the halves have yielded and is not returned
        self._chosen = chosen
        self.generation: Generation = dense.generation
        # Only a merged one knows the slots of the past.
        self._named_by = sparse if isinstance(sparse, MergedStream) else dense
        self._fused = FusedStreams(
            _reader(dense, self._slots),
            _reader(sparse, self._slots),
            self.generation.metric,
            algorithm=fusion.algorithm.value,
            dense_weight=fusion.dense_weight,
            window=fusion.window,
        )

    def next(self, n: int) -> Hits:
        """Up to n further hits; fewer only at the end, and none ever after."""
        hits = self._chosen_of(self._fused.next(n))
        while hits.count < n:
            more = self._fused.next(n - hits.count)
            if not more.count:
                break
            hits = chained([hits, self._chosen_of(more)])
        return hits

    def results(self, hits: Hits, include: Include) -> list[QueryResult]:
        """What a query answers. Without hits whose records were dropped with their namespace."""
        return self._named_by.results(hits, include)

    def rows(self, hits: Hits) -> Rows:
        """The rows of the record store that hits stand for."""
        return self._named_by.rows(hits)

    def packed(self, hits: Hits) -> bytes:
        """The same, packed."""
        return self._named_by.packed(hits)

    @property
    def bytes(self) -> int:
        """Memory that it takes, without the generation."""
        waiting = len(self._slots) * _WAITING_BYTES
        return self._fused.bytes + waiting + sum(half.bytes for half in self._halves)

    def _chosen_of(self, hits: Hits) -> Hits:
        """Of hits of the core, which are rows, those that are meant, as slots."""
        rows, distances = hits.slots, hits.distances
        slots = np.array([self._slots.pop(row) for row in rows.tolist()], dtype=np.uint32)
        meant: NDArray[np.bool_] = np.isin(rows, self._chosen.rows, invert=not self._chosen.only)
        return Hits(slots[meant], distances[meant])


def _reader(half: PresentStream | MergedStream, slots_of: dict[int, int]) -> Callable[[int], Pair]:
    """Reads a half for rows. It does not hold the stream: the collector cannot see what the core holds."""

    def read(n: int) -> Pair:
        hits = half.next(n)
        rows = half.rows(hits)
        if len(rows) and rows.max() >= ROWS_MAX:
            raise ClientError(
                f"a hybrid query cannot go on past record {ROWS_MAX} of an index: start it anew"
            )
        slots_of.update(zip(rows.tolist(), hits.slots.tolist(), strict=True))
        return rows.astype(np.uint32), hits.distances

    return read
