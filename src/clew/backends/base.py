"""Who carries a command: in this process, or over HTTP. The caller cannot tell."""

from __future__ import annotations

from typing import Protocol, TypeVar

from clew.commands import Command

T = TypeVar("T")


class Backend(Protocol):
    """Carries commands and waits for the answers. Any number of threads may call at once."""

    def call(self, command: Command[T]) -> T:
        """Carry `command` out and return its answer, or raise a `ClewError`."""
        ...

    def close(self) -> None:
        """Give everything back. A second close does nothing; a call after it is a `ClientError`."""
        ...


class AsyncBackend(Protocol):
    """The same for code that awaits."""

    async def call(self, command: Command[T]) -> T:
        """Carry `command` out without blocking the event loop."""
        ...

    async def close(self) -> None:
        """Give everything back. A second close does nothing; a call after it is a `ClientError`."""
        ...
