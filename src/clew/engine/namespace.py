"""One namespace: its present generation, and those that queries still hold."""

from __future__ import annotations

import threading
import weakref

from clew.engine.generation import Generation
from clew.engine.past import Past


class Namespace:
    """A name and its present generation, which readers take in one reference.

    Writers change it one at a time, under the write lock of the index.
    """

    __slots__ = ("_past", "_past_turn", "_retired", "generation", "gone", "name", "next_position", "number",
                 "readable_from")  # fmt: skip

    def __init__(
        self, name: str, number: int, generation: Generation, next_position: int = 0, purged_seq: int = 0
    ) -> None:
        self.name = name
        self.number = number  # in the record store
        self.generation = generation
        self.next_position = next_position
        self.readable_from = purged_seq  # when it was opened: a state older than that is not there as a whole
        self.gone: str | None = None  # what became of it, once it was reset or deleted
        self._past: Past | None = None
        self._past_turn = threading.Lock()
        self._retired: list[weakref.ref[Generation]] = []  # still held by a query perhaps, oldest first

    def turn_to(self, generation: Generation) -> None:
        """Show a new generation. Open queries stay with theirs."""
        self._retired.append(weakref.ref(self.generation))
        self.generation = generation

    def retired(self) -> list[Generation]:
        """Earlier generations that queries still hold, oldest first."""
        held = [generation for retired in self._retired if (generation := retired())]
        self._retired = list(map(weakref.ref, held))
        return held

    def past_of(self, generation: Generation) -> Past:
        """What was removed and is still seen; made like `generation` when it is first needed."""
        with self._past_turn:
            if self._past is None:
                self._past = Past(generation, self.number)
            return self._past

    def forget(self, seq: int) -> None:
        """No query sees what was removed by `seq` or before."""
        with self._past_turn:
            if self._past is not None and self._past.upto <= seq:
                self._past = None
