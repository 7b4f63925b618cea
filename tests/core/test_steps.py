"""The inner loops of a walk: what it has not met, what is near enough, and where that belongs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clew import _core

STEPPING = [name for name in _core.INSTRUCTION_SETS if name.startswith("avx")]
NO_SLOT = 2**32 - 1
KEYS = st.one_of(st.integers(0, 9), st.integers(2**64 - 9, 2**64 - 1), st.integers(0, 2**64 - 1))


def key(distance: float, slot: int) -> int:
    bits = int(np.float32(distance + 0.0).view(np.uint32))
    return ((bits ^ 0xFFFFFFFF if bits >> 31 else bits | 1 << 31) << 32) | slot << 1


@pytest.mark.parametrize("instruction_set", STEPPING)
@given(st.lists(st.integers(0, 2000), max_size=70), st.integers(0, 40), st.integers(0, 2**32 - 1), st.data())
def test_what_was_not_met_is_found_in_order(
    instruction_set: str, places: list[int], words: int, seed: int, data: st.DataObject
) -> None:
    marks = np.random.default_rng(seed).integers(0, 2**32, words, dtype=np.uint32)
    end = data.draw(st.sampled_from([NO_SLOT, 0, 700, 1999]))
    found = _core.unmarked_slots(instruction_set, np.array(places, np.uint32), end, marks)
    slots = [place - 1 for place in places if place > 0]  # place 0 is empty
    met = {32 * word + bit for word in range(words) for bit in range(32) if marks[word] >> np.uint32(bit) & 1}
    assert found.tolist() == [slot for slot in slots if slot < end and slot not in met]


@pytest.mark.parametrize("instruction_set", STEPPING)
@given(
    st.lists(st.tuples(st.floats(width=32, allow_nan=False), st.integers(0, 2**31 - 2)), max_size=70),
    st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 69)),
)
def test_keys_are_parted_by_a_limit(instruction_set: str, pairs: list[tuple[float, int]], limit: int) -> None:
    keys = [key(*pair) for pair in pairs]
    if limit < len(keys):
        limit = keys[limit]  # one of them: it is not less than itself
    distances, slots = np.array([d for d, _ in pairs], np.float32), np.array([s for _, s in pairs], np.uint32)
    near, far = _core.parted_keys(instruction_set, distances, slots, limit)
    assert near.tolist() == [key for key in keys if key < limit]
    assert far.tolist() == [key for key in keys if key >= limit]


@pytest.mark.parametrize("instruction_set", STEPPING)
@given(keys=st.lists(KEYS, max_size=70), limit=KEYS)
def test_keys_are_split_where_they_are(instruction_set: str, keys: list[int], limit: int) -> None:
    below, others = _core.split_keys(instruction_set, np.array(keys, np.uint64), limit)
    assert below.tolist() == [key for key in keys if key < limit]
    assert others.tolist() == [key for key in keys if key >= limit]


@pytest.mark.parametrize("instruction_set", STEPPING)
@given(
    count=st.integers(1, 512), fresh=st.integers(1, 512), bits=st.integers(10, 64), seed=st.integers(0, 2**32)
)
@example(count=512, fresh=512, bits=64, seed=0)
def test_fresh_keys_go_where_they_belong(
    instruction_set: str, count: int, fresh: int, bits: int, seed: int
) -> None:
    """Keys of few bits lie side by side, at the end of what a key can be as well as at its beginning."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2**bits - 1, 2 * count, np.uint64)
    keys = rng.permutation(np.unique(np.where(rng.random(2 * count) < 0.5, drawn, 2**64 - 2 - drawn)))[:count]
    new = keys[-fresh:]
    merged, first = _core.merged_keys(instruction_set, np.sort(keys[:-fresh]), new)
    assert merged.tolist() == sorted(keys.tolist())
    assert merged[first] == new.min()


@pytest.mark.parametrize("instruction_set", STEPPING)
def test_any_share_of_512_keys_can_be_fresh(instruction_set: str) -> None:
    keys = np.random.default_rng(1).permutation(512).astype(np.uint64) << np.uint64(40)
    for old in range(512):
        merged, _ = _core.merged_keys(instruction_set, np.sort(keys[:old]), keys[old:])
        assert merged.tolist() == sorted(keys.tolist())


def test_an_instruction_set_without_a_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="'plain' has no such kernel"):
        _core.merged_keys("plain", np.empty(0, np.uint64), np.ones(1, np.uint64))


@pytest.mark.parametrize("instruction_set", STEPPING)
def test_what_lies_within_limits_and_the_least_beyond(instruction_set: str) -> None:
    draw = np.random.default_rng(64)
    for _ in range(50):
        distances = draw.standard_normal(64).astype(np.float32)
        distances[draw.random(64) < 0.2] = np.nan
        before, limit = sorted(draw.choice(distances[~np.isnan(distances)], 2).tolist())
        bits, least = _core.block_within(instruction_set, distances, before, limit)
        within = (distances > before) & (distances <= limit)
        assert bits == int(np.packbits(within, bitorder="little").view(np.uint64)[0])
        assert least == min(distances[distances > limit].tolist(), default=np.inf)
