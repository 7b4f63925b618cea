"""Behaviour is written once, as steps that yield commands; a driver does the waiting.

A step generator yields a command, is sent its answer, and returns a result. `drive` waits on the
caller's thread, `adrive` awaits. Neither decides anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Protocol, TypeVar

from clew.commands import AnyCommand, Command

T = TypeVar("T")

Steps = Generator[AnyCommand, Any, T]


class Call(Protocol):
    """Carries a command and returns its answer."""

    def __call__(self, command: Command[T]) -> T:
        """Carry `command` out."""
        ...


class AsyncCall(Protocol):
    """Carries a command and promises its answer."""

    def __call__(self, command: Command[T]) -> Awaitable[T]:
        """Carry `command` out."""
        ...


def drive(steps: Steps[T], call: Call) -> T:
    """Run `steps` to the end. An error of `call` is raised inside them, where they wait."""
    try:
        command = next(steps)
        while True:
            try:
                answer = call(command)
            except BaseException as error:
                command = steps.throw(error)
            else:
                command = steps.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


async def adrive(steps: Steps[T], call: AsyncCall) -> T:
    """The same, awaiting each answer."""
    try:
        command = next(steps)
        while True:
            try:
                answer = await call(command)
            except BaseException as error:
                command = steps.throw(error)
            else:
                command = steps.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result
