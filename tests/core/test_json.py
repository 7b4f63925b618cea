"""The vector of a request, read by the core: what the general reader of JSON reads, or nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clew._core import take_vector
from clew.wire.bodies import QueryBody

NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(10**25), 10**25).map(str)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
)
# Also what is none: the reader must not take it for one.
ODD = st.sampled_from(
    ["01", "1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "-Infinity", "0x1", "1_0", '"1"', "[1]", "true"]
)
SPACE = st.sampled_from(["", " ", "\n\t ", "\r\n"])


def arrays(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda parts, space: f"{space}[{space}{f'{space},{space}'.join(parts)}{space}]{space}",
        st.lists(numbers, min_size=1, max_size=8),
        SPACE,
    )


MEMBERS = st.sampled_from(
    [
        '"topK":3',
        '"topK":null',
        '"includeData":true',
        '"data":"\\u005b"',
        '"filter":"a = \'}\\\\\\",{\'"',
        '"x":{"vector":[1],"y":[{}]}',
    ]
)
BODIES = st.builds(
    lambda before, array, after: "{" + ",".join([*before, f'"vector":{array}', *after]) + "}",
    st.lists(MEMBERS, max_size=2),
    arrays(NUMBERS),
    st.lists(MEMBERS, max_size=2),
)


def general(body: bytes) -> Any:
    """What the wire makes of a body: its vector as float32, and all else; None where it refuses it."""
    try:
        read = msgspec.json.decode(body, type=QueryBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if read.vector is None:
        return None
    with np.errstate(over="ignore"):
        vector = np.array(read.vector, dtype=np.float32)
    if not len(vector) or not np.isfinite(vector).all():
        return None
    read.vector = None
    return vector, read


def require_same(body: bytes) -> bool:
    """The core takes what the wire takes, to the bit; whether it takes any."""
    taken = take_vector(body)
    if taken is None:
        return False
    vector, rest = taken
    try:
        read = msgspec.json.decode(rest, type=QueryBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False  # which is then read by the wire as it is
    expected = general(body)
    assert expected is not None, body
    assert read == expected[1]
    assert (vector == expected[0]).all()
    assert vector.dtype == np.float32
    return True


@given(BODIES)
@example('{"vector":[0.1,-0.0,0,123456789012345678,1e-7,5e-324,3.4028235677973366e38,9007199254740993]}')
def test_the_vector_of_a_plain_body_is_what_the_wire_reads(body: str) -> None:
    raw = body.encode()
    assert require_same(raw) is (general(raw) is not None)


@given(BODIES, arrays(NUMBERS | ODD), st.data())
def test_a_body_that_is_changed_is_read_as_the_wire_reads_it_or_not_at_all(
    body: str, array: str, data: st.DataObject
) -> None:
    raw = bytearray(body.replace("[", array, 1), "utf-8")
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "other"]))
        if how == "drop" and len(raw) > 1:
            del raw[place]
        elif how == "double":
            raw[place:place] = raw[place : place + data.draw(st.integers(1, 12))]
        else:
            raw[place] = data.draw(st.sampled_from(list(b'{}[]",:\\0.-e \xff')))
    require_same(bytes(raw))


@given(
    st.floats(0, 1, exclude_max=True, width=32),
    st.integers(1, 22),
    st.integers(-2, 2),
    st.booleans(),
)
def test_a_fraction_between_two_floats_goes_to_the_one_it_went_to(
    value: float, places: int, more: int, negative: bool
) -> None:
    between = (Decimal(value) + Decimal(float(np.nextafter(np.float32(value), np.float32(1))))) / 2
    digits = max(0, round(between * 10**places) + more)
    number = f"{'-' * negative}{digits // 10**places}.{digits % 10**places:0{places}d}"
    for body in (f'{{"vector":[{number},0.5,1],"topK":3}}', f'{{"topK":3,"vector":[{number}]}}'):
        assert require_same(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[[1,2]]",
        b"[1,2]",
        b"{}",
        b'{"vector":null}',
        b'{"vector":[]}',
        b'{"vector":"x"}',
        b'{"vector":[1e39]}',
        b'{"vector":[1],"vector":[2]}',
        b'{"vector":[1],"vect\\u006fr":[2]}',
        b'{"vector":[1]',
        b'{"vector":[1,]}',
        b'{"vector":[1 2]}',
        b'{"x":{"vector":[1]}}',
        b'{"x":"\\"vector\\":[1]"}',
    ],
)
def test_what_is_not_plain_to_see_is_left(body: bytes) -> None:
    assert take_vector(body) is None


def test_long_vectors_and_long_decimals_come_out_to_the_bit() -> None:
    rows = np.random.default_rng(5).standard_normal((50, 400)) * 10.0 ** np.random.default_rng(6).integers(
        -40, 30, (50, 400)
    )
    for row in rows:
        taken = take_vector(json.dumps({"vector": row.tolist(), "topK": 2}).encode())
        assert taken is not None
        assert (taken[0] == row.astype(np.float32)).all()
        assert json.loads(taken[1]) == {"vector": None, "topK": 2}
