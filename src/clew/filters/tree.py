"""What a filter says, as immutable values."""

from __future__ import annotations

from dataclasses import dataclass

from clew.filters.path import Path

Literal = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator literal`, where operator is one of `= != < <= > >=`."""

    path: Path
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class Among:
    """`path [NOT] IN (literal, ...)`."""

    path: Path
    literals: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Contains:
    """`path [NOT] CONTAINS literal`."""

    path: Path
    literal: Literal
    negated: bool


@dataclass(frozen=True, slots=True)
class Glob:
    """`path [NOT] GLOB 'pattern'`."""

    path: Path
    pattern: str
    negated: bool


@dataclass(frozen=True, slots=True)
class HasField:
    """`HAS [NOT] FIELD path`."""

    path: Path
    negated: bool


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds. At least two parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds. At least two parts."""

    parts: tuple[Node, ...]


Test = Comparison | Among | Contains | Glob | HasField
Node = Test | And | Or
