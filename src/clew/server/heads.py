"""Heads of requests: whose bytes may come again and say the same again, and what they offer."""

from __future__ import annotations

import re

from clew._core import Head

# A path without a query string, in letters that stand for themselves.
_PLAIN = re.compile(rb"/[!-\"$->@-~]*")
# What a request with one of these asks for, uvicorn knows, or its middleware.
_NOT_PLAIN = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
_OF_PROXIES = b"x-forwarded-for"
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})
_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9}) *\r\n", re.IGNORECASE)


def understood(
    data: bytes, url: bytes, headers: list[tuple[bytes, bytes]], *, proxied: bool, most: int
) -> Head | None:
    """The head with which `data` begins, if it asks for nothing but its path, with its token and its body.

    headers: what was found in it, names in lower case. proxied: whether it matters that a proxy sent it.
    most: bytes of a body.
    """
    head = data[: data.find(b"\r\n\r\n") + 4]
    length = _LENGTH.search(head)
    names = [name for name, _ in headers]
    if (
        length is None
        or _PLAIN.fullmatch(url) is None
        or not _NOT_PLAIN.isdisjoint(names)
        or names.count(b"content-length") != 1
        or (proxied and _OF_PROXIES in names)
        # A line more or less was not meant as the end of one.
        or head.count(b"\n") != len(headers) + 2
    ):
        return None
    return Head(head[: length.start(1)], head[length.end(1) :], most)


def without_offer(data: bytes, end: int) -> bytes:
    """The request of `data`, whose head ends at `end`, if it does, without the offer of another protocol.

    Some clients offer one with every request, and mean the same if it is not taken up; but the parser would
    not read the body.
    """
    if end < 0 or _OFFER.search(data, 0, end) is None:
        return data
    return _OFFER.sub(b"\r\nUpgrade-Offered:", data[:end]) + data[end:]


def has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a head says that a body follows it."""
    return not _OF_BODIES.isdisjoint(name for name, _ in headers)
