"""The only door to the database: `execute(command)`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from clew import commands as c
from clew.engine.catalog import CLOSED, Catalog
from clew.engine.lock import DirectoryLock
from clew.engine.namespaces import Namespaces
from clew.engine.queries import Queries
from clew.engine.reads import Reads
from clew.engine.records import IndexSettings
from clew.engine.sessions import SESSIONS_MAX, Sessions
from clew.engine.sqlite import SqliteRecords
from clew.engine.writes import Writes
from clew.errors import ClientError, StorageError
from clew.types import Metric

T = TypeVar("T")


class Engine:
    """One index: its namespaces, its records, its open queries. Made by `Engine.open`.

    Any number of threads may execute commands at once. Writes are carried out one at a time;
    reads wait neither for writes nor for each other.
    """

    def __init__(
        self, catalog: Catalog, sessions: Sessions, draw: random.Random, lock: DirectoryLock | None
    ) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._lock = lock
        self._methods = _methods(catalog, sessions, draw)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str] | None = None,
        *,
        dimension: int | None = None,
        metric: Metric | None = None,
        threads: int | None = None,
        sessions_max: int = SESSIONS_MAX,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> Engine:
        """Open the index kept in `directory` (made where missing), or a new one in memory (None).

        dimension: of the vectors; None takes it from the directory, else from the first upsert.
        metric: None takes it from the directory, else COSINE.
        threads: for building and bulk queries; None means every processor.
        sessions_max: how many resumable queries may be active at once.
        clock: seconds, monotonic; idle limits run on it.
        seed: of the command `Random`; None draws one.

        Raises ClientError (settings that differ from those of the directory), AlreadyOpen, Corruption,
        StorageError.
        """
        if dimension is not None and dimension < 1:
            raise ClientError(f"dimension must be at least 1, got {dimension}")
        path = None if directory is None else _made(directory)
        lock = None if path is None else DirectoryLock(path)
        try:
            records = SqliteRecords(path, IndexSettings(dimension, metric or Metric.COSINE))
            try:
                _agree(path, records.settings, dimension, metric)
                if dimension is not None and records.settings.dimension is None:
                    with records.writing(records.seq):
                        records.fix_dimension(dimension)
                name = "memory" if path is None else path.name
                catalog = Catalog(name, records, threads or _processors())
            except BaseException:
                records.close()
                raise
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return cls(catalog, Sessions(active_max=sessions_max, clock=clock), random.Random(seed), lock)

    def execute(self, command: c.Command[T]) -> T:
        """Carry out `command` and return its answer, or raise a `ClewError`."""
        method = self._methods.get(type(command))
        if method is None:
            raise ClientError(CLOSED if self._catalog.closed else f"cannot execute {command!r}")
        answer: T = method(command)
        return answer

    def undo(self, command: c.Command[T], answer: T) -> None:
        """The answer did not arrive: a query that `command` started is stopped, results that it took from a
        query come with the next batch. Nothing for other commands.
        """
        if isinstance(command, c.StartQuery) and isinstance(answer, tuple) and answer[0]:
            self._sessions.end(answer[0])
        elif isinstance(command, c.FetchNext) and isinstance(answer, list):
            self._sessions.put_back(command.uuid, answer)

    def close(self) -> None:
        """Stop the open queries and close the records. A second close does nothing."""
        with self._catalog.writing:
            if self._catalog.closed:
                return
            self._catalog.closed = True
            self._methods = {}
            self._sessions.close()
            self._catalog.records.close()
            if self._lock is not None:
                self._lock.release()


def _methods(
    catalog: Catalog, sessions: Sessions, draw: random.Random
) -> dict[type[c.AnyCommand], Callable[[Any], Any]]:
    """What carries out each type of command."""
    queries, reads = Queries(catalog, sessions), Reads(catalog, draw)
    writes, namespaces = Writes(catalog), Namespaces(catalog, sessions)
    return {
        c.Query: queries.query,
        c.QueryMany: queries.query_many,
        c.QueryArrays: queries.query_arrays,
        c.StartQuery: queries.start,
        c.FetchNext: queries.fetch_next,
        c.EndQuery: queries.end,
        c.Fetch: reads.fetch,
        c.Range: reads.range,
        c.Random: reads.random,
        c.Info: reads.info,
        c.ListNamespaces: reads.list_namespaces,
        c.Upsert: writes.upsert,
        c.UpsertArrays: writes.upsert_arrays,
        c.Update: writes.update,
        c.Delete: writes.delete,
        c.Reset: namespaces.reset,
        c.DeleteNamespace: namespaces.delete,
        c.RenameNamespace: namespaces.rename,
    }


def _processors() -> int:
    """Those that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _made(directory: str | os.PathLike[str]) -> Path:
    path = Path(directory).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the directory {path}: {error.strerror}") from error
    return path


def _agree(path: Path | None, kept: IndexSettings, dimension: int | None, metric: Metric | None) -> None:
    """An index that exists keeps its settings; to ask for others is a mistake."""
    if dimension is not None and kept.dimension not in (None, dimension):
        raise ClientError(f"{path} holds vectors of {kept.dimension} dimensions, not {dimension}")
    if metric is not None and metric is not kept.metric:
        raise ClientError(f"{path} was created with {kept.metric.value}, not {metric.value}")
