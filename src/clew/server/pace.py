"""Which work is done at once, on the event loop, and which by a thread. What was quick will be so again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from clew.commands import Query
from clew.server.owners import REMEMBERED_MAX

# What took no longer is done at once the next time. Some 20 times as long as the way to a thread and back.
INLINE_SECONDS_MAX = 0.001
INLINE_TOP_K_MAX = 100
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
    """The kinds of queries that were slow when last done at once. Others are taken to be quick.

    After a pause, one of a kind is done at once again; if it is still slow, the next pause is twice as long.
    One that took long once may have waited for the processor: a kind is slow from the second in a row.

    seconds_max: what takes longer is slow.
    """

    seconds_max = INLINE_SECONDS_MAX

    def __init__(self) -> None:
        # How long the pause of a kind is, and how much of it is left; both are 0 after one that took long.
        # Mostly there is none, and nobody need ask.
        self.pauses: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def pausing(self, kind: Hashable) -> bool:
        """Whether a query of a kind, which is about to be made, should be made by a thread."""
        if kind not in self.pauses:
            return False
        pause, left = self.pauses[kind]
        self.pauses[kind] = pause, left - 1
        return left > 0

    def note(self, kind: Hashable, seconds: float) -> None:
        """How long one took that was done at once."""
        before = self.pauses.pop(kind, None)
        if seconds > self.seconds_max:
            pause = 0 if before is None else min(max(PAUSE_MIN, 2 * before[0]), PAUSE_MAX)
            self.pauses[kind] = pause, pause
            if len(self.pauses) > REMEMBERED_MAX:
                self.pauses.popitem(last=False)


def kind_of(query: Query) -> Hashable:
    """What makes queries of an index take about as long; None where it may be long."""
    long = query.data is not None or query.sparse_vector is not None or query.filter
    if long or query.top_k > INLINE_TOP_K_MAX:
        return None
    return query.namespace, query.top_k.bit_length(), query.include
