"""Which state of a namespace a query sees, and which of its rows are meant."""

from __future__ import annotations

from typing import NamedTuple

from clew.engine.returned import Rows


class Snapshot(NamedTuple):
    """What command `seq` left behind: the rows before `end_row` that no command up to `seq` removed."""

    seq: int
    end_row: int


class Chosen(NamedTuple):
    """Rows that are meant (`only`), or all but these."""

    rows: Rows
    only: bool = False
