"""Opening the stream of a query: at its start, and anew from what it has returned."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from clew.commands import Query
from clew.engine.fused import FusedStream
from clew.engine.generation import Generation
from clew.engine.namespace import Namespace
from clew.engine.parts import Asked, Bits, HybridAsked, asked_of, with_weights
from clew.engine.past import bitmap
from clew.engine.returned import NOTHING
from clew.engine.snapshot import Chosen, Snapshot
from clew.engine.stream import MergedStream, PresentStream, Stream


def opened(generation: Generation, query: Query) -> tuple[Stream, Snapshot, Query]:
    """The stream of a query that starts, the snapshot that it sees, and the query as it is from now on."""
    asked = asked_of(generation.records.settings.type, query)
    cursor, snapshot = generation.cursor(asked, query.filter)
    stream = PresentStream(generation, cursor, generation.scale_of(asked))
    return stream, snapshot, with_weights(query, cursor)


def sought(
    namespace: Namespace,
    query: Query,
    seen: Snapshot,
    chosen: Chosen,
    threads: int,
    *,
    fused: Chosen | None = None,
) -> Stream:
    """The stream of a query that started when the namespace was as in `seen`, over what `chosen` says.

    What was there then and still is comes from the present generation, what was removed since from the past.
    No row removed after `seen` may be purged meanwhile. fused: what is fused to rank it; None: that alone.
    """
    generation = namespace.generation
    asked = asked_of(generation.records.settings.type, query)
    if isinstance(asked, HybridAsked) and asked.vector is not None and asked.sparse is not None:
        # Ranks of a window count all that the halves find, those already returned as well.
        meant = Chosen(NOTHING) if asked.fusion.window else fused or chosen
        halves = asked.halves()
        dense, sparse = _streams(namespace, generation, halves, None, query.filter, seen, meant, threads)
        return FusedStream(dense, sparse, asked.fusion, chosen)
    scale = generation.scale_of(asked)
    [stream] = _streams(namespace, generation, [asked], scale, query.filter, seen, chosen, threads)
    return stream


def _streams(
    namespace: Namespace,
    generation: Generation,
    questions: Sequence[Asked],
    scale: str | None,
    filter: str,
    seen: Snapshot,
    chosen: Chosen,
    threads: int,
) -> list[PresentStream | MergedStream]:
    """A stream for each of the questions. They number slots alike. scale: of the hits that they name."""
    cursors = [
        generation.cursor(asked, filter, lambda size: _among(generation, size, seen, chosen))
        for asked in questions
    ]
    present = [PresentStream(generation, cursor, scale) for cursor, _ in cursors]
    if not generation.records.removed_count(namespace.number, seen.seq, seen.end_row):
        return [*present]
    past = namespace.past_of(generation)
    return [
        MergedStream(one, past.stream(asked, filter, seen, now, chosen, threads, scale))
        for one, asked, (_, now) in zip(present, questions, cursors, strict=True)
    ]


def _among(generation: Generation, size: int, seen: Snapshot, chosen: Chosen) -> Bits:
    """The slots, of the first `size`, whose rows were there in `seen` and are chosen. Rows ascend with
    slots.
    """
    rows = generation.rows[:size]  # a copy: numpy must not hold on to what a writer makes longer
    end = bisect_left(rows, seen.end_row)
    at = np.searchsorted(np.frombuffer(rows, dtype=np.int64)[:end], chosen.rows)
    inside = at < end
    at, wanted = at[inside], chosen.rows[inside]
    at = at[np.frombuffer(rows, dtype=np.int64)[at] == wanted]  # a row that was removed is in no slot
    flags = np.zeros(size, dtype=np.bool_)
    flags[:end] = not chosen.only
    flags[at] = chosen.only
    return bitmap(flags)
