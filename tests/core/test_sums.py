"""What sparse queries go through much of: sums looked through for a few, keys put in order."""

from __future__ import annotations

import numpy as np
import pytest

from clew import _core


@pytest.mark.parametrize("instruction_set", _core.INSTRUCTION_SETS)
def test_sums_that_reach_a_limit_are_found_and_the_others_made_untouched(instruction_set: str) -> None:
    rng = np.random.default_rng(4)
    for size in (0, 64, 640, 4096):
        sums = rng.normal(size=size).astype(np.float32)
        sums[rng.random(size) < 0.3] = -0.0
        sums[rng.random(size) < 0.002] = np.nan
        edges = [-np.inf, np.inf, np.finfo(np.float32).max]
        sums[: len(edges)] = edges[:size]
        for least in (-np.inf, -1.0, 0.0, 2.5, float(sums[-1]) if size else 1.0, 9.0, np.inf):
            places, left = _core.passed_sums(instruction_set, sums, least)
            reached = ~(sums < np.float32(least))
            assert places.tolist() == np.flatnonzero(reached).tolist()
            stays = np.repeat(reached.reshape(-1, 64).any(axis=1), 64)
            assert left.tobytes() == np.where(stays, sums, np.float32(-0.0)).tobytes()


@pytest.mark.parametrize("instruction_set", _core.INSTRUCTION_SETS)
def test_keys_are_sorted_whatever_their_distances_have_in_common(instruction_set: str) -> None:
    rng = np.random.default_rng(5)
    for size in (0, 1, 2, 17, 100, 128, 129, 511, 1000, 8191, 20_001):
        slots = np.arange(size, dtype=np.uint64) << np.uint64(1)
        uniform = rng.integers(0, 2**32, size, dtype=np.uint64)
        narrow = np.uint64(2**31 - 5) + rng.integers(0, 9, size, dtype=np.uint64)
        close = rng.integers(0, 2**22, size, dtype=np.uint64)
        far = np.where(rng.random(size) < 0.01, uniform, close)
        for distances in (uniform, narrow, close, far, np.sort(uniform), np.sort(uniform)[::-1]):
            keys = distances << np.uint64(32) | slots
            assert _core.sorted_keys(instruction_set, keys).tolist() == np.sort(keys).tolist()
