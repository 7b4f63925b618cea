"""The only door to the database: `execute(command)`."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from clew import commands as c
from clew.config import durability_of
from clew.engine.assembly import Options, Parts, assembled
from clew.engine.background import in_background
from clew.engine.catalog import Catalog
from clew.engine.disk import made, sync_directory
from clew.engine.embedding import DenseModel, SparseModel
from clew.engine.namespaces import Namespaces
from clew.engine.queries import Queries
from clew.engine.reads import Reads
from clew.engine.records import CLOSED
from clew.engine.sessions import SESSIONS_MAX, STREAM_BYTES_MAX, Sessions
from clew.engine.settings import directory_of, processors
from clew.engine.upkeep import PINNED_BYTES_MAX, Upkeep
from clew.engine.writes import Writes
from clew.errors import ClientError
from clew.types import Durability, IndexType, Metric

T = TypeVar("T")


class Engine:
    """One index: its namespaces, its records, its open queries. Made by `Engine.open`.

    Any number of threads may execute commands at once. Writes are carried out one at a time;
    reads wait neither for writes nor for each other.
    """

    def __init__(self, parts: Parts, draw: random.Random) -> None:
        self._parts = parts
        self._catalog, self._sessions, self._models = parts.catalog, parts.sessions, parts.models
        methods = _methods(parts.catalog, parts.sessions, parts.upkeep, draw)
        self._methods = {kind: parts.models.before(kind, method) for kind, method in methods.items()}
        weakref.finalize(self, _let_go, parts, os.getpid())

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
        mapped: bool | None = None,
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

        What the settings mean is said at `Options`; threads: None means every processor. seed: of the command
        `Random`; None draws one.

        Raises ClientError (settings that differ from those of the directory), AlreadyOpen, Corruption,
        StorageError.
        """
        if dimension is not None and dimension < 1:
            raise ClientError(f"dimension must be at least 1, got {dimension}")
        options = Options(
            dimension=dimension,
            metric=metric,
            type=type,
            durability=durability_of(durability),
            read_only=read_only,
            mapped=mapped,
            embedding_model=embedding_model,
            sparse_embedding_model=sparse_embedding_model,
            threads=threads or processors(),
            sessions_max=sessions_max,
            stream_bytes_max=stream_bytes_max,
            pinned_bytes_max=pinned_bytes_max,
            clock=clock,
            wall=wall,
        )
        return cls(assembled(directory_of(directory, read_only=read_only), options), random.Random(seed))

    def execute(self, command: c.Command[T]) -> T:
        """Carry out `command` and return its answer, or raise a `ClewError`."""
        method = self._methods.get(type(command))
        if method is None:
            raise ClientError(CLOSED if self._catalog.closed else f"cannot execute {command!r}")
        answer: T = method(command)
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
        sync_directory(target)

    def close(self) -> None:
        """Close the index. Open queries of a directory go on when it is opened again. A second close does
        nothing.
        """
        self._parts.close()
        self._methods = {}


def _let_go(parts: Parts, process: int) -> None:
    """Nobody has the engine any more, or the program ends. Its threads must not outlive the interpreter, and
    the directory is free for others.
    """
    if os.getpid() != process:  # in a fork, to which neither the threads nor the files belong
        return
    if in_background():  # the garbage was found there, perhaps in the middle of what `close` waits for
        threading.Thread(target=parts.close, name="clew-close").start()
    else:
        parts.close()


def _methods(
    catalog: Catalog, sessions: Sessions, upkeep: Upkeep, draw: random.Random
) -> dict[type[c.AnyCommand], Callable[[Any], Any]]:
    """What carries out each type of command."""
    queries, reads = Queries(catalog, sessions), Reads(catalog, draw)
    writes, namespaces = Writes(catalog, upkeep.written), Namespaces(catalog, sessions, upkeep.due)
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
