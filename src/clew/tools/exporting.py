"""The records of a directory into one file, of one moment, beside whoever has the index open.

Until it is whole the export lies in FILE.unfinished. What it says there is enough to go on after an
interruption, as long as nothing was written to the index meanwhile; else it begins anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from clew.bars import silent
from clew.engine.disk import sync_directory
from clew.engine.records import IndexSettings, Records, StoredNamespace, StoredRecord
from clew.engine.stored import counts, stored, stored_identity
from clew.engine.vectors import from_blobs
from clew.errors import ClientError, StorageError
from clew.tools.ahead import ahead
from clew.tools.files import read_json, write_json
from clew.tools.header import FORMAT, Header
from clew.tools.importing import Shown
from clew.tools.jsonl import JsonlSink
from clew.tools.parquet_sink import ParquetSink
from clew.tools.records import ExportedRows, Sink

SINKS: dict[str, Callable[[Path, Header, Any], Sink]] = {"parquet": ParquetSink, "jsonl": JsonlSink}

STATE_FILE = "export.json"

# As many records are read at once, or as few as hold so many bytes: one may have a megabyte of data. How long
# they are is not known before, so that few are read first and twice as many next.
ROWS_PER_PART, ROWS_FIRST = 8192, 64
BYTES_PER_PART = 64 * 1024 * 1024


def export_to(
    directory: Path,
    file: Path,
    form: str,
    *,
    shown: Shown = lambda total, done: nullcontext(silent),
) -> int:
    """Write every record of the index in `directory` to `file`; returns how many those are.

    form: "parquet" or "jsonl". Raises ClientError where `file` exists, StorageError and Corruption.
    """
    if file.exists():
        raise ClientError(f"{file} exists already: remove it, or name another with --output")
    if not file.parent.is_dir():
        raise ClientError(f"no directory {file.parent}")
    folder = file.with_name(file.name + ".unfinished")
    with stored(directory) as records:
        spaces = records.namespaces()
        total = sum(counts(records).values())
        about = _header(records.settings, spaces, total)
        identity = stored_identity(directory) | {"seq": records.seq, "form": form}
        try:
            state = _interrupted(folder, identity)
            done = state["done"]
            parts = ahead(_parts(records, spaces, state["namespace"], state["position"]))
            with (
                closing(SINKS[form](folder, about, state["kept"])) as sink,
                shown(total, done) as advance,
                closing(parts),
            ):
                for part, place in parts:
                    sink.write(part)
                    done += len(part.ids)
                    kept = sink.keep()
                    if kept is not None:
                        write_json(
                            folder / STATE_FILE, {"identity": identity, "kept": kept, "done": done, **place}
                        )
                    advance(len(part.ids))
                sink.finish().replace(file)
            sync_directory(file.parent)
            shutil.rmtree(folder)
        except OSError as error:
            raise StorageError(
                f"{file} cannot be written: {error.strerror or error}; {folder} holds what there is of it, "
                "and the same command goes on from there"
            ) from error
    return total


def _interrupted(folder: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Where an export of this very state of the index stopped; else the beginning, in a new folder."""
    found = read_json(folder / STATE_FILE)
    if found is not None and found["identity"] == identity:
        return found
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return {"kept": None, "done": 0, "namespace": 0, "position": 0}


def _parts(
    records: Records, spaces: Sequence[StoredNamespace], first: int, position: int
) -> Iterator[tuple[ExportedRows, dict[str, int]]]:
    """Every record from a position of namespace number `first` on, and where the rest begins."""
    limit = ROWS_FIRST
    for space in spaces:
        if space.number < first:
            continue
        start = position if space.number == first else 0
        while True:
            found = records.stretch(
                space.number,
                records.seq,
                start=start,
                limit=limit,
                vectors=True,
                metadata=True,
                data=True,
            )
            if not found:
                break
            start = found[-1].position + 1
            part = _part(space.name, found, records.settings)
            yield part, {"namespace": space.number, "position": start}
            fitting = BYTES_PER_PART * len(found) // sum(map(_size, found))
            limit = max(1, min(2 * limit, fitting, ROWS_PER_PART))


def _size(record: StoredRecord) -> int:
    """Bytes, or as good as."""
    return len(record.vector or b"") + len(record.metadata or "") + len(record.data or "")


def _header(settings: IndexSettings, spaces: Sequence[StoredNamespace], total: int) -> Header:
    names = tuple(space.name for space in spaces)
    models = settings.embedding_model, settings.sparse_embedding_model
    return Header(FORMAT, settings.dimension, settings.metric, names, total, settings.type, *models)


def _part(name: str, found: Sequence[StoredRecord], settings: IndexSettings) -> ExportedRows:
    blobs = [one.vector or b"" for one in found]
    return ExportedRows(
        name,
        [one.id for one in found],
        from_blobs(settings.type, settings.dimension or 0, blobs),
        [one.metadata for one in found],
        [one.data for one in found],
    )
