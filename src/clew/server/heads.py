"""Heads of requests that were understood once: the same bytes say the same again."""

from __future__ import annotations

import re

from clew.server.hosted import INLINE_BODY_MAX

# A path without a query string, in letters that stand for themselves.
_PLAIN = re.compile(rb"/[!-\"$->@-~]*")
# What a request with one of these asks for, uvicorn knows, or its middleware.
_NOT_PLAIN = frozenset({b"expect", b"transfer-encoding", b"upgrade"})
_OF_PROXIES = b"x-forwarded-for"
_LENGTH = b"\r\ncontent-length:"
_DIGITS_MAX = 6


def parted(data: bytes) -> tuple[bytes, int, int] | None:
    """The head at the beginning of `data` but for the length of the body, and where that begins and will end.

    None where the head has not come as a whole, and where no length is found, or one that is too large.
    """
    begin = data.find(b"\r\n\r\n") + 4
    head = data[:begin]
    first = head.lower().find(_LENGTH) + len(_LENGTH)
    last = head.find(b"\r", first)
    digits = head[first:last].strip(b" ")
    if first < len(_LENGTH) or not digits.isdigit() or len(digits) > _DIGITS_MAX:
        return None
    length = int(digits)
    return None if length > INLINE_BODY_MAX else (head[:first] + head[last:], begin, begin + length)


def is_plain(head: bytes, url: bytes, headers: list[tuple[bytes, bytes]], proxied: bool) -> bool:
    """Whether a request asks for nothing but its path, with its token and its body.

    head: of `parted`. headers: what was found in it, names in lower case. proxied: whether it matters that a
    proxy sent it.
    """
    names = [name for name, _ in headers]
    return (
        _PLAIN.fullmatch(url) is not None
        and _NOT_PLAIN.isdisjoint(names)
        and names.count(b"content-length") == 1
        and not (proxied and _OF_PROXIES in names)
        # A line more or less was not meant as the end of one.
        and head.count(b"\n") == len(headers) + 2
    )
