"""What a disk may hold when the power goes: made from a trace of what was written, synced, and renamed."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("<cIQQ")  # what, bytes of the path, offset, bytes

SECTOR = 512  # a disk writes so many bytes or none of them


class Call(NamedTuple):
    """W: bytes at an offset; T: cut to the offset; S: synced; C: made; R: renamed to `data`; U: removed; A: a
    step was acknowledged.
    """

    what: str
    path: str
    offset: int
    data: bytes


def calls(trace: Path) -> Iterator[Call]:
    """Of a trace, in order."""
    raw, at = trace.read_bytes(), 0
    while at < len(raw):
        what, path_bytes, offset, n = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        path, data = raw[at : at + path_bytes], raw[at + path_bytes : at + path_bytes + n]
        at += path_bytes + n
        yield Call(what.decode(), path.decode(), offset, data)


@dataclass
class _File:
    """What the disk has of a file for certain, and what was written since."""

    synced: bytearray = field(default_factory=bytearray)
    waiting: list[Call] = field(default_factory=list)

    def lost(self, draw: random.Random, share: float) -> bytes:
        """As the power goes: of what waited any part may be there."""
        held = bytearray(self.synced)
        for call in self.waiting:
            if draw.random() < share:
                torn = call.what == "W" and draw.random() < 0.2
                n = draw.randrange(0, len(call.data) + 1, SECTOR) if torn else len(call.data)
                _apply(held, call._replace(data=call.data[:n]))
        return bytes(held)


class Disk:
    """A directory, and what of it is on the disk. Names change there in the order in which they did, and for
    certain once the directory is synced.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._files: dict[str, _File] = {}
        self._certain: dict[str, _File] = {}
        self._since: list[dict[str, _File]] = []  # the names after each change since then

    def do(self, call: Call) -> None:
        """What the process did."""
        if call.what == "S" and call.path == self._directory:
            self._certain, self._since = dict(self._files), []
        elif call.what in "CRU":
            self._rename(call)
        elif call.what in "WT" and call.path in self._files:
            self._files[call.path].waiting.append(call)
        elif call.what == "S" and call.path in self._files:
            file = self._files[call.path]
            for one in file.waiting:
                _apply(file.synced, one)
            file.waiting = []

    def lose_power(self, target: Path, draw: random.Random) -> None:
        """Make `target` the directory as it is found afterwards."""
        names = draw.choice([self._certain, *self._since])
        share = draw.choice([0.0, 0.3, 0.7, 1.0])
        target.mkdir()
        for path, file in names.items():
            if not path.endswith("-shm"):  # memory that processes share
                (target / Path(path).name).write_bytes(file.lost(draw, share))

    def _rename(self, call: Call) -> None:
        before = dict(self._files)
        if call.what == "C":
            self._files.setdefault(call.path, _File())
        elif call.path in self._files:
            file = self._files.pop(call.path)
            if call.what == "R":
                self._files[call.data.decode()] = file
        if self._files != before:
            self._since.append(dict(self._files))


def _apply(held: bytearray, call: Call) -> None:
    """A write or a cut."""
    end = call.offset + len(call.data)
    if call.what == "T":
        end = call.offset
        del held[end:]
    if len(held) < end:
        held.extend(bytes(end - len(held)))
    held[call.offset : call.offset + len(call.data)] = call.data
