"""A change of records that waits for its turn, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from clew.engine.namespace import Namespace
from clew.engine.records import NewRecords
from clew.engine.vectors import joined
from clew.errors import ClewError

# Changes are committed together up to so many records. It bounds how long the first of them waits for the
# others.
TOGETHER_MAX = 4_096


@dataclass(slots=True)
class Plan:
    """Records to add, the slot that each of them replaces (None: a new id), and slots that are only removed.

    found: how many records the change answers for where it writes none.
    """

    new: NewRecords | None
    replaced: Sequence[int | None]
    gone: Sequence[int]
    found: int = 0

    @property
    def removed(self) -> list[int]:
        """Every slot that will be a tombstone."""
        return [*(slot for slot in self.replaced if slot is not None), *self.gone]

    @property
    def writes(self) -> bool:
        """Whether there is anything to do."""
        return self.new is not None or bool(self.gone)

    @property
    def count(self) -> int:
        """How many records are written or removed."""
        return (len(self.new.ids) if self.new else 0) + len(self.gone) + self.found

    def positions(self, namespace: Namespace) -> tuple[list[int], int]:
        """The positions of the records, and the next free one. An id keeps the one it has."""
        if self.new is None:
            return [], namespace.next_position
        fresh, kept = count(namespace.next_position), namespace.generation.positions
        positions = [next(fresh) if slot is None else kept[slot] for slot in self.replaced]
        return positions, next(fresh)


@dataclass(slots=True, eq=False)
class Change:
    """What one command asks of a namespace.

    ids: it depends on these records and on no others; None: it may depend on any. plan: says, when it is its
    turn, what it comes to (None: nothing); it may raise a ClewError. count, error: how it went.
    """

    namespace: str
    ids: Sequence[str] | None
    plan: Callable[[Namespace | None], Plan | None]
    count: int = 0
    error: ClewError | None = None


def alike(changes: Sequence[Change]) -> int:
    """How many of the first may be made at once: none depends on what another writes. At least one."""
    ids: set[tuple[str, str]] = set()
    for n, change in enumerate(changes):
        if change.ids is None or len(ids) + len(change.ids) > TOGETHER_MAX:
            return max(n, 1)
        named = [(change.namespace, id) for id in change.ids]
        if not ids.isdisjoint(named):
            return n
        ids.update(named)
    return len(changes)


def merged_plans(plans: Sequence[Plan]) -> Plan:
    """The plans of one namespace as one. They share no ids."""
    if len(plans) == 1:
        return plans[0]
    written = [plan.new for plan in plans if plan.new is not None]
    new = None
    if written:
        new = NewRecords(
            list(chain.from_iterable(one.ids for one in written)),
            joined([one.vectors for one in written]),
            list(chain.from_iterable(one.metadata for one in written)),
            list(chain.from_iterable(one.data for one in written)),
        )
    return Plan(
        new,
        list(chain.from_iterable(plan.replaced for plan in plans)),
        list(chain.from_iterable(plan.gone for plan in plans)),
    )
