"""`clew serve` and `clew create`."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.options import Commands, add_metric, port, positive
from clew.errors import ClientError

EXAMPLES = """\
examples:
  clew serve --dev                       one open index to try, at http://127.0.0.1:8080
  clew create data films                 make an index, and print its tokens
  clew serve data                        serve it at http://127.0.0.1:8080/films
  clew serve data --host 0.0.0.0         to other machines as well, behind a proxy that speaks TLS

A client needs the URL and one of the tokens. /health, /ready, /metrics and /openapi.json need none.
"""


def add(commands: Commands) -> None:
    """Both commands."""
    serve = commands.add_parser(
        "serve",
        help="make indexes available over HTTP",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLES,
    )
    serve.description = """\
Serves every index that `clew create DIR NAME` made, each at http://HOST:PORT/NAME, on the
wire of the Upstash SDKs. With --dev, one index that is open to everybody on this machine:
that in DIR, or without DIR one in memory. SIGINT and SIGTERM finish what runs, then close
everything."""
    serve.add_argument("directory", metavar="DIR", nargs="?", help="where the indexes are")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=port, default=8080, metavar="N", help="(default 8080)")
    serve.add_argument("--dev", action="store_true", help="one open index, and a line to try it with")
    serve.add_argument(
        "--body-mib", type=positive, default=256, metavar="N", help="largest request (default 256 MiB)"
    )
    serve.add_argument(
        "--records-max",
        type=positive,
        default=100_000,
        metavar="N",
        help="records of one upsert (default 100,000)",
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
    add_metric(create, None, "of the dense vectors (default COSINE)")
    create.add_argument(
        "--type", default="DENSE", choices=["DENSE", "SPARSE", "HYBRID"], help="which vectors (default DENSE)"
    )
    create.add_argument(
        "--embedding-model", default="", metavar="M", help="of texts, dense: builtin/hashing, ..."
    )
    create.add_argument(
        "--sparse-embedding-model", default="", metavar="M", help="of texts, sparse: BM25, ..."
    )
    create.set_defaults(run=run_create)


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
            options.records_max,
        )
    )


def run_create(options: argparse.Namespace) -> None:
    """`clew create DIR NAME`."""
    from clew.server import indexes_file
    from clew.types import IndexType, Metric

    metric = options.similarity_function and Metric(options.similarity_function)
    tokens = indexes_file.create(
        Path(options.directory),
        options.name,
        dimension=options.dimension,
        metric=metric,
        type=IndexType(options.type),
        embedding_model=options.embedding_model,
        sparse_embedding_model=options.sparse_embedding_model,
    )
    print(f"token            {tokens.full}")
    print(f"read-only token  {tokens.read_only}")
    print(f"Serve it with `clew serve {options.directory}`.")
