"""Copies the log of an SQLite file into the file, beside writers and readers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import apsw

from clew.engine.background import Background

# The log is copied into the file by a thread, once it has so many bytes, beside writers and readers: done by
# a commit, as SQLite would, it held that commit up for 60 to 130 ms.
CHECKPOINT_BYTES = 16 << 20
# Past this many the log is also begun anew, for which a writer waits; else one that never pauses lets it
# grow. Once no more than so many bytes are left to be copied, some ms; or whatever there is past the last.
RESTART_BYTES, RESTART_LEFT_BYTES, LOG_BYTES_MAX = 64 << 20, 4 << 20, 512 << 20

# How long a checkpoint that begins the log anew waits for readers to be done, and writers for it. Where they
# are not, it is tried again once the log has grown by as much again.
WAIT_MS = 50


class Checkpointer:
    """Copies the log into the file on a thread of its own, which starts with the first need.

    doubt: told once the disk refused a sync or a write, so that nobody knows what it has of log and file.
    Nothing more is copied then: the log must stay for the next opening.
    """

    def __init__(
        self, connect: Callable[[], apsw.Connection], page_bytes: int, doubt: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._page_bytes = page_bytes
        self._doubt = doubt
        self._failed = False
        self._turn = threading.Lock()
        self._bytes = 0
        self._restart_bytes = RESTART_BYTES
        self._background = Background(self, Checkpointer.work, "clew-checkpoint")

    def hook(self, connection: apsw.Connection, name: str, pages: int) -> int:
        """Called by SQLite after each commit, with how long the log is."""
        self._bytes = pages * self._page_bytes
        if self.due:
            self._background.wake()
        return int(apsw.SQLITE_OK)

    def work(self) -> None:
        """Checkpoint once."""
        with suppress(apsw.Error):  # the next commit says so
            _, left = self._run("PASSIVE")
            wanted = RESTART_BYTES if left <= RESTART_LEFT_BYTES else LOG_BYTES_MAX
            if self._bytes >= max(wanted, self._restart_bytes):
                busy, _ = self._run("RESTART")
                self._restart_bytes = RESTART_BYTES + (self._bytes if busy else 0)

    @property
    def due(self) -> bool:
        """Whether the log was long enough to be copied when it was last looked at."""
        return self._bytes >= CHECKPOINT_BYTES

    def truncate(self) -> None:
        """Checkpoint all of it and cut the log to nothing, as far as readers allow."""
        self._run("TRUNCATE")

    def close(self) -> None:
        """End the thread."""
        self._background.close()

    def _run(self, mode: str) -> tuple[bool, int]:
        """Whether readers were in the way, and how many bytes of the log are left to be copied."""
        with self._turn:
            if self._failed:
                return True, 0
            connection = self._connect()
            connection.set_busy_timeout(WAIT_MS)
            try:
                [(busy, pages, copied)] = connection.execute(f"PRAGMA wal_checkpoint({mode})")
                return bool(busy), (pages - copied) * self._page_bytes
            except apsw.IOError:  # where the disk is full, the log still has it all
                self._failed = True
                self._doubt()
                keep_log(connection)
                raise
            finally:
                connection.close()


def keep_log(connection: apsw.Connection) -> None:
    """The connection does not checkpoint when it is closed, though it be the last."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
