"""What is answered of slots: ids, scores, vectors and texts."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from clew._core import Hits
from clew.commands import Include
from clew.engine.metadata import decode_metadata
from clew.engine.parts import Part, Slots
from clew.engine.records import Records, Texts
from clew.engine.vectors import shown
from clew.types import FetchResult, Metadata, QueryResult, SparseVector

_NO_TEXTS = Texts(None, None)


class Answers:
    """The reads of a generation by slot."""

    __slots__ = ()

    graph: Part
    records: Records
    ids: list[str]
    rows: array[int]

    def results(self, hits: Hits, include: Include, scale: str | None) -> list[QueryResult]:
        """What a query answers. Without the hits whose records were dropped with their namespace.

        scale: the metric of the distances, or None where these are negated scores.
        """
        results = hits.named(self.ids, scale, QueryResult)
        if not (include.metadata or include.data or include.vectors):
            return results
        slots = hits.slots
        texts = self._texts(slots.tolist(), include)
        for result, vectors, text in zip(results, self._vectors(slots, include), texts, strict=True):
            if text is not None:
                result.vector, result.sparse_vector = vectors
                result.metadata, result.data = _metadata(text), text.data
        return [result for result, text in zip(results, texts, strict=True) if text is not None]

    def fetched(self, slots: list[int], include: Include) -> list[FetchResult | None]:
        """What a fetch answers, slot by slot."""
        ids = map(self.ids.__getitem__, slots)
        parts = self._vectors(np.array(slots, dtype=np.uint32), include)
        return [
            None if text is None else FetchResult(id, *vectors, _metadata(text), text.data)
            for id, vectors, text in zip(ids, parts, self._texts(slots, include), strict=True)
        ]

    def _texts(self, slots: list[int], include: Include) -> list[Texts | None]:
        if not (include.metadata or include.data):
            return [_NO_TEXTS] * len(slots)
        rows = list(map(self.rows.__getitem__, slots))
        texts = self.records.texts(rows, metadata=include.metadata, data=include.data)
        return list(map(texts.get, rows))

    def _vectors(
        self, slots: Slots, include: Include
    ) -> Iterable[tuple[list[float] | None, SparseVector | None]]:
        if not include.vectors or not len(slots):
            return [(None, None)] * len(slots)
        return shown(self.graph.rows(slots))


def _metadata(text: Texts) -> Metadata | None:
    return None if text.metadata is None else decode_metadata(text.metadata)
