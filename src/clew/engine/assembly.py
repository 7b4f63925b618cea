"""What an engine is made of, put together when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clew.engine.catalog import Catalog
from clew.engine.embedding import DenseModel, Models, SparseModel, models_of, with_models
from clew.engine.images import Images
from clew.engine.lock import DirectoryLock
from clew.engine.rebuild import rebuild
from clew.engine.saved import NothingSaved, SavedQueries, SavedQuery
from clew.engine.sessions import Sessions
from clew.engine.settings import require_agreement, settings_of
from clew.engine.sqlite import SqliteRecords
from clew.engine.sqlite_queries import opened_queries
from clew.engine.stored import require_index
from clew.engine.upkeep import Upkeep
from clew.types import Durability, IndexType, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an index is opened with.

    dimension: of the vectors; None takes it from the directory, else from the first upsert.
    metric: None takes it from the directory, else COSINE.
    type: which vectors records have; None takes it from the directory, else DENSE. SPARSE: no dimension.
    durability: when a write to the directory is acknowledged.
    read_only: see the directory for ever as it is now, beside another process that may write to it.
    mapped: whether vectors stay in the files of images and are read when they are needed, so that an index
    larger than memory opens; None: where they would take more than half of the memory.
    embedding_model, sparse_embedding_model: what embeds texts for either half, or its name; "" takes that
    of the directory, else none. The dimension of a new index is that of its model.
    threads: for building and bulk queries.
    sessions_max: how many resumable queries may be active at once.
    stream_bytes_max: what their streams may take; past it those least recently used are dropped and made
    anew when they are asked again.
    pinned_bytes_max: what they may keep of records that were removed; past it the oldest is stopped.
    clock, wall: seconds, monotonic and of the day; idle limits run on them.
    """

    dimension: int | None
    metric: Metric | None
    type: IndexType | None
    durability: Durability
    read_only: bool
    mapped: bool | None
    embedding_model: DenseModel
    sparse_embedding_model: SparseModel
    threads: int
    sessions_max: int
    stream_bytes_max: int
    pinned_bytes_max: int
    clock: Callable[[], float]
    wall: Callable[[], float]


class Parts(NamedTuple):
    """The parts of an engine."""

    catalog: Catalog
    sessions: Sessions
    upkeep: Upkeep
    saved: SavedQueries
    lock: DirectoryLock | None
    models: Models

    def close(self) -> None:
        """Close them all. Open queries of a directory go on when it is opened again. A second close does
        nothing.
        """
        self.upkeep.close()
        with self.catalog.writing:
            if self.catalog.closed:
                return
            self.catalog.closed = True
            with ExitStack() as last:  # one after the other, whatever an earlier one meets
                if self.lock is not None:
                    last.callback(self.lock.release)
                last.callback(self.catalog.records.close)
                last.callback(self.saved.close)
                self.sessions.close()


def assembled(path: Path | None, options: Options) -> Parts:
    """The parts of the index in the directory `path`, or of one in memory (None). Where that fails, whatever
    was opened is closed again.
    """
    if path is not None and options.read_only:
        require_index(path)
    with ExitStack() as opened:
        lock = None if path is None or options.read_only else DirectoryLock(path)
        if lock is not None:
            opened.callback(lock.release)
        records, models = _stored(path, options, opened)
        saved, active = _queries(path, options)
        opened.callback(saved.close)
        name = "memory" if path is None else path.name
        catalog = Catalog(name, records, options.threads, read_only=options.read_only)
        images = Images(path, mapped=options.mapped, read_only=options.read_only)
        rebuild(catalog, images)
        sessions = Sessions(
            saved,
            threads=options.threads,
            active_max=options.sessions_max,
            stream_bytes_max=options.stream_bytes_max,
            clock=options.clock,
            wall=options.wall,
        )
        opened.callback(sessions.close)
        sessions.restore(active, catalog.namespace_of)
        upkeep = Upkeep(
            catalog,
            sessions,
            images,
            pinned_bytes_max=options.pinned_bytes_max,
            stream_bytes_max=options.stream_bytes_max,
        )
        if not options.read_only:
            upkeep.opened()
        opened.pop_all()
    return Parts(catalog, sessions, upkeep, saved, lock, models)


def _queries(path: Path | None, options: Options) -> tuple[SavedQueries, Sequence[SavedQuery]]:
    """The store of open queries, and those that are active. Where nothing is written it keeps nothing."""
    if path is None or options.read_only:
        return NothingSaved(), ()
    return opened_queries(path, options.durability)


def _stored(path: Path | None, options: Options, opened: ExitStack) -> tuple[SqliteRecords, Models]:
    """The records, with settings that agree with what is asked, and the models of those."""
    dimension = options.dimension
    asked = settings_of(dimension, options.metric, options.type)
    asked = with_models(asked, path, options.embedding_model, options.sparse_embedding_model)
    records = SqliteRecords(path, asked, durability=options.durability, read_only=options.read_only)
    opened.callback(records.close)
    require_agreement(path, records.settings, dimension, options.metric, options.type)
    models = models_of(records.settings, options.embedding_model, options.sparse_embedding_model)
    if dimension is not None and records.settings.dimension is None and not options.read_only:
        with records.writing(records.seq):
            records.fix_dimension(dimension)
    return records, models
