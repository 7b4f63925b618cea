"""`clew demo`: one resumable query, page by page, over the sample."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clew.demo import Sample, load

if TYPE_CHECKING:
    from clew import Index, QueryResult, ResumableQuery

FILTER = "year >= 2015 AND genres CONTAINS 'Docuseries'"
# Reading on to the end is for counting, not for looking at: pages of a size a program would ask for.
REST_SIZE = 100

NOTE = "Mostly for reading year and genres of every title; no later filter has to.\n"

# What the demo prints at its end. A test runs these lines, as they stand, over the sample.
CODE = """\
index = Index(); index.upsert_arrays(ids, vectors, metadata=metadata)
query = index.resumable_query(vector=vector, top_k={size}, filter={filter!r}, include_metadata=True)
first = query.start()           # the {size} nearest that match
more = query.fetch_next({size})       # the next {size}; and so on, until []"""


@dataclass(slots=True)
class Progress:
    """What has been read of the query so far."""

    ids: list[str] = field(default_factory=list)
    seconds: float = 0.0
    exhausted: bool = False

    def read(self, fetch: Callable[[], list[QueryResult]]) -> tuple[list[QueryResult], float]:
        """One batch and the seconds it took."""
        before = time.perf_counter()
        hits = fetch()
        taken = time.perf_counter() - before
        self.ids += [hit.id for hit in hits]
        self.seconds += taken
        self.exhausted = not hits
        return hits, taken


def run(console: Console, *, pages: int, page_size: int, like: str) -> None:
    """Index the sample, page through a filtered query, read on to its end, and show the code for it.

    In a terminal it waits for Enter between pages; anywhere else it runs straight through.
    """
    sample = load()
    vector = sample.vector_of(like)
    index = indexed(console, sample)
    console.print(
        f"\nTitles like [bold]{escape(like)}[/], only where [bold]{FILTER}[/], {page_size} at a time:\n"
    )
    query = index.resumable_query(
        vector=vector, top_k=page_size, filter=FILTER, include_metadata=True, include_data=True
    )
    progress = Progress()
    with query:
        show_pages(console, query, progress, pages, page_size)
        count_the_rest(console, query, progress)
    console.print("\nThe same in Python:\n")
    # Not wrapped: a line that a narrow terminal breaks on its own can still be copied whole.
    console.print(CODE.format(size=page_size, filter=FILTER), markup=False, soft_wrap=True)


def indexed(console: Console, sample: Sample) -> Index:
    """The sample in an index in memory."""
    # Imported here, so that `clew --help` need not load the native core.
    from clew import Index

    count, dimension = sample.vectors.shape
    console.print(f"Indexing {count:,} films and series, {dimension} dimensions, in memory.")
    index = Index()
    before = time.perf_counter()
    index.upsert_arrays(
        sample.ids, sample.vectors, metadata=sample.metadata, data=sample.data, progress=console.is_terminal
    )
    taken = time.perf_counter() - before
    console.print(f"Indexed in {taken:.2f} s, {count / taken:,.0f} a second.")
    return index


def show_pages(
    console: Console, query: ResumableQuery, progress: Progress, pages: int, size: int, *, note: str = NOTE
) -> None:
    """Up to `pages` pages, each as a table with the time it took; `note` below the first."""
    for number in range(1, pages + 1):
        first = len(progress.ids) + 1
        hits, taken = progress.read(query.start if number == 1 else lambda: query.fetch_next(size))
        if not hits:
            return
        call = "query.start()" if number == 1 else f"query.fetch_next({size})"
        console.print(
            page(f"Page {number}: {call} took {taken * 1e3:.2f} ms", first, hits, console.width // 3)
        )
        if number == 1:
            console.print(f"[dim]{note}[/]")
        if console.is_interactive and number < pages:
            # End of input, as where standard input is empty, means: go on.
            with contextlib.suppress(EOFError):
                console.input("[dim]Enter for the next page[/] ")


def page(title: str, first: int, hits: list[QueryResult], width: int) -> Table:
    """Results as a table, ranks counted from `first`; longer titles than `width` are cut."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    table.add_column("#", justify="right")
    table.add_column("id", no_wrap=True)
    table.add_column("title", no_wrap=True, max_width=width)
    table.add_column("year", no_wrap=True)
    table.add_column("genres")
    table.add_column("score", justify="right", no_wrap=True)
    for rank, hit in enumerate(hits, first):
        about: dict[str, Any] = hit.metadata or {}
        genres = ", ".join(about["genres"][:2])
        title = escape(about["title"])
        table.add_row(str(rank), hit.id, title, str(about["year"]), genres, f"{hit.score:.3f}")
    return table


def count_the_rest(console: Console, query: ResumableQuery, progress: Progress) -> None:
    """Read on to the end, and say how many came and that none came twice."""
    shown = len(progress.ids)
    while not progress.exhausted:
        progress.read(lambda: query.fetch_next(REST_SIZE))
    total, repeated = len(progress.ids), len(progress.ids) - len(set(progress.ids))
    console.print(
        f"\nReading on from there, {REST_SIZE} at a time: {total - shown} more, then [] for the end.\n"
        f"[bold]{total} titles match, and every one came: {repeated} repeated.[/] "
        f"All batches together took {progress.seconds * 1e3:.1f} ms."
    )
