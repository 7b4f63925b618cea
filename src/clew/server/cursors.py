"""What the server remembers of resumable queries, by uuid, beside what the engine keeps."""

from __future__ import annotations

from collections import OrderedDict

from clew.errors import QueryNotActive
from clew.server.auth import Access

# Batches as quick as this are fetched on the event loop.
INLINE_SECONDS_MAX = 0.001
REMEMBERED_MAX = 20_000  # twice as many as may be open; some 3 MB


class Quick:
    """The resumable queries whose last batch was quick, so that the next will be, most likely.

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


class Owners:
    """Which token began which query: it belongs to that one alone.

    A server that was started again no longer knows, and takes either token of the index.
    """

    def __init__(self) -> None:
        self._access: OrderedDict[str, Access] = OrderedDict()

    def note(self, uuid: str, access: Access) -> None:
        """Query `uuid` was begun. One that does not exist has the uuid "", and belongs to nobody."""
        if uuid:
            self._access[uuid] = access
            if len(self._access) > REMEMBERED_MAX:
                self._access.popitem(last=False)

    def require(self, uuid: str, access: Access) -> None:
        """Raise QueryNotActive where another token began query `uuid`."""
        if self._access.get(uuid, access) is not access:
            raise QueryNotActive(f"Resumable query {uuid} does not exist")
