"""Reading records by id, by prefix, in order, or at random."""

from __future__ import annotations

import random

from clew.commands import Fetch, Include, Info, ListNamespaces, Random, Range
from clew.engine.catalog import Catalog
from clew.engine.check import (
    position_of,
    require_count,
    require_text,
)
from clew.engine.metadata import decode_metadata
from clew.engine.namespace import Namespace
from clew.engine.records import StoredRecord
from clew.engine.vectors import from_blobs, shown
from clew.errors import ClientError
from clew.limits import RESULTS_MAX
from clew.messages import ONE_FETCH_CRITERION
from clew.types import (
    DenseIndexInfo,
    FetchResult,
    IndexType,
    InfoResult,
    NamespaceInfo,
    RangeResult,
    SparseIndexInfo,
    SparseVector,
)

# Draws before `random` lists the live slots instead. At most half of many slots are tombstones, so this
# many misses in a row happen only in namespaces that are small.
DRAWS_MAX = 32


class Reads:
    """Answers what is not a query. Takes no lock that a writer holds."""

    def __init__(self, catalog: Catalog, draw: random.Random) -> None:
        self._catalog = catalog
        self._draw = draw

    def fetch(self, command: Fetch) -> list[FetchResult | None]:
        """Records by id, or by prefix."""
        ids, prefix, include = command.ids, command.prefix, command.include
        if (ids is None) == (prefix is None):
            raise ClientError(ONE_FETCH_CRITERION)
        if ids is not None and len(ids) > RESULTS_MAX:
            raise ClientError(f"ids must be at most {RESULTS_MAX}, got {len(ids)}")
        namespace = self._catalog.namespaces.get(command.namespace)
        if prefix is not None:
            require_text("prefix", prefix)
            found = self._stretch(namespace, include, prefix=prefix, limit=RESULTS_MAX)
            return [self._record(one) for one in found]
        assert ids is not None
        if namespace is None:
            return [None] * len(ids)
        generation = namespace.generation
        slots = generation.find(ids)
        records = iter(generation.fetched([slot for slot in slots if slot is not None], include))
        results = [None if slot is None else next(records) for slot in slots]
        return self.fetch(command) if namespace.gone else results

    def range(self, command: Range) -> RangeResult:
        """A stretch in order of insertion."""
        require_count("limit", command.limit)
        start, prefix = position_of(command.cursor), command.prefix or ""
        require_text("prefix", prefix)
        namespace = self._catalog.namespaces.get(command.namespace)
        # One more than asked for tells whether there is a next page.
        found = self._stretch(namespace, command.include, start=start, prefix=prefix, limit=command.limit + 1)
        page = found[: command.limit]
        next_cursor = str(page[-1].position + 1) if len(found) > len(page) else ""
        return RangeResult(next_cursor, [self._record(one) for one in page])

    def random(self, command: Random) -> FetchResult | None:
        """Any record, with its vector."""
        namespace = self._catalog.namespaces.get(command.namespace)
        if namespace is None:
            return None
        generation = namespace.generation
        ids, slots = generation.ids, generation.slots
        for _ in range(DRAWS_MAX):
            if not slots:
                return None
            slot = self._draw.randrange(len(ids))
            if slots.get(ids[slot]) == slot:
                break
        else:
            live = list(slots.values())
            if not live:
                return None
            slot = self._draw.choice(live)
        return generation.fetched([slot], Include(vectors=True))[0]

    def info(self, command: Info) -> InfoResult:
        """Counts and kind of the index."""
        catalog, settings = self._catalog, self._catalog.records.settings
        namespaces = catalog.namespaces
        counts = {
            name: len(namespaces[name].generation.slots) if name in namespaces else 0
            for name in catalog.names()
        }
        dense, sparse = catalog.type is not IndexType.SPARSE, catalog.type is not IndexType.DENSE
        dimension, metric = (catalog.dimension or 0, catalog.metric.value) if dense else (0, "")
        return InfoResult(
            vector_count=sum(counts.values()),
            pending_vector_count=0,
            index_size=catalog.records.bytes(),
            dimension=dimension,
            similarity_function=metric,
            index_type=catalog.type.value,
            dense_index=DenseIndexInfo(dimension, metric, settings.embedding_model) if dense else None,
            sparse_index=SparseIndexInfo(settings.sparse_embedding_model) if sparse else None,
            namespaces={name: NamespaceInfo(count) for name, count in counts.items()},
        )

    def list_namespaces(self, command: ListNamespaces) -> list[str]:
        """Names: the default one first."""
        return self._catalog.names()

    def _stretch(
        self, namespace: Namespace | None, include: Include, *, start: int = 0, prefix: str, limit: int
    ) -> list[StoredRecord]:
        if namespace is None:
            return []
        generation = namespace.generation  # while it is held, nothing that it shows is purged
        found = self._catalog.records.stretch(
            namespace.number,
            self._catalog.seq,
            start=start,
            limit=limit,
            prefix=prefix,
            vectors=include.vectors,
            metadata=include.metadata,
            data=include.data,
        )
        del generation
        return found

    def _record(self, stored: StoredRecord) -> FetchResult:
        vectors: tuple[list[float] | None, SparseVector | None] = None, None
        if stored.vector is not None:
            [vectors] = shown(from_blobs(self._catalog.type, self._catalog.dimension or 0, [stored.vector]))
        metadata = None if stored.metadata is None else decode_metadata(stored.metadata)
        return FetchResult(stored.id, *vectors, metadata, stored.data)
