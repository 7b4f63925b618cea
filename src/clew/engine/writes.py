"""Writing records: everything is checked, then committed to the records, then shown to readers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np

from clew.commands import Delete, Update, Upsert, UpsertArrays
from clew.engine.catalog import Catalog
from clew.engine.check import (
    NO_SPARSE,
    ONE_DELETE_CRITERION,
    batch_of,
    batch_of_arrays,
    require_data,
    require_dimension,
    require_text,
)
from clew.engine.merge import merged
from clew.engine.namespace import Namespace
from clew.engine.records import Batch, decode_metadata, encode_metadata
from clew.errors import ClientError
from clew.filters import parse
from clew.types import DeleteResult, MetadataUpdateMode, UpdateResult


class Writes:
    """Changes records, one command at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def upsert(self, command: Upsert) -> str:
        """Insert or replace records, all or none."""
        if command.records:
            self._put(command.namespace, batch_of(command.records, self._catalog.dimension))
        return "Success"

    def upsert_arrays(self, command: UpsertArrays) -> str:
        """The same of whole arrays."""
        if command.ids or len(command.vectors):
            self._put(command.namespace, batch_of_arrays(command, self._catalog.dimension))
        return "Success"

    def update(self, command: Update) -> UpdateResult:
        """Change the given parts of a record, if it exists."""
        record, catalog = command.record, self._catalog
        if record.sparse_vector is not None:
            raise ClientError(NO_SPARSE)
        if record.vector is not None:
            require_dimension(len(record.vector), catalog.dimension)
        if record.data is not None:
            require_data(record.id, record.data)
        given = encode_metadata(record.id, record.metadata)
        with catalog.exclusive():
            namespace = catalog.namespaces.get(command.namespace)
            slot = namespace.generation.slots.get(record.id) if namespace else None
            if namespace is None or slot is None:
                return UpdateResult(0)
            generation = namespace.generation
            row = generation.rows[slot]
            old = catalog.records.texts([row], metadata=True, data=True)[row]
            if given is not None and command.metadata_update_mode == MetadataUpdateMode.PATCH:
                before = {} if old.metadata is None else decode_metadata(old.metadata)
                given = encode_metadata(record.id, merged(before, record.metadata))
            vectors = (
                generation.graph.rows(np.array([slot], dtype=np.uint32))
                if record.vector is None
                else record.vector.reshape(1, -1)
            )
            metadata = old.metadata if given is None else given
            data = old.data if record.data is None else record.data
            if record.vector is not None or given is not None or record.data is not None:
                batch = Batch([record.id], vectors, [metadata], [data])
                self._write(namespace.name, namespace, batch, [slot])
        return UpdateResult(1)

    def delete(self, command: Delete) -> DeleteResult:
        """Remove the records named by ids, prefix or filter."""
        ids, prefix, filter = command.ids, command.prefix, command.filter
        if (ids is not None) + (prefix is not None) + bool(filter and filter.strip()) != 1:
            raise ClientError(ONE_DELETE_CRITERION)
        if prefix is not None:
            require_text("prefix", prefix)
        if filter:
            parse(filter)
        catalog = self._catalog
        with catalog.exclusive():
            namespace = catalog.namespaces.get(command.namespace)
            if namespace is None:
                return DeleteResult(0)
            generation = namespace.generation
            if filter:
                removed = generation.matching(filter)
            else:
                named = self._ids_with(namespace, prefix or "") if ids is None else list(dict.fromkeys(ids))
                removed = [slot for slot in generation.find(named) if slot is not None]
            if removed:
                nothing = Batch([], np.empty((0, generation.graph.dimension), dtype=np.float32), [], [])
                self._write(namespace.name, namespace, nothing, removed)
        return DeleteResult(len(removed))

    def _ids_with(self, namespace: Namespace, prefix: str) -> list[str]:
        found = self._catalog.records.stretch(namespace.number, self._catalog.seq, prefix=prefix)
        return [record.id for record in found]

    def _put(self, name: str, batch: Batch) -> None:
        require_text("namespace", name)
        catalog = self._catalog
        with catalog.exclusive():
            require_dimension(batch.vectors.shape[1], catalog.dimension)  # again: it may be decided by now
            namespace = catalog.namespaces.get(name)
            slots = [None] * len(batch.ids) if namespace is None else namespace.generation.find(batch.ids)
            self._write(name, namespace, batch, slots)

    def _write(
        self, name: str, namespace: Namespace | None, batch: Batch, slots: Sequence[int | None]
    ) -> None:
        """Commit a change, then show it. `slots` are those that it replaces or removes.

        A failure before the commit leaves everything as it was. One after it leaves the graph behind
        the records, so no more is written until the index is opened again.
        """
        catalog, records, seq = self._catalog, self._catalog.records, self._catalog.seq + 1
        removed = [slot for slot in slots if slot is not None]
        with records.writing(seq):
            if namespace is None:
                namespace = catalog.create(name, batch.vectors.shape[1])
            generation = namespace.generation
            namespace.settle()
            if namespace.purge_seq is not None:
                records.purge(namespace.number, namespace.purge_seq)
            records.remove([generation.rows[slot] for slot in removed])
            positions, next_position = _positions(namespace, batch, slots)
            first = records.add(namespace.number, batch, positions, next_position)
        catalog.poisoned = True
        catalog.seq = seq
        rows = range(first, first + len(batch.ids))
        generation.apply(batch.ids, batch.vectors, rows, positions, removed, seq, catalog.threads)
        namespace.next_position = next_position
        namespace.purge_seq = None
        if catalog.namespaces.get(name) is not namespace:
            catalog.show(namespace)
        catalog.poisoned = False
        if generation.crowded():
            namespace.compact(seq, catalog.threads)


def _positions(namespace: Namespace, batch: Batch, slots: Sequence[int | None]) -> tuple[list[int], int]:
    """The positions of the records of a batch, and the next free one. An id keeps the one it has."""
    if not batch.ids:
        return [], namespace.next_position
    fresh, kept = count(namespace.next_position), namespace.generation.positions
    positions = [next(fresh) if slot is None else kept[slot] for slot in slots]
    return positions, next(fresh)
