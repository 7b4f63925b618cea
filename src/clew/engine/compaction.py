"""A generation without tombstones, made while others read and write."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from clew._core import Graph
from clew.engine.catalog import Catalog
from clew.engine.generation import Generation
from clew.engine.namespace import Namespace

# Writers wait only for the last step of it, once no more changes than this are to be caught up with, or for
# whatever there is after so many rounds of catching up.
CAUGHT_UP, ROUNDS_MAX = 64, 6


def compact(namespace: Namespace, catalog: Catalog) -> None:
    """Turn the namespace to a new generation of its live slots."""
    old = namespace.generation
    if not isinstance(old.graph, Graph):
        with catalog.exclusive():
            made, _ = old.compacted(catalog.threads)
            namespace.turn_to(made)
        return
    with catalog.exclusive():
        size, removed = old.graph.size, len(old.removed)
    made, kept = old.compacted(catalog.threads)
    _catch_up(namespace, catalog, _Follower(old, made, kept, size, removed, catalog.threads))


def _catch_up(namespace: Namespace, catalog: Catalog, follower: _Follower) -> None:
    old = follower.old
    for turn in range(ROUNDS_MAX + 1):
        with catalog.exclusive():
            upto, removals = old.graph.size, len(old.removed)
            if turn == ROUNDS_MAX or follower.behind(upto, removals) <= CAUGHT_UP:
                if namespace.gone is None:
                    follower.follow(upto, removals)
                    follower.made.show(old.snapshot)
                    namespace.turn_to(follower.made)
                return
        follower.follow(upto, removals)


class _Follower:
    """Makes the changes of an old generation in the one that was made of it.

    The slots of the old that have one in the new ascend, as do those of the new. Of the slots from `size` on,
    those live when it was made are among `kept`; those that came later have higher numbers than these. The
    first `removed` tombstones of the old have no slot in the new.
    """

    def __init__(
        self, old: Generation, made: Generation, kept: list[int], size: int, removed: int, threads: int
    ) -> None:
        self.old = old
        self.made = made
        self._kept = kept
        self._seen = max(size, kept[-1] + 1 if kept else 0)
        self._done = removed  # of the tombstones of the old
        self._threads = threads

    def behind(self, upto: int, removals: int) -> int:
        """How many changes are not made yet."""
        return max(0, upto - self._seen) + removals - self._done

    def follow(self, upto: int, removals: int) -> None:
        """Make those up to slot `upto`, and up to so many removals.

        A slot that has been removed since is left out; its removal, when that comes, finds none.
        """
        old = self.old
        added = [slot for slot in range(self._seen, upto) if old.slots.get(old.ids[slot]) == slot]
        gone = old.removed[self._done : removals]
        removed = [new for slot in gone if (new := self._new_slot(slot)) is not None]
        self._seen, self._done = max(self._seen, upto), removals
        if not added and not removed:
            return
        self.made.apply(
            [old.ids[slot] for slot in added],
            old.graph.rows(np.array(added, dtype=np.uint32)),
            [old.rows[slot] for slot in added],
            [old.positions[slot] for slot in added],
            removed,
            0,
            self._threads,
        )
        self._kept.extend(added)

    def _new_slot(self, slot: int) -> int | None:
        at = bisect_left(self._kept, slot)
        return at if at < len(self._kept) and self._kept[at] == slot else None
