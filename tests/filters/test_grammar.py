"""Section 8.1 and 8.2 of the HTTP API: lexis, grammar and the positions of errors."""

from __future__ import annotations

import pytest

from clew.errors import InvalidFilter
from clew.filters import parse
from clew.filters.grammar import NESTING_MAX
from clew.filters.path import Path
from clew.filters.tree import Among, And, Comparison, Contains, Glob, HasField, Or


def key(name: str) -> Path:
    return Path((name,))


A, B, C = (Comparison(key(name), "=", 1) for name in "abc")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("'bar'", "bar"),
        ('"bar"', "bar"),
        ("''", ""),
        ('"it\'s"', "it's"),
        (r"'it\'s'", "it's"),
        (r'"say \"hi\""', 'say "hi"'),
        (r"'back\\slash'", "back\\slash"),
        (r"'a\*b\n'", r"a\*b\n"),
        (r"'\\\\'", "\\\\"),
        ("'dé 🦊\n(='", "dé 🦊\n(="),
        ("0", 0),
        ("-12", -12),
        ("1.50", 1.5),
        ("-0.25", -0.25),
        ("1e3", 1000.0),
        ("2.5E-1", 0.25),
        ("9007199254740993", 9007199254740993),
        ("1" + "0" * 5000, float("inf")),
        ("true", True),
        ("FALSE", False),
        ("tRuE", True),
    ],
)
def test_a_literal_is_read_as_written(text: str, literal: object) -> None:
    node = parse(f"a = {text}")
    assert isinstance(node, Comparison)
    assert node.literal == literal
    assert type(node.literal) is type(literal)


@pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("template", ["a{}-1", "a {} -1", "\n\ta\r\n{}\f-1 "])
def test_whitespace_around_a_comparison_is_free(operator: str, template: str) -> None:
    assert parse(template.format(operator)) == Comparison(key("a"), operator, -1)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a IN (1, 'x', true)", Among(key("a"), (1, "x", True), False)),
        ("a IN(1)", Among(key("a"), (1,), False)),
        ("a NOT IN ('x')", Among(key("a"), ("x",), True)),
        ("a CONTAINS 'x'", Contains(key("a"), "x", False)),
        ("a not contains 2", Contains(key("a"), 2, True)),
        ("a GLOB 'x*'", Glob(key("a"), "x*", False)),
        ("a Not Glob 'x*'", Glob(key("a"), "x*", True)),
        ("HAS FIELD a", HasField(key("a"), False)),
        ("has not field a", HasField(key("a"), True)),
        ("((a = 1))", A),
        ("a = 1 AND b = 1 AND c = 1", And((A, B, C))),
        ("a = 1 OR b = 1 or c = 1", Or((A, B, C))),
        ("a = 1 OR b = 1 AND c = 1", Or((A, And((B, C))))),
        ("a = 1 AND b = 1 OR c = 1", Or((And((A, B)), C))),
        ("a = 1 AND (b = 1 OR c = 1)", And((A, Or((B, C))))),
        ("(a=1)AND(b=1)", And((A, B))),
    ],
)
def test_each_form_of_the_grammar_gives_its_tree(text: str, node: object) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    "word", ["AND", "OR", "NOT", "IN", "HAS", "FIELD", "GLOB", "CONTAINS", "true", "has", "Field"]
)
def test_a_keyword_may_name_a_key(word: str) -> None:
    assert parse(f"{word} = 1 AND {word} NOT IN (1)") == And(
        (Comparison(key(word), "=", 1), Among(key(word), (1,), True))
    )
    assert parse(f"HAS FIELD {word}") == HasField(key(word), False)
    assert parse(f"HAS NOT FIELD {word}") == HasField(key(word), True)


