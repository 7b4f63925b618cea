"""`clew check`, `clew compact` and `clew backup`: an index kept whole and small."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from clew.cli.options import Commands, add_directory, existing
from clew.errors import Corruption


def add(commands: Commands) -> None:
    """The three commands."""
    check = commands.add_parser("check", help="see whether the index in a directory is whole")
    check.description = (
        "Reads everything that the index in DIR keeps and changes nothing. The index may be open elsewhere. "
        "The exit status is 0 where it is whole, and 1 where it is not."
    )
    add_directory(check)
    check.set_defaults(run=run_check)

    compact = commands.add_parser("compact", help="make the index in a directory as small as it can be")
    compact.description = (
        "Does at once what an index that is open does in the background: makes graphs without what was "
        "removed, drops records that no open query sees, and gives free space back to the system."
    )
    add_directory(compact)
    compact.set_defaults(run=run_compact)

    backup = commands.add_parser("backup", help="copy the index in a directory while it is in use")
    backup.description = (
        "Copies the index in DIR, as it is at this moment, into the new directory TARGET, which can then be "
        "opened. The index may be open elsewhere: neither its readers nor its writers wait."
    )
    add_directory(backup)
    backup.add_argument("target", metavar="TARGET", help="the directory to make")
    backup.set_defaults(run=run_backup)


def run_check(options: argparse.Namespace) -> None:
    """`clew check DIR`."""
    from clew.bars import steps
    from clew.engine.verify import verify

    with steps("Checking") as step:
        verdict = verify(existing(options.directory), step)
    for problem in verdict.problems:
        print(problem)
    if verdict.problems:
        many = len(verdict.problems)
        raise Corruption(options.directory, "an index that is whole", f"{many} problem{'s' * (many > 1)}")
    print(
        f"{options.directory} is whole: {verdict.records:,} records in {verdict.namespaces:,} "
        f"namespace{'s' * (verdict.namespaces != 1)}, and {verdict.removed:,} removed ones still kept"
    )
    for remark in verdict.remarks:
        print(f"note: {remark}")


def run_compact(options: argparse.Namespace) -> None:
    """`clew compact DIR`."""
    from clew.bars import steps
    from clew.commands import Compact
    from clew.engine.engine import Engine

    with (
        closing(Engine.open(existing(options.directory))) as engine,
        ThreadPoolExecutor(1) as worker,  # so that Ctrl-C is heard meanwhile
        steps("Compacting"),
    ):
        try:
            fewer = worker.submit(engine.execute, Compact()).result()
        except KeyboardInterrupt:
            engine.close()
            print("interrupted: nothing is lost, and the same command begins anew", file=sys.stderr)
            raise
    print(f"{options.directory} takes {fewer:,} bytes less")


def run_backup(options: argparse.Namespace) -> None:
    """`clew backup DIR TARGET`."""
    from clew.bars import steps
    from clew.tools.backup import backup

    with steps("Copying") as step:
        size = backup(existing(options.directory), Path(options.target), step)
    print(f"{options.target} holds a copy of {options.directory}: {size:,} bytes")
