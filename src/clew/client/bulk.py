"""Bulk upsert: many commands, and a progress bar over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from clew.client.steps import Steps
from clew.commands import UpsertArrays


def upsert_arrays(commands: Sequence[UpsertArrays], progress: bool) -> Steps[str]:
    """Carry the commands in order."""
    with _bar(sum(len(command.ids) for command in commands), progress) as advance:
        for command in commands:
            yield command
            advance(len(command.ids))
    return "Success"


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of rows just done."""
    if not shown:
        yield lambda rows: None
        return
    # Imported here: rich takes longer to import than the rest of clew.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("", total=total)
        yield lambda rows: bar.advance(task, rows)
