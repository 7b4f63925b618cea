"""What an export writes: stretches of records of one namespace, texts as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clew.engine.vectors import Vectors


@dataclass(frozen=True, slots=True)
class ExportedRows:
    """Records in order. `metadata` holds JSON texts."""

    namespace: str
    ids: Sequence[str]
    vectors: Vectors
    metadata: Sequence[str | None]
    data: Sequence[str | None]


class Sink(Protocol):
    """Where records go: a folder of its own, until it is finished."""

    def write(self, rows: ExportedRows) -> None:
        """Add records."""
        ...

    def keep(self) -> Any:
        """What to open it with so that it goes on from here, as JSON; None where it cannot yet."""
        ...

    def finish(self) -> Path:
        """The file of every record, whole and on disk."""
        ...

    def close(self) -> None:
        """Let go of what is open, also after an error. A second close does nothing."""
        ...
