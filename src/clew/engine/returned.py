"""What a query has returned: sets of row numbers, packed to about 2 bits more than their entropy.

The gaps between ascending numbers are Golomb-Rice coded (Rice, 1979): the low `k` bits of each as they are,
the rest in unary. A thousand rows of 200,000 take 1.2 kB, all rows of a namespace about a bit each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_HEAD = struct.Struct("<IqB")  # how many, the first, k
NOTHING: Rows = np.empty(0, dtype=np.int64)

# So few rows are kept as they are, less the first: packing them takes longer than it saves.
FEW = 16
_AS_THEY_ARE = 255  # in the place of k

# The batches before the last are kept apart, as a tail, until they are so many, or take so many bytes: most
# batches then change one row of one table. Those of a tail become a part together.
TAIL_MAX, TAIL_BYTES_MAX = 16, 1_000

# So many parts of about one length become one. There are few parts then, and each row is packed anew a
# logarithmic number of times, however deep a query goes.
PARTS_MERGED = 16


def pack(rows: Rows) -> bytes:
    """The set as bytes. `rows`, int64, differ, in any order."""
    n = len(rows)
    if n == 0:
        return b""
    if n <= FEW:  # so few are quicker without NumPy
        numbers = sorted(rows.tolist())
        first = numbers[0]
        if numbers[-1] - first < 1 << 32:
            return struct.pack(f"<IqB{n}I", n, first, _AS_THEY_ARE, *[row - first for row in numbers])
    rows = np.sort(rows)
    gaps = np.diff(rows) - 1
    mean = (int(rows[-1]) - int(rows[0])) / n
    k = max(0, int(mean * np.log(2)).bit_length() - 1)
    high, low = gaps >> k, gaps & ((1 << k) - 1)
    ends = np.cumsum(high + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1 if n > 1 else 0, dtype=np.uint8)
    unary[ends] = 1
    bits = (low[:, None] >> np.arange(k)) & 1
    return (
        _HEAD.pack(n, int(rows[0]), k)
        + np.packbits(bits.astype(np.uint8)).tobytes()
        + np.packbits(unary).tobytes()
    )


def unpack(packed: bytes) -> Rows:
    """The rows of a packed set, ascending."""
    if not packed:
        return NOTHING
    n, first, k = _HEAD.unpack_from(packed)
    if k == _AS_THEY_ARE:
        rows: Rows = np.frombuffer(packed, dtype="<u4", offset=_HEAD.size).astype(np.int64) + first
        return rows
    gaps = n - 1
    split = _HEAD.size + (gaps * k + 7) // 8
    body = np.frombuffer(packed, dtype=np.uint8)
    bits = np.unpackbits(body[_HEAD.size : split], count=gaps * k).reshape(gaps, k).astype(np.int64)
    ends = np.flatnonzero(np.unpackbits(body[split:]))[:gaps]
    high = np.diff(ends, prepend=-1) - 1
    rows = np.empty(n, dtype=np.int64)
    rows[0] = first
    rows[1:] = first + np.cumsum((high << k) + (bits << np.arange(k)).sum(1) + 1)
    return rows


def count(packed: bytes) -> int:
    """How many rows are in a packed set."""
    return int(_HEAD.unpack_from(packed)[0]) if packed else 0


def union(parts: Iterable[bytes]) -> Rows:
    """All rows of packed sets that share none, ascending."""
    unpacked = [unpack(part) for part in parts]
    return np.sort(np.concatenate(unpacked)) if unpacked else NOTHING


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


def grown(parts: list[bytes], tail: list[bytes], batch: bytes) -> tuple[list[bytes], list[bytes], int]:
    """Parts and tail with one more batch, which shares no row with them, and how many of the first parts stay
    as they were.
    """
    longer = [*tail, batch] if batch else tail
    if len(longer) < TAIL_MAX and sum(map(len, longer)) < TAIL_BYTES_MAX:
        return parts, longer, len(parts)
    merged, keep = added(parts, pack(union(longer)))
    return merged, [], keep
