"""Ids that begin with a prefix, as bounds that an index of SQLite serves."""

from __future__ import annotations

# The smallest code point after the surrogates, which no text holds; and the last code point.
_AFTER_SURROGATES, _LAST = 0xE000, 0x10FFFF


def prefix_bounds(prefix: str) -> tuple[str, tuple[str, ...]]:
    """SQL for "id begins with `prefix`" as bounds that an index serves, in code point order.

    Not LIKE or substr: they end a text at its first NUL.
    """
    head = prefix.rstrip(chr(_LAST))
    if not prefix:
        return "", ()
    if not head:
        return " AND id >= ?", (prefix,)
    after = ord(head[-1]) + 1
    after = _AFTER_SURROGATES if 0xD800 <= after < _AFTER_SURROGATES else after
    return " AND id >= ? AND id < ?", (prefix, head[:-1] + chr(after))
