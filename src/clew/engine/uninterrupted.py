"""Ctrl-C waits for what must not be left half done."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` makes enums of these, which takes twenty times as long
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

C = TypeVar("C")
T = TypeVar("T")

_INTERRUPT = _signal.SIGINT


class Uninterrupted:
    """What runs inside is not ended in the middle by a handler of SIGINT: it runs on the way out.

    Python runs it on the main thread after any call: a lock just taken would stay taken, a result just found
    would be lost.
    """

    __slots__ = ("_came", "_handler")

    def __init__(self) -> None:
        self._came: tuple[int, FrameType | None] | None = None
        self._handler: Any = None

    def __enter__(self) -> None:
        if threading.get_ident() == threading.main_thread().ident:
            handler = _signal.getsignal(_INTERRUPT)
            if callable(handler):
                self._handler = handler
                _signal.signal(_INTERRUPT, self._later)

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            _signal.signal(_INTERRUPT, self._handler)
            if self._came is not None:
                self._handler(*self._came)

    def _later(self, number: int, frame: FrameType | None) -> None:
        self._came = number, frame


def uninterrupted(method: Callable[[C], T]) -> Callable[[C], T]:
    """`method` inside `Uninterrupted`."""

    def run(command: C) -> T:
        with Uninterrupted():
            return method(command)

    return run
