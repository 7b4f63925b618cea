"""Which work is done at once, on the event loop, and which by a thread. What was quick will be so again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from clew.commands import Query
from clew.server.cursors import REMEMBERED_MAX

# What took no longer is done at once the next time. Some 20 times as long as the way to a thread and back.
INLINE_SECONDS_MAX = 0.001
# In these, one query of a kind that is slow holds the event loop up, to see whether it still is.
PAUSE_MIN, PAUSE_MAX = 16, 4096


class Quick:
    """The resumable queries whose last batch was quick. Others are not taken to be.

    A batch under way is taken out, so that nobody on the event loop waits for it.
    """

    def __init__(self) -> None:
        self._uuids: OrderedDict[str, None] = OrderedDict()

    def take(self, uuid: str) -> bool:
        """Whether it is one of them; it is not any more."""
        return self._uuids.pop(uuid, self) is None

    def note(self, uuid: str, seconds: float) -> None:
        """How long its last batch took."""
        if seconds <= INLINE_SECONDS_MAX:
            self._uuids[uuid] = None
            if len(self._uuids) > REMEMBERED_MAX:
                self._uuids.popitem(last=False)


class Slow:
    """The kinds of queries of which the last that was done at once was slow. Others are taken to be quick.

    After a pause, one of a kind is done at once again; if it is still slow, the next pause is twice as long.
    What counts is the time on the processor: where that is scarce everything takes long, and a thread would
    only add to it.
    """

    def __init__(self) -> None:
        self._pauses: OrderedDict[Hashable, tuple[int, int]] = (
            OrderedDict()
        )  # how long, and how many are left

    def __contains__(self, query: Query) -> bool:
        """Whether `query`, which is about to be made, should be made by a thread."""
        if not self._pauses or (kind := _kind(query)) not in self._pauses:
            return False
        pause, left = self._pauses[kind]
        self._pauses[kind] = pause, left - 1
        return left > 0

    def note(self, query: Query, busy_s: float) -> None:
        """How long one took that was done at once, on the processor."""
        if busy_s > INLINE_SECONDS_MAX:
            kind = _kind(query)
            pause = min(2 * self._pauses.pop(kind, (PAUSE_MIN // 2, 0))[0], PAUSE_MAX)
            self._pauses[kind] = pause, pause
            if len(self._pauses) > REMEMBERED_MAX:
                self._pauses.popitem(last=False)
        elif self._pauses:
            self._pauses.pop(_kind(query), None)


def _kind(query: Query) -> Hashable:
    """What makes queries of an index take about as long."""
    return query.namespace, query.top_k.bit_length(), query.include
