"""Merging keys: what a step of a walk has found goes where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import _core

MERGING = [name for name in _core.INSTRUCTION_SETS if name.startswith("avx512")]
KEYS = st.integers(0, 2**64 - 2)


@pytest.mark.parametrize("instruction_set", MERGING)
@given(
    st.integers(0, 255).flatmap(
        lambda fresh: st.tuples(
            st.sets(KEYS, min_size=fresh + 1, max_size=256), st.just(fresh), st.randoms(use_true_random=False)
        )
    )
)
def test_fresh_keys_go_where_they_belong(instruction_set: str, drawn: tuple) -> None:
    keys, few, random = drawn
    shuffled = list(keys)
    random.shuffle(shuffled)
    fresh = np.array(shuffled[few:], np.uint64)
    merged, first = _core.merged_keys(instruction_set, np.array(sorted(shuffled[:few]), np.uint64), fresh)
    assert merged.tolist() == sorted(keys)
    assert merged[first] == fresh.min()


@pytest.mark.parametrize("instruction_set", MERGING)
def test_any_share_of_256_keys_can_be_fresh(instruction_set: str) -> None:
    keys = np.random.default_rng(1).permutation(256).astype(np.uint64) << np.uint64(40)
    for old in range(256):
        merged, _ = _core.merged_keys(instruction_set, np.sort(keys[:old]), keys[old:])
        assert merged.tolist() == sorted(keys.tolist())


def test_an_instruction_set_without_a_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="'plain' has no such kernel"):
        _core.merged_keys("plain", np.empty(0, np.uint64), np.ones(1, np.uint64))
