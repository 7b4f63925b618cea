"""What the commands share: kinds of options, and the directory that most of them take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from clew.errors import ClientError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added. (argparse has no public name for it.)"""


def positive(text: str) -> int:
    """An option that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def port(text: str) -> int:
    """An option that is a port to listen on."""
    number = int(text)
    if not 1 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{number} is no port; expected 1 to 65535")
    return number


def numbers(text: str) -> list[float]:
    """A vector as numbers between commas."""
    return [float(part) for part in text.split(",")]


def names(text: str) -> tuple[str, ...]:
    """Names between commas; none where the text is empty."""
    return tuple(name for name in text.split(",") if name)


def add_directory(command: argparse.ArgumentParser) -> None:
    """The directory of an index that exists."""
    command.add_argument("directory", metavar="DIR", help="a directory written by clew.Index(DIR)")


def add_metric(command: argparse.ArgumentParser, default: str | None, text: str) -> None:
    """`--similarity-function`."""
    command.add_argument(
        "--similarity-function",
        default=default,
        choices=["COSINE", "EUCLIDEAN", "DOT_PRODUCT"],
        help=text,
    )


def existing(directory: str) -> Path:
    """The path of a directory that must hold an index: looking must not create one."""
    from clew.engine.stored import require_index

    path = Path(directory)
    if not path.is_dir():
        raise ClientError(f"no directory {directory}")
    require_index(path)
    return path
