"""One process per directory."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from clew.errors import AlreadyOpen, StorageError

LOCK_FILE = "clew.lock"

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class DirectoryLock:
    """Holds `directory` for this process until `release`, or until the process ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        path = directory / LOCK_FILE
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            hint = "; read_only=True opens it for reading" if error.errno in READ_ONLY else ""
            raise StorageError(f"cannot open {path}: {error.strerror}{hint}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise AlreadyOpen(_held(directory, holder)) from error
        with suppress(OSError):  # it is held all the same; others are told of nobody
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let other processes in. The file stays: to remove it would let two of them hold it."""
        os.close(self._file)


def _held(directory: Path, holder: str) -> str:
    if holder == str(os.getpid()):
        return f"{directory} is already open in this process: close() the index that holds it"
    return f"{directory} is already open in process {holder}: close it there, or open it with read_only=True"
