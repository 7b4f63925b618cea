"""Writing records: everything is checked, then committed to the records, then shown to readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clew.commands import Delete, Update, Upsert, UpsertArrays
from clew.engine.catalog import Catalog
from clew.engine.change import Change, Plan, alike, merged_plans
from clew.engine.check import (
    new_records,
    new_records_of_arrays,
    require_data,
    require_dimension,
    require_halves,
    require_no_more,
    require_sparse,
    require_text,
    vectors_of,
)
from clew.engine.merge import merged
from clew.engine.metadata import decode_metadata, encode_metadata
from clew.engine.namespace import Namespace
from clew.engine.records import NewRecords
from clew.engine.together import Together
from clew.engine.vectors import dimension_of
from clew.errors import ClewError, ClientError
from clew.filters import parse
from clew.messages import ONE_DELETE_CRITERION
from clew.types import DeleteResult, MetadataUpdateMode, UpdateResult

# A commit waits at most so long for threads that were in the last: about as long as a disk takes to sync.
PATIENCE_S = 0.002


class Writes:
    """Changes records. Commands that many threads give at once are committed together where they can be.

    changed: told which namespaces have changed.
    """

    def __init__(self, catalog: Catalog, changed: Callable[[list[Namespace]], None]) -> None:
        self._catalog = catalog
        self._changed = changed
        self._together: Together[Change] = Together(self._choose, self._carry_out, patience_s=PATIENCE_S)

    def upsert(self, command: Upsert) -> str:
        """Insert or replace records, all or none."""
        if command.records:
            catalog = self._catalog
            self._put(command.namespace, new_records(command.records, catalog.type, catalog.dimension))
        return "Success"

    def upsert_arrays(self, command: UpsertArrays) -> str:
        """The same of whole arrays."""
        if command.ids or len(command.vectors):
            catalog = self._catalog
            self._put(command.namespace, new_records_of_arrays(command, catalog.type, catalog.dimension))
        return "Success"

    def update(self, command: Update) -> UpdateResult:
        """Change the given parts of a record, if it exists."""
        record = command.record
        dense, sparse = record.vector is not None, record.sparse_vector is not None
        require_no_more(self._catalog.type, dense, sparse)
        if dense or sparse:
            require_halves(self._catalog.type, dense, sparse)
        if record.vector is not None:
            require_dimension(len(record.vector), self._catalog.dimension)
        if record.sparse_vector is not None:
            require_sparse("sparse_vector", record.sparse_vector)
        if record.data is not None:
            require_data(record.id, record.data)
        given = encode_metadata(record.id, record.metadata)
        change = Change(
            command.namespace, [record.id], lambda namespace: self._updated(namespace, command, given)
        )
        return UpdateResult(self._made(change))

    def delete(self, command: Delete) -> DeleteResult:
        """Remove the records named by ids, prefix or filter."""
        ids, prefix, filter = command.ids, command.prefix, command.filter
        if (ids is not None) + (prefix is not None) + bool(filter and filter.strip()) != 1:
            raise ClientError(ONE_DELETE_CRITERION)
        if prefix is not None:
            require_text("prefix", prefix)
        if filter:
            parse(filter)
        change = Change(command.namespace, ids, lambda namespace: self._deleted(namespace, command))
        return DeleteResult(self._made(change))

    # -- what a command changes, once it is its turn

    def _put(self, name: str, new: NewRecords) -> None:
        require_text("namespace", name)

        def plan(namespace: Namespace | None) -> Plan:
            # Again: it may be decided by now.
            require_dimension(dimension_of(new.vectors), self._catalog.dimension)
            slots = [None] * len(new.ids) if namespace is None else namespace.generation.find(new.ids)
            return Plan(new, slots, [])

        self._made(Change(name, new.ids, plan))

    def _updated(self, namespace: Namespace | None, command: Update, given: str | None) -> Plan | None:
        record = command.record
        slot = namespace.generation.slots.get(record.id) if namespace else None
        if namespace is None or slot is None:
            return None
        generation = namespace.generation
        row = generation.rows[slot]
        old = self._catalog.records.texts([row], metadata=True, data=True)[row]
        if given is not None and command.metadata_update_mode == MetadataUpdateMode.PATCH:
            before = {} if old.metadata is None else decode_metadata(old.metadata)
            given = encode_metadata(record.id, merged(before, record.metadata))
        unmoved = record.vector is None and record.sparse_vector is None
        vectors = (
            generation.graph.rows(np.array([slot], dtype=np.uint32))
            if unmoved
            else vectors_of(self._catalog.type, [record])
        )
        if unmoved and given is None and record.data is None:
            return Plan(None, [], [], found=1)
        metadata = old.metadata if given is None else given
        data = old.data if record.data is None else record.data
        return Plan(NewRecords([record.id], vectors, [metadata], [data]), [slot], [])

    def _deleted(self, namespace: Namespace | None, command: Delete) -> Plan | None:
        if namespace is None:
            return None
        generation = namespace.generation
        if command.filter:
            return Plan(None, [], generation.matching(command.filter))
        if command.ids is not None:
            named = list(dict.fromkeys(command.ids))
        else:
            prefix = command.prefix or ""
            found = self._catalog.records.stretch(namespace.number, self._catalog.seq, prefix=prefix)
            named = [record.id for record in found]
        return Plan(None, [], [slot for slot in generation.find(named) if slot is not None])

    # -- carrying it out

    def _made(self, change: Change) -> int:
        """How many records it wrote or removed."""
        self._together.run(change)
        if change.error is not None:
            raise change.error
        return change.count

    def _choose(self, changes: Sequence[Change]) -> int:
        return 1 if self._catalog.dimension is None else alike(changes)

    def _carry_out(self, changes: Sequence[Change]) -> None:
        """Plan each, commit all in one transaction, then show them.

        A failure before the commit leaves everything as it was. One after it leaves the graph behind the
        records, so no more is written until the index is opened again.
        """
        catalog = self._catalog
        with catalog.exclusive():
            plans: dict[str, list[Plan]] = {}
            for change in changes:
                try:
                    plan = change.plan(catalog.namespaces.get(change.namespace))
                except ClewError as error:
                    change.error = error
                    continue
                change.count = plan.count if plan else 0
                if plan and plan.writes:
                    plans.setdefault(change.namespace, []).append(plan)
            if plans:
                self._commit({name: merged_plans(of_one) for name, of_one in plans.items()})

    def _commit(self, plans: dict[str, Plan]) -> None:
        catalog, records, seq = self._catalog, self._catalog.records, self._catalog.seq + 1
        written: list[tuple[Namespace, Plan, int, list[int], int]] = []
        with records.writing(seq):
            for name, plan in plans.items():
                namespace = catalog.namespaces.get(name)
                if namespace is None:
                    assert plan.new is not None
                    namespace = catalog.create(name, dimension_of(plan.new.vectors))
                records.remove([namespace.generation.rows[slot] for slot in plan.removed])
                positions, next_position = plan.positions(namespace)
                first = (
                    0
                    if plan.new is None
                    else records.add(namespace.number, plan.new, positions, next_position)
                )
                written.append((namespace, plan, first, positions, next_position))
        catalog.poisoned = True
        catalog.seq = seq
        for namespace, plan, first, positions, next_position in written:
            new = plan.new or NewRecords([], catalog.no_vectors(), [], [])
            rows = range(first, first + len(new.ids))
            namespace.generation.apply(
                new.ids, new.vectors, rows, positions, plan.removed, seq, catalog.threads
            )
            namespace.next_position = next_position
            if catalog.namespaces.get(namespace.name) is not namespace:
                catalog.show(namespace)
        catalog.poisoned = False
        self._changed([namespace for namespace, *_ in written])
