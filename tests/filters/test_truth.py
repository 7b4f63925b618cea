"""Sections 8.3 to 8.5 of the HTTP API: what a path reaches and when a test is true."""

from __future__ import annotations

from typing import Any

import pytest

DEEP = {
    "a": {"b": {"c": 1}},
    "list": [1, [2, {"d": 3}]],
    "my-key": 4,
    "d.e": 5,
    "n": {"0": 6},
    "": 7,
    "x#-1]": 8,
}


@pytest.mark.parametrize(
    "text",
    [
        "a.b.c = 1",
        "HAS FIELD a.b",
        "list[0] = 1",
        "list[00] = 1",
        "list[1][0] = 2",
        "list[#-1][#-1].d = 3",
        "list[#-2] = 1",
        "list[1][1].d = 3",
        "HAS FIELD list[1][1]",
        "my-key = 4",
        "n.0 = 6",
    ],
)
def test_a_path_walks_objects_and_arrays(admits, text: str) -> None:
    assert admits(text, DEEP) == [0]


@pytest.mark.parametrize(
    "path",
    [
        "z",
        "A",
        "a.z",
        "a.b.c.d",
        "a[0]",
        "list[2]",
        "list[#-3]",
        "list[#-0]",
        "list[99999999999999999999999999]",
        "list[#-99999999999999999999999999]",
        "list.0",
        "list.length",
        "list[0][0]",
        "my-key[0]",
        "d.e",
        "x#-1]",
        "list[0]]",
        "list[0]a",
        "list..a",
        "a.",
        "a..b",
    ],
)
def test_a_path_that_leads_nowhere_is_missing(admits, path: str) -> None:
    assert admits(f"HAS FIELD {path}", DEEP) == []
    assert admits(f"HAS NOT FIELD {path}", DEEP) == [0]
    assert admits(f"{path} != 'other' OR {path} NOT CONTAINS 1", DEEP) == []


# One value of every kind, in the order of the columns of the table below.
VALUES: dict[str, Any] = {
    "1": 1,
    "1.0": 1.0,
    "0": 0,
    "2.5": 2.5,
    "'1'": "1",
    "'abc'": "abc",
    "''": "",
    "true": True,
    "false": False,
    "null": None,
    "[1, 'abc', true]": [1, "abc", True],
    "[]": [],
    "{}": {},
}
SCALARS = {"1", "1.0", "0", "2.5", "'1'", "'abc'", "''", "true", "false"}
STRINGS = {"'1'", "'abc'", "''"}
ARRAYS = {"[1, 'abc', true]", "[]"}

TRUTHS = [
    ("v = 1", {"1", "1.0", "true"}),
    ("v = 1.0", {"1", "1.0"}),
    ("v = 0", {"0", "false"}),
    ("v = -0", {"0", "false"}),
    ("v = 2.5", {"2.5"}),
    ("v = 25e-1", {"2.5"}),
    ("v = 7", set()),
    ("v = '1'", {"'1'"}),
    ("v = 'abc'", {"'abc'"}),
    ("v = 'ABC'", set()),
    ("v = ''", {"''"}),
    ("v = true", {"true"}),
    ("v = FALSE", {"false"}),
    ("v != 1", SCALARS - {"1", "1.0", "true"}),
    ("v != 0", SCALARS - {"0", "false"}),
    ("v != 'abc'", SCALARS - {"'abc'"}),
    ("v != 'other'", SCALARS),
    ("v != true", SCALARS - {"true"}),
    ("v < 1", {"0"}),
    ("v <= 1", {"0", "1", "1.0"}),
    ("v > 1", {"2.5"}),
    ("v >= 1", {"1", "1.0", "2.5"}),
    ("v > -1e3", {"1", "1.0", "0", "2.5"}),
    ("v < 1e400", {"1", "1.0", "0", "2.5"}),
    ("v > 'a'", set()),
    ("v <= 'abc'", set()),
    ("v < true", set()),
    ("v >= false", set()),
    ("v IN (1, 'abc')", {"1", "1.0", "true", "'abc'"}),
    ("v IN (true, 9)", {"true"}),
    ("v IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 0, '')", {"1", "1.0", "0", "true", "false", "''"}),
    ("v NOT IN (1, 'abc')", SCALARS - {"1", "1.0", "true", "'abc'"}),
    ("v NOT IN (9, 'z', 7)", SCALARS),
    ("v GLOB '*'", STRINGS),
    ("v GLOB '?'", {"'1'"}),
    ("v GLOB 'a?c'", {"'abc'"}),
    ("v GLOB 'A*'", set()),
    ("v GLOB ''", {"''"}),
    ("v NOT GLOB 'a*'", {"'1'", "''"}),
    ("v NOT GLOB '*'", set()),
    ("v CONTAINS 1", {"[1, 'abc', true]"}),
    ("v CONTAINS 1.0", {"[1, 'abc', true]"}),
    ("v CONTAINS 'abc'", {"[1, 'abc', true]"}),
    ("v CONTAINS true", {"[1, 'abc', true]"}),
    ("v CONTAINS false", set()),
    ("v CONTAINS 'a'", set()),
    ("v NOT CONTAINS 1", {"[]"}),
    ("v NOT CONTAINS 'z'", ARRAYS),
    ("HAS FIELD v", set(VALUES)),
    ("HAS NOT FIELD v", set()),
]


