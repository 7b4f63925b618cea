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
class SourceOptions:
    """What was said of a source beside where it is; each part counts for one kind of source only."""

    token: str | None = None
    page: int = PAGE_MAX
    dataset: str = "train"
    columns: Columns = field(default_factory=Columns)


_FILES: dict[str, Callable[[Path, SourceOptions], Source]] = {
    ".parquet": lambda path, options: ParquetSource(path, options.columns),
    ".jsonl": lambda path, options: JsonlSource(path),
    ".ndjson": lambda path, options: JsonlSource(path),
    ".npy": lambda path, options: arrays.npy(path),
    ".npz": lambda path, options: arrays.npz(path),
    ".hdf5": lambda path, options: arrays.hdf5(path, options.dataset),
    ".h5": lambda path, options: arrays.hdf5(path, options.dataset),
}


def open_source(where: str, options: SourceOptions | None = None) -> Source:
    """The source that `where`, a URL or a file, is; the ending of a file says which kind.

    Raises ClientError where it is none, or something in its head is not as it must be.
    """
    options = options or SourceOptions()
    if where.startswith(("http://", "https://")):
        return connected(where, options.token, options.page)
    path = Path(where)
    make = _FILES.get(path.suffix.lower())
    if make is None:
        raise ClientError(f"{where!r} is no URL, and does not end in {', '.join(_FILES)}")
    if not path.is_file():
        raise ClientError(f"no file {where}")
    return make(path, options)
