"""Directories, and what the disk has of the names in them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from clew.errors import StorageError


def sync_directory(directory: Path) -> None:
    """Wait until the names that were made, changed or removed in it are on the disk. Raises OSError."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def made(directory: str | os.PathLike[str]) -> Path:
    """The directory, made where it is missing, and its name on the disk. Raises StorageError."""
    path = Path(directory).resolve()
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the directory {path}: {error.strerror}") from error
    for one in reversed(missing):
        with suppress(OSError):  # a file system that syncs no directories, or one that may not be read
            sync_directory(one.parent)
    return path
