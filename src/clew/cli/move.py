"""`clew import` and `clew export`: whole indexes, in and out."""

from __future__ import annotations

import argparse
import functools
import sys
from contextlib import closing
from pathlib import Path

from clew.cli.options import Commands, add_directory, add_metric, existing, names, positive
from clew.config import TOKEN_VARIABLES

AGAIN = "interrupted: run the same command again, and it goes on from here"


def add(commands: Commands) -> None:
    """Both commands."""
    add_import(commands)
    export = commands.add_parser("export", help="write the index in a directory to one file")
    export.description = (
        "Writes every record of every namespace, as they are at this moment, to one file, of which "
        "`clew import` makes an equal index. The index may be open elsewhere. Interrupted, the same command "
        "goes on where it was."
    )
    add_directory(export)
    export.add_argument(
        "--to", required=True, choices=["parquet", "jsonl"], help="the form (parquet needs clew[tools])"
    )
    export.add_argument(
        "--output", metavar="FILE", help="(default: in this directory, named like DIR and the form)"
    )
    export.set_defaults(run=run_export)


def add_import(commands: Commands) -> None:
    """`clew import`."""
    command = commands.add_parser("import", help="fill the index in a directory from a file or a server")
    command.description = (
        "Upserts every record of SOURCE into the index in DIR, which is made where it is missing, with the "
        "dimension, similarity function and namespaces that SOURCE has. A record whose id is there already "
        "is replaced. Interrupted, even by kill -9, the same command goes on where it was."
    )
    command.epilog = (
        "SOURCE is a file that ends in .parquet, .jsonl, .ndjson, .npy, .npz, .hdf5 or .h5, or the URL of a "
        "server: Clew's own, or the hosted service."
    )
    command.add_argument("source", metavar="SOURCE", help="a file or a URL")
    command.add_argument("--to", required=True, metavar="DIR", help="directory of the index")
    command.add_argument(
        "--namespace", metavar="NS", help="for records that say none (default: the default one)"
    )
    add_metric(command, None, "of a new index (default: that of SOURCE, else COSINE)")
    command.add_argument("--restart", action="store_true", help="forget an import that was interrupted")
    server = command.add_argument_group("a server")
    server.add_argument("--token", help=f"its token (default: {' or '.join(TOKEN_VARIABLES)})")
    server.add_argument("--page", type=positive, default=1000, metavar="N", help="records a request (1000)")
    files = command.add_argument_group("files")
    files.add_argument("--dataset", default="train", metavar="NAME", help="of an HDF5 file (default train)")
    files.add_argument("--id-column", default="id", metavar="NAME", help="of a Parquet file (default id)")
    files.add_argument("--vector-column", default="vector", metavar="NAME", help="the same (default vector)")
    files.add_argument(
        "--metadata-columns",
        type=names,
        metavar="A,B,...",
        help="of a Parquet file: to be fields of metadata",
    )
    command.set_defaults(run=run_import)


def run_import(options: argparse.Namespace) -> None:
    """`clew import SOURCE --to DIR`."""
    from clew.bars import bar
    from clew.tools.importing import import_into
    from clew.tools.parquet import Columns
    from clew.tools.sources import SourceOptions, open_source
    from clew.types import Metric

    columns = Columns(options.id_column, options.vector_column, options.metadata_columns)
    asked = SourceOptions(options.token, options.page, options.dataset, columns)
    metric = options.similarity_function and Metric(options.similarity_function)
    with closing(open_source(options.source, asked)) as source:
        try:
            done = import_into(
                Path(options.to),
                source,
                namespace=options.namespace,
                metric=metric,
                restart=options.restart,
                shown=functools.partial(bar, "Importing"),
            )
        except KeyboardInterrupt:
            print(AGAIN, file=sys.stderr)
            raise
    print(f"{done.records:,} records imported; {options.to} holds {done.held:,}")


def run_export(options: argparse.Namespace) -> None:
    """`clew export DIR --to FORM`."""
    from clew.bars import bar
    from clew.tools.exporting import export_to

    directory = existing(options.directory)
    file = Path(options.output or f"{directory.resolve().name}.{options.to}")
    try:
        records = export_to(directory, file, options.to, shown=functools.partial(bar, "Exporting"))
    except KeyboardInterrupt:
        print(AGAIN, file=sys.stderr)
        raise
    print(f"{records:,} records exported to {file}")
