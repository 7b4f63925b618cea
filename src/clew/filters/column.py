"""One path of every slot's metadata, as small integers that stand for distinct values."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from clew.filters.path import Path
from clew.filters.tree import Literal

Scalar = str | int | float

# Codes that every dictionary begins with. From FALSE on they are scalars, which `=` and `!=` compare;
# from the first free one on they are strings and numbers. No test tells two objects apart, nor, but for
# CONTAINS, two arrays, so that large and varied ones cost one code.
ABSENT, NULL, OBJECT, ARRAY, FALSE, TRUE, FIRST_FREE = range(7)

# `object` is the kind of MISSING, and of no JSON value.
_FIXED = {object: ABSENT, NoneType: NULL, dict: OBJECT, list: ARRAY}


class Dictionary:
    """Distinct values and their codes. 1 and 1.0 are one value; 1, true and "1" are three.

    One caller at a time may call `code`; `find` may run beside it.
    """

    def __init__(self) -> None:
        self._codes: dict[Scalar, int] = {}
        self.values: list[Scalar | None] = [None] * FIRST_FREE

    def code(self, value: Any) -> int:
        """The code of a JSON value, or of MISSING; a new one for a string or number not met before."""
        kind = type(value)
        if kind is str or kind is int or kind is float:
            code = self._codes.get(value)
            if code is None:
                code = self._codes[value] = len(self.values)
                self.values.append(value)
            return code
        if kind is bool:
            return TRUE if value else FALSE
        return _FIXED[kind]

    def find(self, literal: Literal) -> list[int]:
        """The codes of the values that equal a literal; 1 and 0 also mean true and false."""
        if isinstance(literal, bool):
            return [TRUE if literal else FALSE]
        found = [self._codes[literal]] if literal in self._codes else []
        if isinstance(literal, int) and literal in (0, 1):
            found.append(TRUE if literal else FALSE)
        return found


class Growing:
    """An array that is appended to. A view stays valid, and as it was, while the array grows."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._buffer: NDArray[Any] = np.empty(0, dtype)
        self._size = 0

    def extend(self, items: array[int] | Sequence[float]) -> None:
        """Append `items`."""
        size = self._size + len(items)
        if size > len(self._buffer):
            larger = np.empty(max(size, len(self._buffer) * 3 // 2), self._buffer.dtype)
            larger[: self._size] = self.view()
            self._buffer = larger
        self._buffer[self._size : size] = items
        self._size = size

    def view(self) -> NDArray[Any]:
        """What is there now, not copied."""
        return self._buffer[: self._size]


@dataclass(frozen=True, slots=True)
class ValueView:
    """A column as it was at one moment; safe to read while the column grows.

    codes: (slots,) int32. numbers: (distinct codes,) float64, NaN where the value is not a number.
    dictionary and globs are shared with the column and may know codes that are not yet in `numbers`.
    """

    codes: NDArray[np.int32]
    numbers: NDArray[np.float64]
    dictionary: Dictionary
    globs: dict[str, NDArray[np.bool_]]


class ValueColumn:
    """The values at one path, for every test but CONTAINS: 4 bytes a slot and the distinct values."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._dictionary = Dictionary()
        self._codes = Growing(np.int32)
        self._numbers = Growing(np.float64)
        self._globs: dict[str, NDArray[np.bool_]] = {}
        self.extend(array("i"))

    def code(self, metadata: Any) -> int:
        """The code of the value in a slot's metadata, to be given to `extend` in the order of slots."""
        return self._dictionary.code(self._path.walk(metadata))

    def extend(self, codes: array[int]) -> None:
        """Append the codes of the next slots and show them in `view`."""
        self._codes.extend(codes)
        new = self._dictionary.values[len(self._numbers.view()) :]
        self._numbers.extend([as_float(value) for value in new])
        self.view = ValueView(self._codes.view(), self._numbers.view(), self._dictionary, self._globs)


@dataclass(frozen=True, slots=True)
class ArrayView:
    """A column of arrays as it was at one moment; safe to read while the column grows.

    codes: (slots,) int32, 0 where there is no array, otherwise which set of elements the array has.
    owners and elements: (pairs,) int32; the set `owners[i]` has the element of code `elements[i]`.
    """

    codes: NDArray[np.int32]
    sets: int
    owners: NDArray[np.int32]
    elements: NDArray[np.int32]
    dictionary: Dictionary

    def find(self, literal: Literal) -> list[int]:
        """The codes of the sets that have an element equal to a literal."""
        found: list[int] = []
        for element in self.dictionary.find(literal):
            found += self.owners[self.elements == element].tolist()
        return found


class ArrayColumn:
    """The arrays at one path, for CONTAINS: 4 bytes a slot and 8 per element of each distinct set."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._dictionary = Dictionary()
        self._codes = Growing(np.int32)
        self._owners = Growing(np.int32)
        self._elements = Growing(np.int32)
        self._sets: dict[bytes, int] = {}
        self._new_owners = array("i")
        self._new_elements = array("i")
        self.extend(array("i"))

    def code(self, metadata: Any) -> int:
        """The code of the array in a slot's metadata, to be given to `extend` in the order of slots."""
        value = self._path.walk(metadata)
        if not isinstance(value, list):
            return 0
        members = array("i", sorted(set(map(self._dictionary.code, value))))
        key = members.tobytes()
        code = self._sets.get(key)
        if code is None:
            code = self._sets[key] = len(self._sets) + 1
            self._new_owners.extend([code] * len(members))
            self._new_elements.extend(members)
        return code

    def extend(self, codes: array[int]) -> None:
        """Append the codes of the next slots and show them in `view`."""
        self._codes.extend(codes)
        self._owners.extend(self._new_owners)
        self._elements.extend(self._new_elements)
        self._new_owners, self._new_elements = array("i"), array("i")
        self.view = ArrayView(
            self._codes.view(), len(self._sets), self._owners.view(), self._elements.view(), self._dictionary
        )


def as_float(value: Scalar | None) -> float:
    """A number as a float64, rounded where it must be; NaN for anything else."""
    if isinstance(value, str) or value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf if value > 0 else -math.inf
