"""One SQLite file, through apsw: who may write, how readers read, when it is checkpointed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from clew.engine.checkpointer import Checkpointer, keep_log
from clew.engine.lock import ReaderLock
from clew.engine.sqlite_connections import connected, connected_to_read
from clew.engine.sqlite_errors import CLOSED_ERRORS, as_ours, translated
from clew.errors import ClientError, Poisoned, StorageError
from clew.messages import CLOSED
from clew.types import Durability

# In memory readers share the writer's connection. It lets go of it after this many rows, about 4 ms.
CHUNK_ROWS = 512

# Of statements that are committed by themselves, and are small, one in so many looks how long the log
# is, for which SQLite calls into Python, and finds its place in it, for which it locks the file four times
# more: each would be by half dearer.
LOOK_EVERY = 32

# Free pages go back to the system in steps of this many bytes, a few ms each.
VACUUM_STEP_BYTES = 4 << 20

# Errors of one statement, after which the file is as it was. Any other may have left anything behind.
_HARMLESS = (
    apsw.ConstraintError,
    apsw.SQLError,
    apsw.BindingsError,
    apsw.InterruptError,
    apsw.TooBigError,
    *CLOSED_ERRORS,
)


class SqliteFile:
    """The file at `path`, or a database in memory (None).

    One writer at a time, inside `writing`; any number of readers beside it. On disk each reader has a
    connection of its own and sees the last commit (WAL). In memory, and where the file is only read, there is
    one connection under a lock; one that only reads sees for ever what was there when it was opened.

    page_bytes: of a new file. prepare: is given the connection when it is opened; it makes the tables of a
    new file (0 tables) or sees to it that an old one is ours.
    """

    def __init__(
        self,
        path: Path | None,
        prepare: Callable[[apsw.Connection, str, int], None],
        *,
        page_bytes: int,
        durability: Durability = Durability.FULL,
        read_only: bool = False,
    ) -> None:
        self.name = ":memory:" if path is None else str(path)
        self.read_only = read_only
        self._path = path
        self._synchronous = durability.value.upper()
        self._shared = path is None or read_only
        self._lock = threading.Lock()  # of the one connection that is shared, held per statement
        self._idle: list[apsw.Connection] = []
        self._closed = False
        self._poisoned = False
        self._alone = 0  # statements that were committed by themselves since one looked
        self._held: apsw.Cursor | None = None  # goes on reading, so that the place in the log is kept
        self._checkpointer: Checkpointer | None = None
        with translated(self.name), ExitStack() as opened:
            self._reader_lock: ReaderLock | None = None
            if read_only:
                self.connection, self._reader_lock = connected_to_read(self.name)
            else:
                self.connection = self._connect()
            opened.callback(self._close_all)
            [(tables,)] = self.connection.execute("SELECT count(*) FROM sqlite_schema")
            if tables == 0 and not read_only:
                for pragma in (
                    f"page_size = {page_bytes}",
                    "auto_vacuum = INCREMENTAL",
                    "journal_mode = WAL",
                ):
                    self.connection.execute(f"PRAGMA {pragma}")
            prepare(self.connection, self.name, tables)
            if not self._shared:
                [(self._page_bytes,)] = self.connection.execute("PRAGMA page_size")
                self._checkpointer = Checkpointer(self._connect, self._page_bytes, self._poison)
            self._cursor = self.connection.cursor()  # of what runs alone: making one takes a tenth of that
            opened.pop_all()

    # -- writes

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is run inside is committed together, or not at all.

        A failure that is not of one statement poisons the file: StorageError now, Poisoned ever after.
        """
        self._require_whole()
        with translated(self.name), self._watched():
            try:
                self._begin()
                yield
                self.run("COMMIT")
            except BaseException as error:
                self._poisoned |= isinstance(error, apsw.Error | StorageError) and not isinstance(
                    error, _HARMLESS
                )
                with suppress(apsw.Error):
                    if self.connection.in_transaction:  # SQLite ends it by itself after some errors
                        self.run("ROLLBACK")
                with suppress(*CLOSED_ERRORS):
                    self._poisoned |= self.connection.in_transaction
                raise

    def run_alone(self, sql: str, bindings: Sequence[Any]) -> None:
        """One statement that is committed by itself: a third of the time of a transaction with it. Not inside
        `writing`, and one caller at a time; what fails poisons the file alike.
        """
        if self._poisoned:
            self._require_whole()
        self._alone += 1
        try:
            try:
                if self._alone < LOOK_EVERY:
                    self._cursor.execute(sql, bindings)
                    return
            except apsw.BusyError:  # the log is begun anew, which keeps nobody waiting who reads it
                pass
            self._alone = 0
            self.let_go()
            with self._watched():
                self._cursor.execute(sql, bindings)
            self._hold()
        except apsw.Error as error:
            self._poisoned |= not isinstance(error, _HARMLESS)
            raise as_ours(error, self.name) from error

    def _begin(self) -> None:
        with self._lock:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:  # as above
                self.let_go()
                self.connection.execute("BEGIN IMMEDIATE")

    def run(self, sql: str, bindings: Sequence[Any] = ()) -> None:
        """One statement of the transaction."""
        with self._lock:
            self.connection.execute(sql, bindings)

    def run_many(self, sql: str, bindings: Iterator[Sequence[Any]]) -> None:
        """The same with many bindings, in stretches."""
        while chunk := list(islice(bindings, CHUNK_ROWS)):
            with self._lock:
                self.connection.executemany(sql, chunk)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """What is committed inside is told to the checkpointer."""
        if self._checkpointer is None:
            yield
            return
        self.connection.set_wal_hook(self._checkpointer.hook)
        try:
            yield
        finally:
            self.connection.set_wal_hook(None)

    def _hold(self) -> None:
        """Keep the place in the log that the connection has, unless the log is to be copied, which goes no
        further than that.
        """
        if self._checkpointer is None or self._checkpointer.due:
            return
        with suppress(apsw.Error):  # what was to be committed is
            self._held = self.connection.execute("SELECT name FROM sqlite_schema")  # more than one row

    def let_go(self) -> None:
        """Keep no place in the log, so that all of it can be copied. Not beside `run_alone`."""
        if self._held is not None:
            self._held.close()
            self._held = None

    # -- reads

    def select(self, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """All rows of one statement, hence of one moment."""
        with translated(self.name):
            if self._shared:
                with self._lock:
                    return self.connection.execute(sql, bindings).fetchall()
            try:
                reader = self._idle.pop()
            except IndexError:
                if self._closed:
                    raise ClientError(CLOSED) from None
                reader = self._connect()
            try:
                return reader.execute(sql, bindings).fetchall()
            finally:
                self._idle.append(reader)
                if self._closed:  # meanwhile: nobody else will
                    self._close_idle()

    def stream(self, sql: str, bindings: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of one statement, one after the other. Only while nothing is written."""
        with translated(self.name):
            yield from self.connection.execute(sql, bindings)

    # -- space

    def bytes(self) -> int:
        """How much the file holds, without its log and what is free in it."""
        [(pages, free, page_bytes)] = self.select(
            "SELECT * FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
        )
        return int((pages - free) * page_bytes)

    def free_bytes(self) -> int:
        """How much of the file is free, to be used again or given back."""
        [(free, page_bytes)] = self.select("SELECT * FROM pragma_freelist_count(), pragma_page_size()")
        return int(free * page_bytes)

    def vacuum_step(self) -> bool:
        """Give some free space at the end of the file back to the system. Whether there may be more."""
        self.let_go()
        before = self.free_bytes()
        [(page_bytes,)] = self.select("PRAGMA page_size")
        with self.writing(), self._lock:
            self.connection.execute(
                f"PRAGMA incremental_vacuum({VACUUM_STEP_BYTES // page_bytes})"
            ).fetchall()
        return 0 < self.free_bytes() < before

    def checkpoint(self) -> None:
        """Bring the log into the file and give its space back, as far as readers allow."""
        if self._checkpointer is not None:
            with translated(self.name):
                self._checkpointer.truncate()

    def copy_to(self, path: Path, step: Callable[[int, int], None] = lambda done, total: None) -> None:
        """A copy of one moment, made while others read and write. `path` must not exist.

        step: told how many pages are done, and of how many.
        """
        with translated(self.name, written=str(path)):
            target = apsw.Connection(str(path))
            try:
                source = self.connection if self._shared else self._connect()
                with target.backup("main", source, "main") as backup:
                    while not backup.done:
                        backup.step(256)
                        step(backup.page_count - backup.remaining, backup.page_count)
            finally:
                target.close()

    def close(self) -> None:
        """Close it. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._checkpointer is not None:
            self._checkpointer.close()
        with translated(self.name), self._lock:
            self._close_all()

    # -- below

    def _close_all(self) -> None:
        self._close_idle()
        self._close(self.connection)
        if self._reader_lock is not None:
            self._reader_lock.release()

    def _close_idle(self) -> None:
        """Each is taken first: one that a reader has is not closed under it."""
        with suppress(IndexError):
            while True:
                self._close(self._idle.pop())

    def _close(self, connection: apsw.Connection) -> None:
        if self._poisoned:
            keep_log(connection)
        connection.close()

    def _poison(self) -> None:
        """Nobody knows what is on the disk."""
        self._poisoned = True

    def _require_whole(self) -> None:
        if self._poisoned:
            raise Poisoned(f"{self.name}: an earlier write failed: close the index and open it again")

    def _connect(self) -> apsw.Connection:
        return connected(self.name, self._synchronous)
