"""Where requests go, and who answers them beside ASGI."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from clew.commands import AnyCommand, Floats
from clew.server.auth import Access
from clew.server.exchange import Answer
from clew.server.hosted import Hosted
from clew.server.metrics import Counter
from clew.wire import Operation


class Route(NamedTuple):
    """Where requests to one path with one token go, and where they are counted. The token was found good."""

    operation: Operation
    hosted: Hosted
    access: Access
    namespace: str
    counter: Counter


class ShortPath(Protocol):
    """What answers without ASGI. See `Api`."""

    @property
    def short_bytes_max(self) -> int: ...  # noqa: D102
    def route(self, path: bytes, authorization: bytes | None) -> Route | None: ...  # noqa: D102
    def at_once(  # noqa: D102
        self, route: Route, vector: Floats | None, rest: bytes, client: tuple[str, int] | None
    ) -> Answer | AnyCommand | None: ...
