"""One process that writes per directory."""

from __future__ import annotations

import errno
import fcntl
import os
import weakref
from contextlib import suppress
from pathlib import Path

from clew.errors import AlreadyOpen, StorageError

LOCK_FILE = "clew.lock"

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class _Lock:
    """A lock of a file, for this process until `release`, or until the process ends, however it ends."""

    def __init__(self, directory: Path, flags: int, kind: int) -> None:
        path = directory / LOCK_FILE
        try:
            self._file = os.open(path, flags | os.O_CLOEXEC, 0o644)
        except OSError as error:
            hint = "; read_only=True opens it for reading" if error.errno in READ_ONLY and flags else ""
            raise StorageError(f"cannot open {path}: {error.strerror}{hint}") from error
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except OSError as error:
            held = _held(directory, self._file)
            os.close(self._file)
            raise AlreadyOpen(held) from error
        _locks.add(self)

    def release(self) -> None:
        """Let others in. A second call does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class DirectoryLock(_Lock):
    """Holds `directory` for this process. The file stays: to remove it would let two of them hold it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
        with suppress(OSError):  # it is held all the same; others are told of nobody
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)


class ReaderLock(_Lock):
    """Keeps those out who would write to `directory`, while a file in it is read as if nobody ever did."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, os.O_RDONLY, fcntl.LOCK_SH)


def _held(directory: Path, file: int) -> str:
    holder = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return f"{directory} is open for reading in a process that may not write to it: close it there"
    if holder == str(os.getpid()):
        return f"{directory} is already open in this process: close() the index that holds it"
    return f"{directory} is already open in process {holder}: close it there, or open it with read_only=True"


_locks: weakref.WeakSet[_Lock] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """A lock lasts until every process that has its file has closed it: a child must not keep it."""
    for lock in list(_locks):
        lock.release()


os.register_at_fork(after_in_child=_leave_to_parent)
