"""Heads of requests that were understood once: whose request is whole, and where it ends."""

from __future__ import annotations

import numpy as np
import pytest

from clew._core import Head

BEFORE, AFTER = b"POST /query HTTP/1.1\r\nContent-Length: ", b"\r\nHost: x\r\n\r\n"
BODY = b'{"topK":3,"vector":[0.5,-1]}'


def request(body: bytes, length: bytes | None = None) -> bytes:
    return BEFORE + (b"%d" % len(body) if length is None else length) + AFTER + body


@pytest.fixture
def head() -> Head:
    return Head(BEFORE, AFTER, 100)


def test_a_request_is_read_to_its_end_and_no_further(head: Head) -> None:
    whole = request(BODY)
    for more in (b"", b"x", whole):
        read = head.read(whole + more)
        assert read is not None
        end, vector, rest = read
        assert end == len(whole)
        assert np.array_equal(vector, [0.5, -1])
        assert rest == b'{"topK":3,"vector":null}'


@pytest.mark.parametrize("body", [b"", b"{", b'{"uuid":"x"}', b'{"vector":[]}', b"x" * 100])
def test_a_body_without_a_plain_vector_is_given_as_it_is(head: Head, body: bytes) -> None:
    assert head.read(request(body)) == (len(request(body)), None, body)


def test_a_request_that_has_not_come_as_a_whole_says_where_it_will_end(head: Head) -> None:
    whole = request(BODY)
    begin = whole.index(b"{")
    for size in range(begin):
        assert head.read(whole[:size]) is None
    for size in range(begin, len(whole)):
        assert head.read(whole[:size]) == (len(whole), None, None)


@pytest.mark.parametrize(
    "length", [b"", b"-1", b"+5", b" 5", b"5 ", b"0x5", b"5, 5", b"101", b"99999999999999999999999999"]
)
def test_a_length_that_is_none_or_too_large_is_of_another_head(head: Head, length: bytes) -> None:
    assert head.read(request(BODY, length)) is None


def test_every_byte_of_a_head_counts(head: Head) -> None:
    whole = request(BODY)
    begin = whole.index(b"{")
    digits = range(len(BEFORE), whole.index(b"\r", len(BEFORE)))
    for place in (place for place in range(begin) if place not in digits):
        other = bytearray(whole)
        other[place] ^= 0x20
        assert head.read(bytes(other)) is None
