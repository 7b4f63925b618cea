"""What the server remembers of resumable queries, by uuid, beside what the engine keeps."""

from __future__ import annotations

from collections import OrderedDict

from clew.errors import QueryNotActive
from clew.server.auth import Access

REMEMBERED_MAX = 20_000  # twice as many resumable queries as may be open; some 3 MB


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
