"""A copy of an index, of one moment, while whoever has it open reads and writes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from clew.engine.disk import sync_directory
from clew.engine.stored import stored
from clew.errors import ClientError, StorageError


def backup(directory: Path, target: Path, step: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Copy the index in `directory` into the new directory `target`, which can then be opened as it is.

    step: told how many pages are done, and of how many. Returns the bytes of the copy.
    Raises ClientError where `target` exists and is not empty, StorageError, Corruption.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ClientError(f"{target} exists already, and is not an empty directory")
    if not target.absolute().parent.is_dir():
        raise ClientError(f"no directory {target.parent}")
    # Under its own name only once it is whole: half a copy must not pass for one.
    aside = target.with_name(target.name + ".unfinished")
    with stored(directory) as records:
        try:
            if aside.exists():
                shutil.rmtree(aside)
            aside.mkdir()
            records.copy_to(aside, step)
            sync_directory(aside)
            aside.replace(target)
            sync_directory(target.absolute().parent)
        except BaseException as error:
            shutil.rmtree(aside, ignore_errors=True)
            if isinstance(error, OSError):
                raise StorageError(f"{target} cannot be written: {error.strerror}") from error
            raise
    return sum(file.stat().st_size for file in target.iterdir())
