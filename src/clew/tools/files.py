"""Files: which one it is, and how one is replaced so that a crash leaves the old or the new."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from clew.engine.disk import sync_directory
from clew.errors import ClientError, Corruption, StorageError


def identity_of(path: Path) -> dict[str, Any]:
    """The file, as JSON: another one under the same name, or one that was changed, has another identity."""
    try:
        found = path.stat()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}") from error
    return {"file": str(path.resolve()), "bytes": found.st_size, "changed_ns": found.st_mtime_ns}


def read_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote; None where nothing is."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise Corruption(str(path), "a JSON object", str(error)) from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Put `value` in the place of what is at `path`, on disk when this returns."""
    aside = path.with_name(path.name + ".new")
    try:
        with aside.open("wb") as file:
            file.write(msgspec.json.encode(value))
            to_disk(file.fileno())
        aside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def to_disk(file: int) -> None:
    """Wait until what was written is on disk."""
    os.fsync(file)
