"""`clew demo --text`: a search in words over the sample, by two models that need no download."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from clew.demo import Sample, load
from clew.demo.show import Progress, count_the_rest, show_pages
from clew.types import FusionAlgorithm, WeightingStrategy

if TYPE_CHECKING:
    from clew import Index

# Enough for a few words each; more would only take longer to index.
DIMENSION = 256
TEXTS_PER_CALL = 1000
# So many of either half are ranked together: one ranking, whatever the size of a page.
WINDOW = 100

NOTE = "BM25 for the words, rare ones first; hashing for how they are spelled.\n"

# What the demo prints at its end. A test runs these lines, as they stand, over the sample.
CODE = """\
index = Index(type="HYBRID", embedding_model="builtin/hashing", sparse_embedding_model="BM25", dimension=256)
index.upsert(zip(ids, texts, metadata))
query = index.resumable_query(data={text!r}, top_k={size}, include_metadata=True,
                              weighting_strategy="IDF", fusion_algorithm="DBSF", fusion_window=100,
                              dense_weight=0.2)
first = query.start()           # the {size} best
more = query.fetch_next({size})       # the next {size}; and so on, until []"""


def texts_of(sample: Sample) -> list[str]:
    """What is searched: each title, and the sentence about it."""
    return [f"{about['title']}. {said}" for about, said in zip(sample.metadata, sample.data, strict=True)]


def run(console: Console, *, pages: int, page_size: int, text: str) -> None:
    """Index the words of the sample, page through what `text` finds, read on, and show the code for it.

    In a terminal it waits for Enter between pages; anywhere else it runs straight through.
    """
    sample = load()
    index = indexed(console, sample)
    console.print(f"\nWhat the words [bold]{escape(text)}[/] find, {page_size} at a time:\n")
    query = index.resumable_query(
        data=text,
        top_k=page_size,
        include_metadata=True,
        weighting_strategy=WeightingStrategy.IDF,
        fusion_algorithm=FusionAlgorithm.DBSF,
        fusion_window=WINDOW,
        dense_weight=0.2,
    )
    progress = Progress()
    with query:
        show_pages(console, query, progress, pages, page_size, note=NOTE)
        count_the_rest(console, query, progress)
    console.print("\nThe same in Python:\n")
    console.print(CODE.format(size=page_size, text=text), markup=False, soft_wrap=True)


def indexed(console: Console, sample: Sample) -> Index:
    """The words of the sample in a hybrid index in memory."""
    # Imported here, so that `clew --help` need not load the native core.
    from clew import Index

    count = len(sample.ids)
    console.print(f"Indexing the words about {count:,} films and series, in memory.")
    index = Index(
        type="HYBRID",
        embedding_model="builtin/hashing",
        sparse_embedding_model="BM25",
        dimension=DIMENSION,
    )
    records = list(zip(sample.ids, texts_of(sample), sample.metadata, strict=True))
    before = time.perf_counter()
    for first in range(0, count, TEXTS_PER_CALL):
        index.upsert(records[first : first + TEXTS_PER_CALL])
    taken = time.perf_counter() - before
    console.print(f"Indexed in {taken:.2f} s, {count / taken:,.0f} a second.")
    return index
