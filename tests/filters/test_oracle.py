"""Random filters over random metadata, against a reading of the rules one record at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ABSENT = object()
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def at(metadata: Any, steps: list[str | int]) -> Any:
    """The value at a path; an index of an array counts from the end if it is negative."""
    value = metadata
    for step in steps:
        try:
            if type(value) is not (dict if type(step) is str else list):
                return ABSENT
            value = value[step]
        except (KeyError, IndexError):
            return ABSENT
    return value


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def is_scalar(value: Any) -> bool:
    return type(value) in (int, float, str, bool)


def equals(value: Any, literal: Any) -> bool:
    if type(value) is bool:
        return (type(literal) is bool and value == literal) or (
            type(literal) is int and int(value) == literal
        )
    if is_number(value):
        return is_number(literal) and value == literal
    return type(value) is str and type(literal) is str and value == literal


def globs(pattern: str, text: str) -> bool:
    if pattern == "":
        return text == ""
    if pattern[0] == "*":
        return any(globs(pattern[1:], text[start:]) for start in range(len(text) + 1))
    if text == "":
        return False
    if pattern[0] == "[":
        members, rest = pattern[1:].split("]", 1)
        negated = members.startswith("^")
        held = set(members.removeprefix("^"))
        if len(members.removeprefix("^")) == 3 and "-" in members:
            low, high = members.removeprefix("^").split("-")
            held = {chr(code) for code in range(ord(low), ord(high) + 1)}
        return (text[0] in held) != negated and globs(rest, text[1:])
    return pattern[0] in ("?", text[0]) and globs(pattern[1:], text[1:])


def true_of(node: tuple[Any, ...], metadata: Any) -> bool:
    kind, *rest = node
    if kind in ("AND", "OR"):
        return (all if kind == "AND" else any)(true_of(part, metadata) for part in rest)
    steps, argument = rest
    value = at(metadata or {}, steps)
    if kind == "HAS NOT FIELD":
        return value is ABSENT
    if value is ABSENT:
        return False
    if kind in ORDERS:
        return is_number(value) and is_number(argument) and ORDERS[kind](value, argument)
    rules: dict[str, Callable[[], bool]] = {
        "HAS FIELD": lambda: True,
        "=": lambda: equals(value, argument),
        "!=": lambda: is_scalar(value) and not equals(value, argument),
        "IN": lambda: any(equals(value, literal) for literal in argument),
        "NOT IN": lambda: is_scalar(value) and not any(equals(value, literal) for literal in argument),
        "GLOB": lambda: type(value) is str and globs(argument, value),
        "NOT GLOB": lambda: type(value) is str and not globs(argument, value),
        "CONTAINS": lambda: type(value) is list and any(equals(item, argument) for item in value),
        "NOT CONTAINS": lambda: type(value) is list and not any(equals(item, argument) for item in value),
    }
    return rules[kind]()


def path_text(steps: list[str | int]) -> str:
    text = ""
    for step in steps:
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            text += f"[{step}]" if step >= 0 else f"[#{step}]"
    return text


def literal_text(literal: Any) -> str:
    if isinstance(literal, bool):
        return "TRUE" if literal else "false"
    if isinstance(literal, str):
        escaped = literal.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return repr(literal)


def text_of(node: tuple[Any, ...]) -> str:
    kind, *rest = node
    if kind in ("AND", "OR"):
        return f" {kind.lower()} ".join(
            f"({text_of(part)})" if part[0] in ("AND", "OR") else text_of(part) for part in rest
        )
    steps, argument = rest
    if kind.startswith("HAS"):
        return f"{kind} {path_text(steps)}"
    if kind.endswith("IN"):
        return f"{path_text(steps)} {kind} ({', '.join(map(literal_text, argument))})"
    return f"{path_text(steps)} {kind} {literal_text(argument)}"


# Small pools, so that a filter often meets the values it speaks of.
STRINGS = ["", "a", "ab", "b'", "\\", "ba]", "🦊"]
NUMBERS = [0, 1, 1.0, -0.0, 2, -1.5, 2**53, 2**53 + 1, float(2**53), 10**320]
LITERALS = st.sampled_from([*NUMBERS, *STRINGS, True, False])


def a_value(chance: random.Random, depth: int) -> Any:
    kind = chance.choice(["array", "object", "null", "string", "number", "boolean"][0 if depth else 2 :])
    if kind == "array":
        return [a_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == "object":
        return {key: a_value(chance, depth - 1) for key in "ab" if chance.random() < 0.7}
    return chance.choice(
        {"null": [None], "string": STRINGS, "number": NUMBERS, "boolean": [True, False]}[kind]
    )


def metadata_of(chance: random.Random) -> list[dict[str, Any] | None]:
    """Eighty records, most with something under `a` and `b`."""
    return [
        {key: a_value(chance, 2) for key in "ab" if chance.random() < 0.8} if chance.random() < 0.95 else None
        for _ in range(80)
    ]


PATHS = st.one_of(
    st.sampled_from([["a"], ["b"], ["c"]]),
    st.tuples(st.sampled_from("ab"), st.sampled_from(["a", "b", 0, 1, -1, -2])).map(list),
    st.tuples(st.just("a"), st.sampled_from(["a", 0, -2]), st.sampled_from(["a", 0, -1])).map(list),
)
PATTERNS = st.lists(
    st.sampled_from(["*", "?", "a", "b", "🦊", "[ab]", "[^a]", "[a-b]", "'"]), max_size=4
).map("".join)
TESTS = st.one_of(
    st.tuples(
        st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "CONTAINS", "NOT CONTAINS"]), PATHS, LITERALS
    ),
    st.tuples(st.sampled_from(["IN", "NOT IN"]), PATHS, st.lists(LITERALS, min_size=1, max_size=9)),
    st.tuples(st.sampled_from(["GLOB", "NOT GLOB"]), PATHS, PATTERNS),
    st.tuples(st.sampled_from(["HAS FIELD", "HAS NOT FIELD"]), PATHS, st.none()),
)
FILTERS = st.recursive(
    TESTS,
    lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)).map(
        lambda both: (both[0], *both[1])
    ),
    max_leaves=5,
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(node=FILTERS, seed=st.integers(0, 2**32))
def test_evaluation_agrees_with_the_rules_read_one_record_at_a_time(
    admits: Callable[..., list[int]], node: tuple[Any, ...], seed: int
) -> None:
    metadata = metadata_of(random.Random(seed))
    wanted = [slot for slot, one in enumerate(metadata) if true_of(node, one)]
    assert admits(text_of(node), *metadata) == wanted


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, derandomize=True)
@given(node=FILTERS, seed=st.integers(0, 2**32))
def test_evaluation_agrees_with_the_rules_for_very_many_filters(
    admits: Callable[..., list[int]], node: tuple[Any, ...], seed: int
) -> None:
    metadata = metadata_of(random.Random(seed))
    wanted = [slot for slot, one in enumerate(metadata) if true_of(node, one)]
    assert admits(text_of(node), *metadata) == wanted
