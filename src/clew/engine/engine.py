"""The only door to the database: `execute(command)`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from clew import commands as c
from clew.config import Durability, durability_of
from clew.engine.catalog import CLOSED, Catalog
from clew.engine.embedding import DenseModel, Models, SparseModel, models_of, with_models
from clew.engine.lock import DirectoryLock
from clew.engine.namespaces import Namespaces
from clew.engine.queries import Queries
from clew.engine.reads import Reads
from clew.engine.saved import NothingSaved, SavedQueries
from clew.engine.sessions import SESSIONS_MAX, STREAM_BYTES_MAX, Sessions
from clew.engine.settings import made, processors, require_agreement, settings_of
from clew.engine.sqlite import SqliteRecords
from clew.engine.sqlite_queries import SqliteQueries
from clew.engine.upkeep import PINNED_BYTES_MAX, Upkeep
from clew.engine.writes import Writes
from clew.errors import ClientError
from clew.types import IndexType, Metric

T = TypeVar("T")


class Engine:
    """One index: its namespaces, its records, its open queries. Made by `Engine.open`.

    Any number of threads may execute commands at once. Writes are carried out one at a time;
    reads wait neither for writes nor for each other.
    """

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        upkeep: Upkeep,
        saved: SavedQueries,
        draw: random.Random,
        lock: DirectoryLock | None,
        models: Models,
    ) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._upkeep = upkeep
        self._saved = saved
        self._lock = lock
        self._models = models
        self._methods = _methods(catalog, sessions, upkeep, draw)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str] | None = None,
        *,
        dimension: int | None = None,
        metric: Metric | None = None,
        type: IndexType | None = None,
        durability: Durability | str = Durability.FULL,
        read_only: bool = False,
        embedding_model: DenseModel = "",
        sparse_embedding_model: SparseModel = "",
        threads: int | None = None,
        sessions_max: int = SESSIONS_MAX,
        stream_bytes_max: int = STREAM_BYTES_MAX,
        pinned_bytes_max: int = PINNED_BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> Engine:
        """Open the index kept in `directory` (made where missing), or a new one in memory (None).

        dimension: of the vectors; None takes it from the directory, else from the first upsert.
        metric: None takes it from the directory, else COSINE.
        type: which vectors records have; None takes it from the directory, else DENSE. SPARSE: no dimension.
        durability: when a write to the directory is acknowledged; "full" or "normal".
        read_only: see the directory for ever as it is now, beside another process that may write to it.
        embedding_model, sparse_embedding_model: what embeds texts for either half, or its name; "" takes that
        of the directory, else none. The dimension of a new index is that of its model.
        threads: for building and bulk queries; None means every processor.
        sessions_max: how many resumable queries may be active at once.
        stream_bytes_max: what their streams may take; past it those least recently used are dropped and made
        anew when they are asked again.
        pinned_bytes_max: what they may keep of records that were removed; past it the oldest is stopped.
        clock, wall: seconds, monotonic and of the day; idle limits run on them.
        seed: of the command `Random`; None draws one.

        Raises ClientError (settings that differ from those of the directory), AlreadyOpen, Corruption,
        StorageError.
        """
        if dimension is not None and dimension < 1:
            raise ClientError(f"dimension must be at least 1, got {dimension}")
        durable = durability_of(durability)
        if read_only and directory is None:
            raise ClientError("read_only is for a directory; an index in memory is new")
        path = None if directory is None else Path(directory).resolve() if read_only else made(directory)
        threads = threads or processors()
        with ExitStack() as opened:
            lock = None if path is None or read_only else DirectoryLock(path)
            if lock is not None:
                opened.callback(lock.release)
            asked = settings_of(dimension, metric, type)
            asked = with_models(asked, path, embedding_model, sparse_embedding_model)
            records = SqliteRecords(path, asked, durability=durable, read_only=read_only)
            opened.callback(records.close)
            require_agreement(path, records.settings, dimension, metric, type)
            models = models_of(records.settings, embedding_model, sparse_embedding_model)
            if dimension is not None and records.settings.dimension is None and not read_only:
                with records.writing(records.seq):
                    records.fix_dimension(dimension)
            saved = NothingSaved() if path is None or read_only else SqliteQueries(path, durable)
            opened.callback(saved.close)
            catalog = Catalog("memory" if path is None else path.name, records, threads, read_only=read_only)
            sessions = Sessions(
                saved,
                threads=threads,
                active_max=sessions_max,
                stream_bytes_max=stream_bytes_max,
                clock=clock,
                wall=wall,
            )
            opened.callback(sessions.close)
            sessions.restore(catalog.namespace_of)
            upkeep = Upkeep(
                catalog, sessions, pinned_bytes_max=pinned_bytes_max, stream_bytes_max=stream_bytes_max
            )
            if not read_only:
                upkeep.look_after_removed()
            opened.pop_all()
        return cls(catalog, sessions, upkeep, saved, random.Random(seed), lock, models)

    def execute(self, command: c.Command[T]) -> T:
        """Carry out `command` and return its answer, or raise a `ClewError`."""
        method = self._methods.get(type(command))
        if method is None:
            raise ClientError(CLOSED if self._catalog.closed else f"cannot execute {command!r}")
        answer: T = method(self._models.embedded(command))
        return answer

    def embedded(self, command: c.Command[T]) -> c.Command[T]:
        """The command with vectors for its texts, as `execute` makes them. Raises what models raise."""
        return self._models.embedded(command)

    def open_queries(self) -> tuple[int, int]:
        """How many resumable queries are open, and the bytes that their cursors take together."""
        return len(self._sessions), self._sessions.stream_bytes

    def undo(self, command: c.Command[T], answer: T) -> None:
        """The answer did not arrive: a query that `command` started is stopped, results that it took from a
        query come with the next batch. Nothing for other commands.
        """
        if isinstance(command, c.StartQuery) and isinstance(answer, tuple) and answer[0]:
            self._sessions.end(answer[0])
        elif isinstance(command, c.FetchNext) and command.batch is None and isinstance(answer, list):
            self._sessions.put_back(command.uuid, answer)

    def backup(self, directory: str | os.PathLike[str]) -> None:
        """Copy the records, as of one moment, to a directory that holds no index; others read and write
        meanwhile.

        Open queries are not copied. Raises ClientError where there is one, StorageError.
        """
        target = made(directory)
        if any(target.iterdir()):
            raise ClientError(f"{target} is not empty; a backup needs a directory of its own")
        self._catalog.records.copy_to(target)

    def close(self) -> None:
        """Close the index. Open queries of a directory go on when it is opened again. A second close does
        nothing.
        """
        self._upkeep.close()
        with self._catalog.writing:
            if self._catalog.closed:
                return
            self._catalog.closed = True
            self._methods = {}
            self._sessions.close()
            self._saved.close()
            self._catalog.records.close()
            if self._lock is not None:
                self._lock.release()


def _methods(
    catalog: Catalog, sessions: Sessions, upkeep: Upkeep, draw: random.Random
) -> dict[type[c.AnyCommand], Callable[[Any], Any]]:
    """What carries out each type of command."""
    queries, reads = Queries(catalog, sessions), Reads(catalog, draw)
    writes, namespaces = Writes(catalog, upkeep.due), Namespaces(catalog, sessions, upkeep.due)
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
        c.Compact: lambda command: upkeep.compact(),
    }
