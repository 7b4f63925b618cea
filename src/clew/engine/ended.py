"""Why queries that are no longer active are not."""

from __future__ import annotations

from collections import OrderedDict

from clew.errors import QueryNotActive

# So many uuids of queries that were stopped are remembered, with the reason, to say it on the next call.
# 10,000 take about 2 MB.
STOPPED_MAX = 10_000


class Ended:
    """The last uuids of queries that ended, each with the reason. One thread at a time may `remember`."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def remember(self, name: str, reason: str) -> None:
        """Query `name` has ended."""
        self._reasons[name] = reason
        if len(self._reasons) > STOPPED_MAX:
            self._reasons.popitem(last=False)

    def error(self, name: str) -> QueryNotActive:
        """What a call on query `name` raises."""
        reason = self._reasons.get(name)
        text = f"Resumable query {name} does not exist"
        return QueryNotActive(f"{text}: {reason}" if reason else text)
