"""`clew demo`, `clew info` and `clew query`: looking, and changing nothing."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from clew.cli.options import Commands, add_directory, existing, numbers, positive

if TYPE_CHECKING:
    from clew import Index, InfoResult, QueryResult


def add(commands: Commands) -> None:
    """The three commands."""
    demo = commands.add_parser("demo", help="page through a resumable query over real data")
    demo.description = (
        "Indexes 8,807 films and series that ship with Clew, and pages through those like one of them."
    )
    demo.add_argument("--pages", type=positive, default=4, metavar="N", help="pages to show (default 4)")
    demo.add_argument("--page-size", type=positive, default=6, metavar="N", help="titles a page (default 6)")
    demo.add_argument("--like", default="Our Planet", metavar="TITLE", help="(default 'Our Planet')")
    demo.add_argument("--text", metavar="WORDS", help="search the words about the titles instead")
    demo.set_defaults(run=run_demo)

    info = commands.add_parser("info", help="counts and kind of the index in a directory")
    add_directory(info)
    info.set_defaults(run=run_info)

    query = commands.add_parser("query", help="the nearest records of the index in a directory")
    add_directory(query)
    near = query.add_mutually_exclusive_group(required=True)
    near.add_argument("--vector", type=numbers, metavar="X,Y,...", help="nearest to this vector")
    near.add_argument("--like", metavar="ID", help="nearest to the record with this id")
    near.add_argument("--text", metavar="WORDS", help="nearest to this text, where the index has a model")
    query.add_argument("--top-k", type=positive, default=10, metavar="N", help="how many (default 10)")
    query.add_argument("--filter", default="", metavar="F", help="only records whose metadata matches")
    query.add_argument("--namespace", default="", metavar="NS", help="(default: the default namespace)")
    query.set_defaults(run=run_query)


def run_demo(options: argparse.Namespace) -> None:
    """`clew demo`."""
    from rich.console import Console

    from clew.demo import search, show

    # Where it is not read by a person in a terminal, a table need not be squeezed into 80 columns.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=110)
    if options.text is not None:
        search.run(console, pages=options.pages, page_size=options.page_size, text=options.text)
    else:
        show.run(console, pages=options.pages, page_size=options.page_size, like=options.like)


def run_info(options: argparse.Namespace) -> None:
    """`clew info DIR`."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    with opened(options.directory) as index:
        info = index.info()
    console = Console(highlight=False)
    console.print(", ".join(kind_of(info)), markup=False)
    table = Table("namespace", "vectors")
    table.columns[1].justify = "right"
    for name, counts in info.namespaces.items():
        table.add_row(escape(name) or '"" (default)', f"{counts.vector_count:,}")
    console.print(table)


def run_query(options: argparse.Namespace) -> None:
    """`clew query DIR`."""
    with opened(options.directory) as index:
        near = {"vector": options.vector, "data": options.text}
        if options.like is not None:
            near = vectors_of(index, options.like, options.namespace)
        hits: list[QueryResult] = []
        if near:  # a record of a sparse index may have no terms, and nothing is like it then
            hits = index.query(
                **near,
                top_k=options.top_k,
                filter=options.filter,
                include_metadata=True,
                namespace=options.namespace,
            )
    show_hits(hits)


def opened(directory: str) -> Index:
    """The index in a directory that must exist."""
    path = existing(directory)
    from clew import Index

    return Index(path, read_only=True)


def kind_of(info: InfoResult) -> list[str]:
    """What an index holds, part by part."""
    dense, sparse = info.dense_index, info.sparse_index
    said = [f"{info.vector_count:,} vector{'s' * (info.vector_count != 1)}", info.index_type]
    if dense is not None:
        said += [f"{dense.dimension} dimensions", dense.similarity_function, dense.embedding_model]
    if sparse is not None:
        said.append(sparse.embedding_model)
    return [part for part in said if part]


def vectors_of(index: Index, id: str, namespace: str) -> dict[str, Any]:
    """What a query asks that is to find neighbours of a record, of the vectors that say anything of it."""
    [record] = index.fetch(ids=[id], include_vectors=True, namespace=namespace)
    if record is None:
        raise LookupError(f"no record {id!r} in namespace {namespace!r}")
    near: dict[str, Any] = {} if record.vector is None else {"vector": record.vector}
    if record.sparse_vector is not None and record.sparse_vector.indices:
        near["sparse_vector"] = record.sparse_vector
    return near


def show_hits(hits: list[QueryResult]) -> None:
    """Results as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "score", "metadata")
    for hit in hits:
        table.add_row(escape(hit.id), f"{hit.score:.6f}", escape(str(hit.metadata or "")))
    Console(highlight=False).print(table)
