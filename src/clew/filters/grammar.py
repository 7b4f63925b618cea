"""The metadata filter language: text in, an immutable tree out.

    filter  := and {OR and}
    and     := prim {AND prim}
    prim    := '(' filter ')'
             | HAS [NOT] FIELD path
             | path ('=' | '!=' | '<' | '<=' | '>' | '>=') literal
             | path [NOT] IN '(' literal {',' literal} ')'
             | path [NOT] CONTAINS literal
             | path [NOT] GLOB string
    literal := string | number | true | false

Keywords are case-insensitive and reserved nowhere: a key may be called `in` or `has`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from clew.errors import InvalidFilter
from clew.filters.path import MalformedIndexError, Path
from clew.filters.tree import Among, And, Comparison, Contains, Glob, HasField, Literal, Node, Or, Test

# Each level of parentheses costs four Python frames in the parser and two in evaluation; this many stay
# well inside the interpreter's default limit of 1,000 frames, with room for the caller's own.
NESTING_MAX = 100

# Texts whose trees are kept. Parsing six clauses takes about 0.1 ms, and a filter is often sent again.
PARSES_KEPT = 256

# A message quotes at most this much of the text it complains about.
QUOTED_MAX = 40

_OPERATORS = "= != < <= > >= IN CONTAINS GLOB NOT"
_COMPARISONS = frozenset(("=", "!=", "<", "<=", ">", ">="))

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f\v]+)
      | (?P<name>[A-Za-z_][A-Za-z_0-9.\[\]#-]*)
      | (?P<string>'[^'\\]*(?:\\.[^'\\]*)*' | "[^"\\]*(?:\\.[^"\\]*)*")
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<symbol>!=|<=|>=|[=<>(),])
      | (?P<unknown>['"].*|.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"""\\([\\'"])""")


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    def is_word(self, word: str) -> bool:
        return self.kind == "name" and self.text.upper() == word


@lru_cache(maxsize=PARSES_KEPT)
def parse(text: str) -> Node:
    """The tree of a filter. Raises InvalidFilter, which names the line (from 1) and the column (from 0)."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens of one text. A token that no rule accepts is where it fails."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [
            _Token(str(found.lastgroup), found.group(), found.start())
            for found in _TOKEN.finditer(text)
            if found.lastgroup != "space"
        ]
        self._tokens.append(_Token("end", "", len(text)))
        self._next = 0
        self._nesting = 0

    def whole(self) -> Node:
        node = self._either()
        if self._peek().kind != "end":
            raise self._unexpected("AND, OR or the end of the filter")
        return node

    def _either(self) -> Node:
        parts = [self._both()]
        while self._accept_word("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Node:
        parts = [self._primary()]
        while self._accept_word("AND"):
            parts.append(self._primary())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _primary(self) -> Node:
        if self._peek().text == "(":
            return self._group()
        if self._peek().is_word("HAS"):
            negated = self._peek(1).is_word("NOT")
            if self._peek(1 + negated).is_word("FIELD"):
                self._next += 2 + negated
                return HasField(self._path("a field name"), negated)
        return self._test(self._path("a field name, HAS or '('"))

    def _group(self) -> Node:
        if self._nesting == NESTING_MAX:
            raise self._error(self._peek().start, f"parentheses are nested more than {NESTING_MAX} deep")
        self._next += 1
        self._nesting += 1
        node = self._either()
        self._expect(")", "AND, OR or ')'")
        self._nesting -= 1
        return node

    def _test(self, path: Path) -> Test:
        token = self._peek()
        if token.kind == "symbol" and token.text in _COMPARISONS:
            self._next += 1
            return Comparison(path, token.text, self._literal())
        negated = self._accept_word("NOT")
        if self._accept_word("IN"):
            return Among(path, self._literals(), negated)
        if self._accept_word("CONTAINS"):
            return Contains(path, self._literal(), negated)
        if self._accept_word("GLOB"):
            return Glob(path, self._pattern(), negated)
        raise self._unexpected("IN, CONTAINS or GLOB" if negated else f"an operator ({_OPERATORS})")

    def _path(self, expected: str) -> Path:
        token = self._peek()
        if token.kind != "name":
            raise self._unexpected(expected)
        self._next += 1
        try:
            return Path.parse(token.text)
        except MalformedIndexError as error:
            where = token.start + error.offset
            raise self._error(where, f"{error} in field name {_quoted(token.text)}") from error

    def _literals(self) -> tuple[Literal, ...]:
        self._expect("(", "'('")
        literals = [self._literal()]
        while self._peek().text == ",":
            self._next += 1
            literals.append(self._literal())
        self._expect(")", "',' or ')'")
        return tuple(literals)

    def _literal(self) -> Literal:
        token = self._peek()
        if token.kind == "string":
            return self._pattern()
        if token.kind == "number":
            self._next += 1
            return _number(token.text)
        for word, value in (("TRUE", True), ("FALSE", False)):
            if self._accept_word(word):
                return value
        raise self._unexpected("a literal (string, number, true or false)")

    def _pattern(self) -> str:
        token = self._peek()
        if token.kind != "string":
            raise self._unexpected("a string")
        self._next += 1
        return _ESCAPE.sub(r"\1", token.text[1:-1])

    def _peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def _accept_word(self, word: str) -> bool:
        found = self._peek().is_word(word)
        self._next += found
        return found

    def _expect(self, symbol: str, expected: str) -> None:
        if self._peek().text != symbol:
            raise self._unexpected(expected)
        self._next += 1

    def _unexpected(self, expected: str) -> InvalidFilter:
        """The error that the next token is not what the grammar allows here."""
        token = self._peek()
        if token.kind == "unknown":
            return self._error(token.start, f"token recognition error at: {_quoted(token.text)}")
        found = "the end of the filter" if token.kind == "end" else _quoted(token.text)
        return self._error(token.start, f"found {found}, expected {expected}")

    def _error(self, offset: int, message: str) -> InvalidFilter:
        line = self._text.count("\n", 0, offset) + 1
        column = offset - (self._text.rfind("\n", 0, offset) + 1)
        return InvalidFilter(f"Invalid filter. At line {line}:{column} {message}")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # a fraction, an exponent, or more digits than int() takes
        return float(text)


def _quoted(text: str) -> str:
    return f"'{text}'" if len(text) <= QUOTED_MAX else f"'{text[:QUOTED_MAX]}...'"
