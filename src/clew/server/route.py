"""Where requests go."""

from __future__ import annotations

from typing import NamedTuple

from clew.server.auth import Access
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
