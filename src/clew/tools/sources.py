"""From what was typed to a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clew.errors import ClientError
from clew.tools import arrays
from clew.tools.jsonl import JsonlSource
from clew.tools.parquet import Columns, ParquetSource
from clew.tools.rows import Source
from clew.tools.server import PAGE_MAX, connected


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said of a source beside where it is; each part counts for one kind of source only."""

    token: str | None = None
    page: int = PAGE_MAX
    dataset: str = "train"
    columns: Columns = field(default_factory=Columns)


_FILES: dict[str, Callable[[Path, Asked], Source]] = {
    ".parquet": lambda path, asked: ParquetSource(path, asked.columns),
    ".jsonl": lambda path, asked: JsonlSource(path),
    ".ndjson": lambda path, asked: JsonlSource(path),
    ".npy": lambda path, asked: arrays.npy(path),
    ".npz": lambda path, asked: arrays.npz(path),
    ".hdf5": lambda path, asked: arrays.hdf5(path, asked.dataset),
    ".h5": lambda path, asked: arrays.hdf5(path, asked.dataset),
}


def open_source(where: str, asked: Asked | None = None) -> Source:
    """The source that `where`, a URL or a file, is; the ending of a file says which kind.

    Raises ClientError where it is none, or something in its head is not as it must be.
    """
    asked = asked or Asked()
    if where.startswith(("http://", "https://")):
        return connected(where, asked.token, asked.page)
    path = Path(where)
    make = _FILES.get(path.suffix.lower())
    if make is None:
        raise ClientError(f"{where!r} is no URL, and does not end in {', '.join(_FILES)}")
    if not path.is_file():
        raise ClientError(f"no file {where}")
    return make(path, asked)
