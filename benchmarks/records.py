"""What was measured: one record per engine and case, kept as JSON and shown as Markdown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

Value = float | int | str | None
CLEW = "clew"


@dataclass(frozen=True, slots=True)
class Record:
    """One row: `case` says what was asked, `values` what came of it (units end their names)."""

    suite: str
    dataset: str
    engine: str
    case: str
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a suite's rows are shown.

    `ratio` names the value by which rows are compared with Clew's own row of the same case, and
    `more_is_better` its direction; the last column is then above 1 where Clew is the better one.
    """

    title: str
    columns: tuple[str, ...]
    ratio: str = ""
    more_is_better: bool = True
    hidden: str = ""  # rows whose case begins so are only in the JSON


@dataclass(slots=True)
class Run:
    """Everything of one invocation."""

    machine: dict[str, object]
    settings: dict[str, object]
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    records: list[Record] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the run as JSON, making the folder when it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n")


def table(layout: Layout, records: Sequence[Record]) -> str:
    """The records of one suite and data set as a Markdown table."""
    if layout.hidden:
        records = [record for record in records if not record.case.startswith(layout.hidden)]
    columns = [name for name in layout.columns if any(name in record.values for record in records)]
    head = ["case", "engine", *(name.replace("_", " ") for name in columns)]
    ratios = _ratios(layout, records)
    if layout.ratio:
        head.append("Clew is better by")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for record, ratio in zip(records, ratios, strict=True):
        cells = [record.case, record.engine, *(_shown(record.values.get(name)) for name in columns)]
        if layout.ratio:
            cells.append("" if ratio is None else f"{ratio:.2f}x")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def find(records: Iterable[Record], suite: str, engine: str, case: str, value: str) -> float | None:
    """One measured number, or None where it was not measured."""
    for record in records:
        if (record.suite, record.engine, record.case) == (suite, engine, case):
            found = record.values.get(value)
            return float(found) if isinstance(found, (int, float)) else None
    return None


def _ratios(layout: Layout, records: Sequence[Record]) -> list[float | None]:
    own = {record.case: record.values.get(layout.ratio) for record in records if record.engine == CLEW}
    ratios: list[float | None] = []
    for record in records:
        mine, theirs = own.get(record.case), record.values.get(layout.ratio)
        if (
            record.engine == CLEW
            or not isinstance(mine, (int, float))
            or not isinstance(theirs, (int, float))
        ):
            ratios.append(None)
        elif layout.more_is_better:
            ratios.append(mine / theirs if theirs else None)
        else:
            ratios.append(theirs / mine if mine else None)
    return ratios


def _shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if abs(value) >= 1000:
            return f"{value:,.0f}"
        return f"{value:.4f}" if abs(value) <= 1 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value
