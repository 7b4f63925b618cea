"""What a query has returned: sets of row numbers, packed by the core to a few bits each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from clew._core import pack, unpack

Rows = NDArray[np.int64]

NOTHING: Rows = np.empty(0, dtype=np.int64)

# The batches before the last are kept apart, as a tail, until they take so many bytes: most batches then
# change one row of one table. Those of a tail become a part together.
TAIL_BYTES_MAX = 800

# So many parts of about one length become one. There are few parts then, and each row is packed anew a
# logarithmic number of times, however deep a query goes.
PARTS_MERGED = 16


def count(packed: bytes) -> int:
    """How many rows are in a packed set."""
    return int.from_bytes(packed[:4], "little")


def union(parts: Iterable[bytes]) -> Rows:
    """All rows of packed sets that share none, ascending."""
    return np.sort(unpack(b"".join(parts)))


def added(parts: list[bytes], part: bytes) -> tuple[list[bytes], int]:
    """`parts` and one more that shares no row with them, and how many of the first stay as they were."""
    if not part:
        return parts, len(parts)
    grown, keep = [*parts, part], len(parts)
    while True:
        limit, alike = 2 * count(grown[-1]), 0
        while alike < len(grown) and count(grown[-1 - alike]) <= limit:
            alike += 1
        if alike < PARTS_MERGED:
            return grown, keep
        keep = len(grown) - alike
        grown[keep:] = [pack(union(grown[keep:]))]
