"""A lock that no thread can keep from others by taking it again and again."""

from __future__ import annotations

import threading


class FairLock:
    """A lock for `with`. A thread that lets go of it and wants it again comes after one that waits already.

    `threading.Lock` goes to whoever asks first once it is free, and that is the thread that has just let go:
    a thread that writes without a pause would keep the background waiting for ever.
    """

    __slots__ = ("_held", "_next")

    def __init__(self) -> None:
        self._held = threading.Lock()
        self._next = threading.Lock()  # held by the one thread that waits for the other

    def __enter__(self) -> None:
        with self._next:
            self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()
