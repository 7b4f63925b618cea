"""Progress, on stderr, for whoever looks at a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Advance = Callable[[int], None]
"""Says that so many more are done."""


def silent(many: int) -> None:
    """For callers that nobody watches."""


@contextmanager
def bar(what: str, total: int, done: int = 0, *, unit: str = "records") -> Iterator[Advance]:
    """A bar with rate and remaining time; nothing at all where nobody looks at stderr."""
    # Imported here, as below: rich takes longer to import than the rest of clew.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, **_where()) as progress:
        task = progress.add_task("", total=total, completed=done, rate="")

        def advance(many: int) -> None:
            progress.advance(task, many)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "")

        yield advance


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that says itself how many steps are done, and of how many."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, **_where()) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _where() -> dict[str, Any]:
    """Where a bar goes, and whether anybody looks there."""
    from rich.console import Console

    console = Console(stderr=True)
    return {"console": console, "disable": not (console.is_terminal or console.is_jupyter)}
