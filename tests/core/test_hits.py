"""What a search found: arrays where somebody asks for them, and answers without any."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from clew._core import Graph, Hits, all_finite, scores, shortest

NAMES = ["zero", "one", "two", "three"]


def hits(*found: tuple[int, float]) -> Hits:
    slots, distances = zip(*found, strict=True) if found else ((), ())
    return Hits(np.array(slots, np.uint32), np.array(distances, np.float32))


def test_hits_read_as_a_pair_of_arrays() -> None:
    found = hits((3, -1.0), (1, -0.25))
    slots, distances = found
    assert slots.tolist() == found.slots.tolist() == found[0].tolist() == [3, 1]
    assert distances.tolist() == found.distances.tolist() == found[1].tolist() == [-1.0, -0.25]
    assert found.count == 2
    assert found.packed == array("I", [3, 1]).tobytes()
    with pytest.raises(IndexError):
        found[2]


def test_a_slot_keeps_the_mark_of_its_highest_bit() -> None:
    slots = [1 << 31, (1 << 31) | 7, (1 << 31) - 1, 2**32 - 1, 0]
    found = hits(*((slot, 0.5) for slot in slots))
    assert found.slots.tolist() == slots
    assert found.packed == array("I", slots).tobytes()


def test_an_array_outlives_its_hits() -> None:
    slots = Graph(2, "COSINE").search(np.ones(2, np.float32), 3).slots
    assert slots.tolist() == []
    assert hits((2, 0.5)).slots.tolist() == [2]


@pytest.mark.parametrize("metric", ["COSINE", "EUCLIDEAN", "DOT_PRODUCT"])
def test_hits_are_named_with_the_scores_of_their_metric(metric: str) -> None:
    found = hits((2, 0.125), (0, 0.3), (3, 7.0))
    named = found.named(NAMES, metric, lambda name, score: (name, score))
    assert named == list(zip(["two", "zero", "three"], scores(found.distances, metric), strict=True))


def test_without_a_metric_a_distance_is_a_negated_score() -> None:
    found = hits((1, -0.1), (0, 0.0))
    assert found.named(NAMES, None, lambda name, score: (name, score)) == [("one", 0.1), ("zero", 0.0)]
    assert scores(found.distances, None) == shortest(-found.distances)


def test_slots_stand_for_numbers() -> None:
    rows = array("q", [10, 1 << 40, 30])
    assert hits((2, 0.0), (1, 0.5)).of(rows).tolist() == [30, 1 << 40]
    assert hits().of(rows).dtype == np.int64
    rows.append(40)  # nothing holds on to it


def test_a_slot_without_a_name_or_number_is_an_error() -> None:
    with pytest.raises(IndexError, match="name"):
        hits((4, 0.0)).named(NAMES, "COSINE", lambda name, score: name)
    with pytest.raises(IndexError, match="number"):
        hits((1, 0.0)).of(array("q", [7]))
    with pytest.raises(ValueError, match="2 slots and 1 distances"):
        Hits(np.array([1, 2], np.uint32), np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="metric is 'MILES'"):
        hits((1, 0.0)).named(NAMES, "MILES", lambda name, score: name)


def test_what_a_maker_raises_is_raised() -> None:
    def refuse(name: str, score: float) -> None:
        raise KeyError(name)

    with pytest.raises(KeyError, match="two"):
        hits((2, 0.0)).named(NAMES, "COSINE", refuse)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 15, 16, 17, 128, 1001])
def test_what_is_not_finite_is_seen_wherever_it_stands(count: int) -> None:
    largest = np.finfo(np.float32).max
    whole = np.resize(np.array([0, -0.0, 1e-45, largest, -largest], np.float32), count)
    assert all_finite(whole)
    for place in {0, count // 2, count - 1} & set(range(count)):
        for odd in (np.inf, -np.inf, np.nan, -np.nan):
            spoilt = whole.copy()
            spoilt[place] = odd
            assert not all_finite(spoilt)
    with pytest.raises(ValueError, match="contiguous"):
        all_finite(np.ones((4, 4), np.float32)[:, 0])