def test_dashes_hashes_and_digits_belong_to_names() -> None:
    assert parse("my-key = 1") == Comparison(key("my-key"), "=", 1)
    assert parse("a-1 = 1") == Comparison(key("a-1"), "=", 1)
    assert parse("_a#9 = 1") == Comparison(key("_a#9"), "=", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo = 'bar' AND a > 5 AND [0] = 1", "1:26 token recognition error at: '['"),
        ("[", "1:0 token recognition error at: '['"),
        (".a = 1", "1:0 token recognition error at: '.'"),
        ("a = .5", "1:4 token recognition error at: '.'"),
        ("a = 1 & b = 2", "1:6 token recognition error at: '&'"),
        ("a ! 1", "1:2 token recognition error at: '!'"),
        ("a = - 1", "1:4 token recognition error at: '-'"),
        ("é = 1", "1:0 token recognition error at: 'é'"),
        ("a = 1\nAND\r\n  ? = 2", "3:2 token recognition error at: '?'"),
        ("a = 'b", "1:4 token recognition error at: ''b'"),
        (r"a = 'b\'", r"1:4 token recognition error at: ''b\''"),
        ("🦊", "1:0 token recognition error at: '🦊'"),
        ("a = '🦊' $", "1:8 token recognition error at: '$'"),
    ],
)
def test_an_unlexable_character_is_named_with_its_line_and_column(text: str, message: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(text)
    assert str(caught.value) == f"Invalid filter. At line {message}"


@pytest.mark.parametrize(
    ("text", "position", "found", "expected"),
    [
        ("", "1:0", "the end of the filter", "a field name"),
        ("  ", "1:2", "the end of the filter", "a field name"),
        ("a", "1:1", "the end of the filter", "an operator"),
        ("a =", "1:3", "the end of the filter", "a literal"),
        ("a == 1", "1:3", "'='", "a literal"),
        ("a <> 1", "1:3", "'>'", "a literal"),
        ("a = b", "1:4", "'b'", "a literal"),
        ("a = null", "1:4", "'null'", "a literal"),
        ("'a' = 1", "1:0", "''a''", "a field name"),
        ("1 = 1", "1:0", "'1'", "a field name"),
        ("a = 1 b = 2", "1:6", "'b'", "AND, OR"),
        ("a = 1 2", "1:6", "'2'", "AND, OR"),
        ("a = 1 AND", "1:9", "the end of the filter", "a field name"),
        ("AND a = 1", "1:4", "'a'", "an operator"),
        ("NOT a = 1", "1:4", "'a'", "an operator"),
        ("a NOT 1", "1:6", "'1'", "IN, CONTAINS or GLOB"),
        ("a IN 1", "1:5", "'1'", "'('"),
        ("a IN ()", "1:6", "')'", "a literal"),
        ("a IN (1,)", "1:8", "')'", "a literal"),
        ("a IN (1 2)", "1:8", "'2'", "',' or ')'"),
        ("a IN (1", "1:7", "the end of the filter", "',' or ')'"),
        ("a GLOB 5", "1:7", "'5'", "a string"),
        ("a GLOB true", "1:7", "'true'", "a string"),
        ("(a = 1", "1:6", "the end of the filter", "AND, OR or ')'"),
        ("a = 1)", "1:5", "')'", "AND, OR"),
        ("()", "1:1", "')'", "a field name"),
        ("HAS FIELD", "1:9", "the end of the filter", "a field name"),
        ("HAS NOT FIELD = 1", "1:14", "'='", "a field name"),
        ("HAS FIELD a = 1", "1:12", "'='", "AND, OR"),
        ("a = 1 AND\n\n b ? 2", "3:3", None, None),
        ("a = " + "b" * 50, "1:4", "'" + "b" * 40 + "...'", "a literal"),
    ],
)
def test_a_syntax_error_says_what_was_found_and_what_was_expected(
    text: str, position: str, found: str | None, expected: str | None
) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith(f"Invalid filter. At line {position} ")
    if found and expected:
        assert f"found {found}, expected {expected}" in message


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("x[ = 1", "1:1"),
        ("x[] = 1", "1:1"),
        ("x[a] = 1", "1:1"),
        ("x[-1] = 1", "1:1"),
        ("x[#] = 1", "1:1"),
        ("x[#-] = 1", "1:1"),
        ("x[1.5] = 1", "1:1"),
        ("x[[0]] = 1", "1:1"),
        ("a = 1 AND HAS FIELD x.y[0][ ", "1:26"),
    ],
)
def test_malformed_brackets_are_a_syntax_error_at_the_bracket(text: str, position: str) -> None:
    with pytest.raises(InvalidFilter, match=rf"At line {position} malformed index \(expected \[n\] or"):
        parse(text)


def test_deep_parentheses_are_an_invalid_filter() -> None:
    deepest = "(" * NESTING_MAX + "a = 1" + ")" * NESTING_MAX
    assert parse(deepest) == A
    for text in (f"({deepest})", "(" * 100_000):
        with pytest.raises(InvalidFilter, match=f"At line 1:{NESTING_MAX} parentheses are nested more than"):
            parse(text)


def test_the_deepest_tree_can_be_evaluated(admits) -> None:
    text = "a = 1"
    for _ in range(NESTING_MAX):
        text = f"b = 2 OR a = 1 AND ({text})"
    assert admits(text, {"a": 1}, {"a": 2}) == [0]


def test_a_filter_of_many_clauses_or_a_long_list_is_accepted(admits) -> None:
    listed = ", ".join(f"'value-{number}'" for number in range(1_000))
    assert len(listed) > 12_000
    assert admits(f"a IN ({listed})", {"a": "value-999"}, {"a": "value-1000"}) == [0]
    clauses = " OR ".join(f"a = {number}" for number in range(2_000))
    assert admits(clauses, {"a": 1_999}, {"a": 2_000}) == [0]


def test_a_tree_is_immutable_and_made_once_per_text() -> None:
    assert parse("cached = 1") is parse("cached = 1")
    with pytest.raises(AttributeError):
        parse("cached = 1").path = key("b")  # a frozen dataclass
