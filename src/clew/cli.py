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
    add_server(commands)
    return top


def add_server(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`clew serve` and `clew create`."""
    serve = commands.add_parser("serve", help="make indexes available over HTTP")
    serve.description = (
        "Serves every index that `clew create DIR NAME` made, each at http://HOST:PORT/NAME, on the wire of "
        "the Upstash SDKs. With --dev, one index that is open to everybody on this machine: that in DIR, or "
        "without DIR one in memory. SIGINT and SIGTERM finish what runs, then close everything."
    )
    serve.add_argument("directory", metavar="DIR", nargs="?", help="where the indexes are")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=positive, default=8080, metavar="N", help="(default 8080)")
    serve.add_argument("--dev", action="store_true", help="one open index, and a line to try it with")
    serve.add_argument(
        "--body-mib", type=positive, default=256, metavar="N", help="largest request (default 256 MiB)"
    )
    serve.add_argument("--access-log", action="store_true", help="a line of JSON for each request, to stderr")
    serve.set_defaults(run=run_serve)

    create = commands.add_parser("create", help="add an index to a directory that is served")
    create.description = (
        "Adds an index to DIR/indexes.toml and prints its two tokens, which are kept as hashes only: this is "
        "the one time they are shown. A server that runs serves it once started again."
    )
    create.add_argument("directory", metavar="DIR", help="where the indexes are; made when missing")
    create.add_argument("name", metavar="NAME", help="of the index, and of its path in the URL")
    create.add_argument("--dimension", type=positive, metavar="N", help="(default: that of the first upsert)")
    create.add_argument(
        "--similarity-function",
        default="COSINE",
        choices=["COSINE", "EUCLIDEAN", "DOT_PRODUCT"],
        help="(default COSINE)",
    )
    create.set_defaults(run=run_create)


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


def run_serve(options: argparse.Namespace) -> None:
    """`clew serve DIR`."""
    if options.directory is None and not options.dev:
        raise ClientError("a directory to serve is missing; or try `clew serve --dev`")
    try:
        from clew.server.run import Options, serve
    except ModuleNotFoundError as error:
        raise ClientError(f"{error.name} is missing: pip install 'clew[server]'") from error

    serve(
        Options(
            None if options.directory is None else Path(options.directory),
            options.host,
            options.port,
            options.dev,
            options.body_mib * 1024 * 1024,
            options.access_log,
        )
    )


def run_create(options: argparse.Namespace) -> None:
    """`clew create DIR NAME`."""
    from clew.server import catalogue
    from clew.types import Metric

    metric = Metric(options.similarity_function)
    tokens = catalogue.create(
        Path(options.directory), options.name, dimension=options.dimension, metric=metric
    )
    print(f"token            {tokens.full}")
    print(f"read-only token  {tokens.read_only}")
    print(f"Serve it with `clew serve {options.directory}`.")


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
