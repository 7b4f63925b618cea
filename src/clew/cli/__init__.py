"""The `clew` command: what the library does, from a shell, under the same names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from clew.cli import keep, look, move, serve
from clew.errors import ClewError


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
    for part in (look, serve, move, keep):
        part.add(commands)
    return top
