"""Columns follow a namespace: what is read when, growth, bounds, bitmaps and threads."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from clew.errors import InvalidFilter
from clew.filters import Columns, parse
from clew.filters.column import ValueColumn, ValueView
from clew.filters.columns import ANSWERS_MAX, COLUMNS_MAX
from clew.filters.evaluate import GLOBS_KEPT, Views, evaluate
from clew.filters.path import Path


class Rows:
    """Metadata of a namespace that is appended to; `reads` are the stretches that were read."""

    def __init__(self, *metadata: dict[str, Any] | None) -> None:
        self.metadata = list(metadata)
        self.reads: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int, keys: frozenset[str]) -> Iterator[dict[str, Any] | None]:
        self.reads.append((start, stop))
        yield from self.metadata[start:stop]


def slots(words: np.ndarray) -> list[int]:
    return [slot for slot in range(64 * len(words)) if int(words[slot // 64]) >> slot % 64 & 1]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 128, 1000])
def test_slot_s_is_bit_s_mod_64_of_word_s_div_64(size: int) -> None:
    columns = Columns(Rows(*({"n": slot} for slot in range(size))))
    for text, wanted in (
        ("n >= 0", list(range(size))),
        ("n > 60", list(range(61, size))),
        ("", list(range(size))),
    ):
        words = columns.allowed(text, size)
        assert words.dtype == np.uint64
        assert len(words) == -(-size // 64)
        assert slots(words) == wanted


def test_the_metadata_is_read_once_for_all_paths_of_a_filter() -> None:
    rows = Rows({"a": 1, "b": [2]}, {"a": 1}, {"b": [2]})
    columns = Columns(rows)
    assert slots(columns.allowed("a = 1 AND b CONTAINS 2 OR HAS FIELD c", 3)) == [0]
    assert rows.reads == [(0, 3)]
    columns.allowed("b CONTAINS 3 OR a != 1", 3)
    assert rows.reads == [(0, 3)]


def test_nothing_is_read_for_the_empty_filter_or_an_invalid_one() -> None:
    rows = Rows({"a": 1})
    columns = Columns(rows)
    columns.allowed("", 1)
    with pytest.raises(InvalidFilter):
        columns.allowed("a ==", 1)
    assert rows.reads == []


def test_columns_are_extended_by_the_new_slots_only() -> None:
    rows = Rows({"a": 1}, {"a": "x"})
    columns = Columns(rows)
    assert slots(columns.allowed("a = 1", 2)) == [0]
    rows.metadata += [{"a": 1}, {"a": "new", "b": 5}, None]
    assert slots(columns.allowed("a = 1", 5)) == [0, 2]
    assert slots(columns.allowed("a = 'new'", 5)) == [3]
    assert rows.reads == [(0, 2), (2, 5)]
    rows.metadata.append({"a": 1, "b": 6})
    assert slots(columns.allowed("b > 4 AND a = 1", 6)) == [5]
    assert rows.reads == [(0, 2), (2, 5), (0, 5), (5, 6)]


def test_a_smaller_size_is_answered_from_what_is_there() -> None:
    rows = Rows(*({"a": slot % 2, "tags": [slot]} for slot in range(100)))
    columns = Columns(rows)
    columns.allowed("a = 0 OR tags CONTAINS 1", 100)
    assert slots(columns.allowed("a = 1 OR tags CONTAINS 4 OR tags CONTAINS 90", 7)) == [1, 3, 4, 5]
    assert len(rows.reads) == 1


def test_every_kind_of_test_follows_growth() -> None:
    texts = {
        "tags CONTAINS 7": [1, 3],
        "tags NOT CONTAINS 7": [0, 2],
        "s GLOB 'x*'": [0, 3],
        "s NOT GLOB 'x*'": [1, 2],
        "n > 2.5": [2, 3],
        "n NOT IN (0, 1)": [2, 3],
    }
    all_metadata = [
        {"tags": [1, 2], "s": "xa", "n": 0},
        {"tags": [7], "s": "y", "n": 1},
        {"tags": [], "s": "z", "n": 3},
        {"tags": [2, 7, 9], "s": "xb", "n": 4.5},
    ]
    rows = Rows()
    columns = Columns(rows)
    for metadata in all_metadata:
        rows.metadata.append(metadata)
        size = len(rows.metadata)
        for text, wanted in texts.items():
            assert slots(columns.allowed(text, size)) == [slot for slot in wanted if slot < size]


def test_more_paths_and_patterns_than_are_kept_are_answered_all_the_same() -> None:
    rows = Rows(*({f"k{number}": f"v{number}"} for number in range(2 * COLUMNS_MAX)))
    columns = Columns(rows)
    size = len(rows.metadata)
    for number in [*range(size), 0, 1]:
        assert slots(columns.allowed(f"HAS FIELD k{number}", size)) == [number]
    text = " OR ".join(f"k{number} = 'v{number}'" for number in range(size))
    assert slots(columns.allowed(text, size)) == list(range(size))
    for number in [*range(2 * GLOBS_KEPT), 0]:
        assert slots(columns.allowed(f"k5 GLOB 'v{number}'", size)) == [number] * (number == 5)


def test_a_failed_read_leaves_the_columns_as_they_were() -> None:
    rows = Rows({"a": 1, "b": 1}, {"a": 2, "b": 2})
    columns = Columns(rows)
    assert slots(columns.allowed("a = 2", 2)) == [1]
    rows.metadata.append({"a": 2, "b": 2})
    with pytest.raises(ValueError, match=r"read\(2, 5\) gave 1 slots, expected 3"):
        columns.allowed("a = 2 AND b = 2", 5)
    rows.metadata += [{"a": 3}, {"a": 2}]
    assert slots(columns.allowed("a = 2", 5)) == [1, 2, 4]
    assert slots(columns.allowed("b = 2", 5)) == [1, 2]


def test_a_view_answers_the_same_after_its_column_has_grown() -> None:
    column = ValueColumn(Path(("v",)))
    texts = ["v IN (1, 2, 3, 4, 5, 6, 7, 8, 9)", "v GLOB 'a*'", "v NOT GLOB 'a*'", "v > 1", "v NOT IN (7)"]

    def answers(view: ValueView) -> list[list[bool]]:
        views = Views({Path(("v",)): view}, {})
        return [evaluate(parse(text), views, len(view.codes)).tolist() for text in texts]

    column.extend(array("i", map(column.code, ({"v": 1}, {"v": "ab"}, {"v": "b"}, {"v": 2}))))
    view = column.view
    before = answers(view)
    column.extend(array("i", map(column.code, ({"v": "abc"}, *({"v": number} for number in range(3, 10))))))
    answers(column.view)
    assert answers(view) == before


def test_large_and_varied_arrays_and_objects_cost_one_code() -> None:
    rows = Rows(*({"v": [slot], "o": {"k": slot}} for slot in range(100)))
    columns = Columns(rows)
    columns.allowed("HAS FIELD v AND HAS FIELD o", 100)
    assert all(len(column.view.numbers) < 10 for column in columns._kept.values.values())


def test_threads_ask_while_the_namespace_grows() -> None:
    total = 3_000
    rows = [{"n": slot, "s": f"s{slot}", "tags": [slot % 7, f"t{slot % 11}"]} for slot in range(total)]
    columns = Columns(lambda start, stop, keys: rows[start:stop])
    published = [0]
    wrong: list[str] = []
    tests = {
        "n >= 100": lambda slot: slot >= 100,
        "s GLOB 's*7'": lambda slot: slot % 10 == 7,
        "tags CONTAINS 3 OR tags CONTAINS 't4'": lambda slot: slot % 7 == 3 or slot % 11 == 4,
        "n NOT IN (1, 5, 9)": lambda slot: slot not in (1, 5, 9),
        "s != 's2' AND HAS FIELD tags[1]": lambda slot: slot != 2,
    }

    def ask() -> None:
        while True:
            size = published[0]
            for text, true in tests.items():
                if slots(columns.allowed(text, size)) != [slot for slot in range(size) if true(slot)]:
                    wrong.append(f"{text} at {size}")
            if size == total:
                return

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    while published[0] < total:
        published[0] = min(total, published[0] + 101)
        columns.allowed(f"HAS FIELD p{published[0]}", published[0])
    for asker in askers:
        asker.join()
    assert wrong == []


def test_a_filter_that_is_asked_again_is_not_evaluated_again() -> None:
    columns = Columns(Rows(*({"n": slot} for slot in range(100))))
    answer = columns.allowed("n > 50", 100)
    assert columns.allowed("n > 50", 100) is answer
    assert slots(columns.allowed("n > 50", 60)) == list(range(51, 60))
    with pytest.raises(ValueError, match="read-only"):
        answer[0] = 1
    for least in range(ANSWERS_MAX):
        columns.allowed(f"n > {least}", 100)
    assert len(columns._answers) == ANSWERS_MAX
    assert slots(columns.allowed("n > 50", 100)) == slots(answer)
