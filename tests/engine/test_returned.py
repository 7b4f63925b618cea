from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew._core import pack, unpack
from clew.engine.returned import PARTS_MERGED, Rows, added, count, union

ROWS = st.sets(st.integers(0, 2**50), max_size=60) | st.sets(st.integers(0, 200), max_size=150)


def sorted_rows(rows: set[int]) -> Rows:
    return np.array(sorted(rows), dtype=np.int64)


@given(ROWS)
def test_a_set_of_rows_is_unpacked_as_it_was_packed(rows: set[int]) -> None:
    packed = pack(sorted_rows(rows))
    assert unpack(packed).tolist() == sorted(rows)
    assert count(packed) == len(rows)


@given(st.lists(ROWS, max_size=9))
def test_sets_that_follow_one_another_are_unpacked_one_after_the_other(sets: list[set[int]]) -> None:
    packed = b"".join(pack(sorted_rows(rows)) for rows in sets)
    assert unpack(packed).tolist() == [row for rows in sets for row in sorted(rows)]


@pytest.mark.parametrize(
    ("rows", "bytes_of"),
    [
        ([], ""),
        ([7], "010000000700000000000000ff00000000"),
        ([*range(100, 117)], "11000000640000000000000000ffff"),
        ([*range(20)], "14000000000000000000000000ffffe0"),
        (
            [37 * i * i + 5 for i in range(17)],
            "1100000005000000000000000824761d40326907542e7d104a39670c5eeaa491111084",
        ),
        ([i << 40 for i in range(3)], "03000000000000000000000026fffffffffffffffffff011"),
    ],
)
def test_packed_rows_are_the_bytes_that_the_format_says(rows: list[int], bytes_of: str) -> None:
    assert pack(np.array(rows[::-1], dtype=np.int64)).hex() == bytes_of
    assert unpack(bytes.fromhex(bytes_of)).tolist() == rows


@given(st.binary(max_size=60))
def test_bytes_that_are_no_packed_rows_are_refused_or_read_as_some(damaged: bytes) -> None:
    with suppress(ValueError):
        assert len(unpack(damaged)) >= count(damaged)


@given(st.lists(ROWS, max_size=40))
def test_parts_hold_together_what_was_added_however_they_are_merged(batches: list[set[int]]) -> None:
    parts: list[bytes] = []
    seen: set[int] = set()
    for batch in batches:
        fresh = batch - seen
        seen |= fresh
        before = parts
        parts, keep = added(before, pack(sorted_rows(fresh)))
        assert parts[:keep] == before[:keep]
    assert union(parts).tolist() == sorted(seen)


@pytest.mark.parametrize(
    ("n", "of", "bytes_max"), [(1000, 200_000, 1200), (100, 200_000, 200), (10, 10**6, 60)]
)
def test_packed_rows_are_small(n: int, of: int, bytes_max: int) -> None:
    rows = np.sort(np.random.default_rng(0).choice(of, n, replace=False)).astype(np.int64)
    assert len(pack(rows)) <= bytes_max


def test_all_rows_of_a_namespace_take_about_a_bit_each() -> None:
    assert len(pack(np.arange(80_000, dtype=np.int64))) < 80_000 / 8 + 20


def test_there_are_few_parts_however_many_batches_there_were() -> None:
    parts: list[bytes] = []
    packed = 0
    for first in range(0, 200_000, 10):
        parts, keep = added(parts, pack(np.arange(first, first + 10, dtype=np.int64)))
        packed += sum(map(count, parts[keep:]))
    assert len(parts) < 6 * PARTS_MERGED
    assert packed < 8 * 200_000  # each row a logarithmic number of times
