"""The `clew` command: what the library does, from a shell, under the same names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from clew.errors import ClewError, ClientError

if TYPE_CHECKING:
    from clew import Index, QueryResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error of Clew, 2 for a wrong call."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (ClewError, LookupError) as error:
        # The text of a LookupError is quoted by str(); its argument is what was said.
        print(f"clew: {error.args[0] if error.args else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands and their options; also read by the test that keeps the docs complete."""
    top = argparse.ArgumentParser(
        prog="clew",
        description="A vector database whose queries go on from where they stopped.",
        epilog="Start with `clew demo`.",
    )
    top.add_argument("--version", action="version", version=f"clew {version('clew')}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="page through a resumable query over real data")
    demo.description = (
        "Indexes 8,807 films and series that ship with Clew, and pages through those like one of them."
    )
    demo.add_argument("--pages", type=positive, default=4, metavar="N", help="pages to show (default 4)")
    demo.add_argument("--page-size", type=positive, default=6, metavar="N", help="titles a page (default 6)")
    demo.add_argument("--like", default="Our Planet", metavar="TITLE", help="(default 'Our Planet')")
    demo.set_defaults(run=run_demo)

    info = commands.add_parser("info", help="counts and kind of the index in a directory")
    info.add_argument("directory", metavar="DIR", help="a directory written by clew.Index(DIR)")
    info.set_defaults(run=run_info)

    query = commands.add_parser("query", help="the nearest records of the index in a directory")
    query.add_argument("directory", metavar="DIR", help="a directory written by clew.Index(DIR)")
    near = query.add_mutually_exclusive_group(required=True)
    near.add_argument("--vector", type=numbers, metavar="X,Y,...", help="nearest to this vector")
    near.add_argument("--like", metavar="ID", help="nearest to the record with this id")
    query.add_argument("--top-k", type=positive, default=10, metavar="N", help="how many (default 10)")
    query.add_argument("--filter", default="", metavar="F", help="only records whose metadata matches")
    query.add_argument("--namespace", default="", metavar="NS", help="(default: the default namespace)")
    query.set_defaults(run=run_query)
    return top


def positive(text: str) -> int:
    """An option that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def numbers(text: str) -> list[float]:
    """A vector as numbers between commas."""
    return [float(part) for part in text.split(",")]


def run_demo(options: argparse.Namespace) -> None:
    """`clew demo`."""
    from rich.console import Console

    from clew.demo import show

    # Where it is not read by a person in a terminal, a table need not be squeezed into 80 columns.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=110)
    show.run(console, pages=options.pages, page_size=options.page_size, like=options.like)


def run_info(options: argparse.Namespace) -> None:
    """`clew info DIR`."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    with opened(options.directory) as index:
        info = index.info()
    console = Console(highlight=False)
    console.print(f"{info.vector_count:,} vectors, {info.dimension} dimensions, {info.similarity_function}")
    table = Table("namespace", "vectors")
    table.columns[1].justify = "right"
    for name, counts in info.namespaces.items():
        table.add_row(escape(name) or '"" (default)', f"{counts.vector_count:,}")
    console.print(table)


def run_query(options: argparse.Namespace) -> None:
    """`clew query DIR`."""
    with opened(options.directory) as index:
        vector = options.vector or vector_of(index, options.like, options.namespace)
        hits = index.query(
            vector=vector,
            top_k=options.top_k,
            filter=options.filter,
            include_metadata=True,
            namespace=options.namespace,
        )
    show_hits(hits)


def opened(directory: str) -> Index:
    """The index in a directory that must exist: looking must not create one."""
    if not Path(directory).is_dir():
        raise ClientError(f"no directory {directory}")
    from clew import Index

    return Index(directory)


def vector_of(index: Index, id: str, namespace: str) -> list[float]:
    """The vector of a record."""
    [record] = index.fetch(ids=[id], include_vectors=True, namespace=namespace)
    if record is None or record.vector is None:
        raise LookupError(f"no record {id!r} in namespace {namespace!r}")
    return record.vector


def show_hits(hits: list[QueryResult]) -> None:
    """Results as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "score", "metadata")
    for hit in hits:
        table.add_row(escape(hit.id), f"{hit.score:.6f}", escape(str(hit.metadata or "")))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    sys.exit(main())
