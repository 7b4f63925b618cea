"""A generation without tombstones, made while others read and write."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable

import numpy as np

from clew._core import GivenUp
from clew.engine.catalog import Catalog
from clew.engine.generation import Generation
from clew.engine.namespace import Namespace

# Writers wait for the last step of it, once no more changes than this are to be caught up with.
CAUGHT_UP = 64

# What was added is caught up with in stretches of so many, between which it can be given up.
STRETCH = 256

# After so many rounds of catching up beside writers who are as quick, these wait for some stretches, twice as
# long in all as they made it wait: so it gains on them, whoever is quicker.
ROUNDS_BESIDE, HELD_TIMES = 6, 2


def compact(namespace: Namespace, catalog: Catalog, ends: Callable[[], bool] = lambda: False) -> None:
    """Turn the namespace to a new generation of its live slots.

    ends: whether to give it up. Raises GivenUp, and what `exclusive` of the catalog raises.
    """
    with catalog.exclusive():
        old = namespace.generation
        size, removed = old.graph.size, len(old.removed)
    made, kept = old.compacted(catalog.threads)
    follower = _Follower(old, made, kept, size, removed, catalog.threads)
    for _ in range(ROUNDS_BESIDE):
        with catalog.exclusive():
            upto, removals = old.graph.size, len(old.removed)
        if follower.behind(upto, removals) <= CAUGHT_UP:
            break
        while follower.behind(upto, removals):
            if ends():
                raise GivenUp("the index is to be closed")
            follower.follow(upto, removals)
    while not _turned(namespace, catalog, follower):
        if ends():
            raise GivenUp("the index is to be closed")


def _turned(namespace: Namespace, catalog: Catalog, follower: _Follower) -> bool:
    """Catch up while writers wait, for as long as they may. Whether that was all, and it has turned."""
    old, asked = follower.old, time.perf_counter()
    with catalog.exclusive():
        begun = time.perf_counter()
        upto, removals = old.graph.size, len(old.removed)
        while (behind := follower.behind(upto, removals)) > CAUGHT_UP:
            if time.perf_counter() - begun > HELD_TIMES * (begun - asked):
                return False
            follower.follow(upto, removals)
        if behind:
            follower.follow(upto, removals)
        if namespace.gone is None:
            follower.made.show(old.snapshot)
            namespace.turn_to(follower.made)
        return True


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
        """Make so many removals, and a stretch of what was added up to slot `upto`; both of one moment.

        Removals come first: what took the place of a record may be in a later stretch. A slot that has been
        removed since is left out; its removal, when that comes, finds none.
        """
        old = self.old
        upto = min(upto, self._seen + STRETCH)
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
