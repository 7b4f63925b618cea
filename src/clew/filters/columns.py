"""The metadata columns of one namespace: built when a filter first names a path, extended on later use."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from clew.filters.column import ArrayColumn, ValueColumn
from clew.filters.evaluate import Views, evaluate, pack, tests
from clew.filters.grammar import parse
from clew.filters.path import Path
from clew.filters.tree import Contains, Node
from clew.types import Metadata

# Columns kept per namespace. A column costs 4 bytes a slot and its distinct values, and every one is
# extended when the namespace grows; filters that name ever new paths must not add up to all memory.
COLUMNS_MAX = 64

# Columns are filled path by path for so many slots at once: a third less time than slot by slot. With ten
# times as many, Python's collector finds enough new objects to walk the whole heap: twice the time.
STRETCH_SLOTS = 100

# Answers kept per namespace, a bit a slot each. Programs ask with few filters again and again, and finding an
# answer anew takes longer than the search that it is for.
ANSWERS_MAX = 16


@dataclass(slots=True)
class _Kept:
    """Columns that all hold the same slots, 0 to size - 1. Both dictionaries only ever gain columns."""

    values: dict[Path, ValueColumn] = field(default_factory=dict)
    arrays: dict[Path, ArrayColumn] = field(default_factory=dict)
    size: int = 0

    def lacks(self, values: set[Path], arrays: set[Path]) -> tuple[set[Path], set[Path]]:
        """The paths that have no column here."""
        return (
            {path for path in values if path not in self.values},
            {path for path in arrays if path not in self.arrays},
        )


class Columns:
    """Answers metadata filters over slots that are only appended and whose metadata never changes.

    read(start, stop, keys) gives the metadata of slots start to stop - 1 in order, None where there is
    none; only what its objects hold under `keys` matters. It is called by one thread at a time, and once
    per slot for all the paths that need it.

    Any number of threads may ask at once, also while slots are appended. An asker waits for another only
    where both need columns that are not there yet.
    """

    def __init__(self, read: Callable[[int, int, frozenset[str]], Iterable[Metadata | None]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept = _Kept()
        self._answers: dict[tuple[str, int], NDArray[np.uint64]] = {}  # replaced, never changed

    def allowed(self, filter_text: str, size: int) -> NDArray[np.uint64]:
        """Which of the slots 0 to size - 1 a filter admits: bit s % 64 of word s // 64, (ceil(size / 64),).

        The empty text admits every slot. The answer may be given again, and is not to be written to. Raises
        InvalidFilter where the text is not a filter, and whatever `read` raises.
        """
        asked = filter_text, size
        answer = self._answers.get(asked)
        if answer is None:
            answer = self._found(filter_text, size)
            answer.flags.writeable = False
            last = list(self._answers.items())[1 - ANSWERS_MAX :]
            self._answers = {**dict(last), asked: answer}
        return answer

    def _found(self, filter_text: str, size: int) -> NDArray[np.uint64]:
        if filter_text == "":
            return pack(np.ones(size, np.bool_))
        node = parse(filter_text)
        return pack(evaluate(node, self._views(node, size), size))

    def _views(self, node: Node, size: int) -> Views:
        arrays = {test.path for test in tests(node) if isinstance(test, Contains)}
        values = {test.path for test in tests(node) if not isinstance(test, Contains)}
        kept = self._kept
        if kept.size < size or any(kept.lacks(values, arrays)):
            with self._lock:
                kept = self._grow(values, arrays, size)
        return Views(
            {path: kept.values[path].view for path in values},
            {path: kept.arrays[path].view for path in arrays},
        )

    def _grow(self, values: set[Path], arrays: set[Path], size: int) -> _Kept:
        """Add the columns that are lacking, then bring all to `size`: each slot is read at most once."""
        kept = self._kept
        if len(kept.values) + len(kept.arrays) + sum(map(len, kept.lacks(values, arrays))) > COLUMNS_MAX:
            kept = _Kept()
        new_values, new_arrays = kept.lacks(values, arrays)
        value_columns = {path: ValueColumn(path) for path in new_values}
        array_columns = {path: ArrayColumn(path) for path in new_arrays}
        self._fill([*value_columns.items(), *array_columns.items()], 0, kept.size)
        kept.values.update(value_columns)
        kept.arrays.update(array_columns)
        self._fill([*kept.values.items(), *kept.arrays.items()], kept.size, size)
        kept.size = max(kept.size, size)
        self._kept = kept
        return kept

    def _fill(
        self, of_paths: Sequence[tuple[Path, ValueColumn | ArrayColumn]], start: int, stop: int
    ) -> None:
        """Extend columns by the slots from start; all or, if reading fails, none."""
        if not of_paths or start >= stop:
            return
        columns = [column for _, column in of_paths]
        keys = frozenset(str(path.steps[0]) for path, _ in of_paths if path.steps)
        codes = [array("i") for _ in columns]
        slots = iter(self._read(start, stop, keys))
        while stretch := list(islice(slots, STRETCH_SLOTS)):
            for column, added in zip(columns, codes, strict=True):
                added.extend(map(column.code, stretch))
        if len(codes[0]) != stop - start:
            raise ValueError(f"read({start}, {stop}) gave {len(codes[0])} slots, expected {stop - start}")
        for column, added in zip(columns, codes, strict=True):
            column.extend(added)
