"""A thread that works for something, and does not keep it alive."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Worker(threading.Thread):
    """The thread of a `Background`."""


def in_background() -> bool:
    """Whether this is the thread of one."""
    return isinstance(threading.current_thread(), _Worker)


class Background(Generic[T]):
    """Does `work(owner)` whenever it is woken, and after as many seconds as that returned (None: never).

    The thread starts with the first `wake`. It ends with `close`, or when nobody holds `owner` any more.
    """

    def __init__(self, owner: T, work: Callable[[T], float | None], name: str) -> None:
        self._owner = weakref.ref(owner)
        self._work = work
        self._name = name
        self._woken = threading.Event()
        self._lock = threading.Lock()  # of the start and the end
        self._thread: threading.Thread | None = None
        self._closed = False
        weakref.finalize(owner, self._woken.set)

    def wake(self) -> None:
        """There is something to do."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = _Worker(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._woken.set()

    def closing(self) -> None:
        """It does no more after what it is at."""
        with self._lock:
            self._closed = True
        self._woken.set()

    def close(self) -> None:
        """End the thread, after what it is at."""
        self.closing()
        if self._thread is not None:
            self._thread.join()

    @property
    def closed(self) -> bool:
        """Whether `closing` or `close` was called."""
        return self._closed

    def _run(self) -> None:
        timeout: float | None = None
        while True:
            self._woken.wait(timeout)
            self._woken.clear()
            owner = self._owner()
            if owner is None or self._closed:
                return
            timeout = self._work(owner)
            del owner
