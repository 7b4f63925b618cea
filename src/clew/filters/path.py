"""Where in a metadata object a filter looks: `a.b[0][#-1].c`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# What `Path.walk` gives where nothing is. A value of its own, since null is something.
MISSING: Final = object()

# An index of more digits is beyond the end of any array; int() need not read them all to know.
INDEX_DIGITS_MAX = 12

_INDEX = re.compile(r"\[(#-)?0*([0-9]+)\]")
_NO_INDEX = re.compile(r"\[(?!(?:#-)?[0-9]+\])")
_KEY = re.compile(r"[^.\[\]]+")


class MalformedIndexError(ValueError):
    """A '[' that does not open an index; `offset` is where it stands in the text."""

    def __init__(self, offset: int) -> None:
        super().__init__("malformed index (expected [n] or [#-n])")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Path:
    """Keys (str) and indexes (int, negative from the end) to follow; None reaches nothing, ever."""

    steps: tuple[str | int, ...] | None

    @classmethod
    def parse(cls, text: str) -> Path:
        """Read an identifier of the filter language.

        Raises MalformedIndexError for a '[' that opens no index, such as `x[` or `x[]`. Whatever else is
        not a chain of keys and indexes, such as `x#-1]`, `a..b` or `a[0]b`, is a path to nothing.
        """
        if opening := _NO_INDEX.search(text):
            raise MalformedIndexError(opening.start())
        steps: list[str | int] = []
        for segment in text.split("."):
            key = _KEY.match(segment)
            if key is None:
                return cls(None)
            steps.append(key.group())
            offset = key.end()
            while index := _INDEX.match(segment, offset):
                number = int(index[2][: INDEX_DIGITS_MAX + 1])
                if index[1] and number == 0:
                    return cls(None)  # one past the end
                steps.append(-number if index[1] else number)
                offset = index.end()
            if offset != len(segment):
                return cls(None)
        return cls(tuple(steps))

    def walk(self, metadata: object) -> object:
        """The value at the path, or MISSING where a key, an index or the kind of value is not there."""
        if self.steps is None:
            return MISSING
        value = metadata
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(value, dict):
                    return MISSING
                value = value.get(step, MISSING)
            elif isinstance(value, list) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return MISSING
        return value