@pytest.mark.parametrize(("text", "true"), TRUTHS)
def test_a_test_is_true_of_exactly_these_values(admits, text: str, true: set[str]) -> None:
    admitted = admits(text, *({"v": value} for value in VALUES.values()))
    assert {list(VALUES)[position] for position in admitted} == true


@pytest.mark.parametrize("text", [text for text, _ in TRUTHS if text != "HAS NOT FIELD v"])
def test_a_missing_field_makes_everything_but_has_not_field_false(admits, text: str) -> None:
    assert admits(text, {}, None, {"other": 1}, {"w": {"v": 1}}) == []


def test_a_missing_field_is_what_has_not_field_finds(admits) -> None:
    assert admits("HAS NOT FIELD v", {}, None, {"v": None}, {"other": 1}) == [0, 1, 3]


def test_an_element_equals_as_a_value_does(admits) -> None:
    arrays = [[True], [1], ["1"], [[1]], [None], [{"a": 1}], [0], [False], [1.0, 1]]
    metadata = [{"v": array} for array in arrays]
    assert admits("v CONTAINS 1", *metadata) == [0, 1, 8]
    assert admits("v CONTAINS true", *metadata) == [0]
    assert admits("v CONTAINS 0", *metadata) == [6, 7]
    assert admits("v NOT CONTAINS 1", *metadata) == [2, 3, 4, 5, 6, 7]


def test_numbers_beyond_float64_are_compared_exactly(admits) -> None:
    big = 2**53
    values = [big - 1, big, big + 1, float(big), -big - 1, 10**400, -(10**400), 1e308, 7]
    metadata = [{"v": value} for value in values]
    assert admits(f"v = {big}", *metadata) == [1, 3]
    assert admits(f"v = {big + 1}", *metadata) == [2]
    assert admits(f"v > {big}", *metadata) == [2, 5, 7]
    assert admits(f"v >= {big + 1}", *metadata) == [2, 5, 7]
    assert admits(f"v < {big + 1}", *metadata) == [0, 1, 3, 4, 6, 8]
    assert admits(f"v <= {-big}", *metadata) == [4, 6]
    assert admits(f"v < 1{'0' * 400}", *metadata) == [0, 1, 2, 3, 4, 6, 7, 8]


def test_and_binds_tighter_than_or(admits) -> None:
    metadata = [{"a": a, "b": b, "c": c} for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    assert admits("a = 1 OR b = 1 AND c = 1", *metadata) == [3, 4, 5, 6, 7]
    assert admits("(a = 1 OR b = 1) AND c = 1", *metadata) == [3, 5, 7]


def test_the_empty_filter_admits_everything(admits) -> None:
    assert admits("", {"a": 1}, None, {}) == [0, 1, 2]


def test_the_filters_of_the_official_suites_work(admits) -> None:
    assert admits("foo = 'bar'", {"foo": "bar"}, {"foo": "nay"}) == [0]
    assert admits("meta >= 2", *({"meta": number} for number in range(4))) == [2, 3]
    assert admits("type = 'animal'", {"type": "animal"}, {"type": "plant"}, None) == [0]
    cities = [
        {"population": 15_460_000, "geography": {"continent": "Asia"}},
        {"population": 2_000_000, "geography": {"continent": "Europe"}},
        {"population": 10, "geography": {"continent": "Asia"}},
        {"population": 2_000_000, "geography": "Asia"},
    ]
    assert admits("population > 1000000 AND geography.continent = 'Asia'", *cities) == [0]
    animals = [
        {"tags": ["mammal", "wild"], "diet": "carnivore"},
        {"tags": ["wild", "mammal"], "diet": "carnivore"},
        {"tags": ["mammal"], "diet": "herbivore"},
    ]
    assert admits("tags[0] = 'mammal' AND diet = 'carnivore'", *animals) == [0]
    assert admits('continent = "EU"', {"continent": "EU"}, {"continent": "eu"}) == [0]
    assert admits("salary > 1000", {"salary": 1000}, {"salary": 1000.5}) == [1]
    assert admits("country = 'fr'", {"country": "fr"}, {"country": "frs"}) == [0]
