"""Records of a source into the index of a directory, so that an interrupted import goes on where it was.

After each stretch the directory says, in `import.json`, where the source goes on. A stretch that had been
written without that being said is written again: the same records under the same ids, at the same places.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from clew import Index, Vector
from clew.backends.base import Backend
from clew.bars import Advance, silent
from clew.client.metadata import to_metadata
from clew.client.opening import open_backend
from clew.client.values import to_id
from clew.commands import Record, Upsert
from clew.config import resolve
from clew.engine.sqlite import RECORDS_FILE
from clew.errors import ClientError
from clew.tools.ahead import ahead
from clew.tools.files import read_json, write_json
from clew.tools.rows import ImportedRows, Source, SourcePlace
from clew.types import IndexType, Metric, SparseVector

STATE_FILE = "import.json"

# A namespace is made by its first record. This one makes those that the source has, in the same order, also
# if nothing is in them; and is removed.
_MAKER = "clew import: makes the namespace, and is removed"

Shown = Callable[[int, int], AbstractContextManager[Advance]]
"""Shows progress, given how many there are and how many of them are done."""


@dataclass(frozen=True, slots=True)
class Imported:
    """records: how many were read, in this call and in those it went on from. held: by the index now."""

    records: int
    held: int


def import_into(
    directory: Path,
    source: Source,
    *,
    namespace: str | None = None,
    metric: Metric | None = None,
    restart: bool = False,
    shown: Shown = lambda total, done: nullcontext(silent),
) -> Imported:
    """Upsert every record of `source` into the index in `directory`, which is made where it is missing.

    namespace: for records that come from the default one; None leaves them there.
    metric: of a new index; None takes that of the source, else COSINE.
    restart: forget an import that was interrupted.

    Raises ClientError for a source or a record that does not fit, naming it; what came before it is kept.
    Where nothing did, a directory that was made for it goes.
    """
    about, there = source.about, directory.exists()
    if namespace is not None and set(about.namespaces) - {""}:
        raise ClientError(
            f"{source.name} has namespaces of its own, so --namespace {namespace!r} cannot hold"
        )
    path = directory / STATE_FILE
    identity = source.identity | {"namespace": namespace}
    backend, done = _opened(directory, source, metric), 0
    with ExitStack() as after, Index.over(backend) as index:
        place, done = _interrupted(path, identity, restart)
        if place is None:
            write_json(path, {"identity": identity, "place": None, "done": 0})
        _make(index, [name for name in about.namespaces if name])
        with shown(about.rows, done) as advance, closing(ahead(source.stretches(place))) as stretches:
            try:
                for rows in stretches:
                    _upsert(backend, source, rows, namespace)
                    done += len(rows.ids)
                    write_json(path, {"identity": identity, "place": rows.next, "done": done})
                    advance(len(rows.ids))
            except ClientError as error:
                if not (there or done):
                    after.callback(shutil.rmtree, directory)
                raise type(error)(f"{error}{_how_to_go_on(directory, done)}") from error
        held = index.info().vector_count
        path.unlink()
    return Imported(done, held)


def _opened(directory: Path, source: Source, metric: Metric | None) -> Backend:
    about = source.about
    sparse = about.type is IndexType.SPARSE
    new = not (directory / RECORDS_FILE).exists()
    try:
        settings = resolve(
            directory,
            dimension=None if sparse else about.dimension,
            similarity_function=None if sparse else metric or about.metric,
            type=about.type,
            # One that is there keeps its own: vectors come as they are, whatever made them.
            embedding_model=(about.embedding_model or None) if new else None,
            sparse_embedding_model=(about.sparse_embedding_model or None) if new else None,
        )
        return open_backend(settings)
    except ClientError as error:
        hint = "; --similarity-function says which to use" if "created with" in str(error) else ""
        raise ClientError(f"{source.name} does not fit: {error}{hint}") from error


def _interrupted(path: Path, identity: dict[str, object], restart: bool) -> tuple[SourcePlace | None, int]:
    """Where to go on, and how many records came before."""
    found = None if restart else read_json(path)
    if found is None or not found["done"]:
        return None, 0
    if found["identity"] != identity:
        before = found["identity"]
        what = before.get("file") or before.get("url")
        changed = (
            "has changed since, or was given other options" if what in identity.values() else "is another"
        )
        raise ClientError(
            f"an import of {what} into {path.parent} was interrupted, and this source {changed}: "
            "finish that one first, or forget it with --restart"
        )
    return found["place"], found["done"]


def _upsert(backend: Backend, source: Source, rows: ImportedRows, namespace: str | None) -> None:
    for name, which in _by_namespace(rows):
        part = rows.chosen(which)
        if name and namespace is not None:
            where = f"{source.name}, {part.row(0)}"
            raise ClientError(f"{where} is in namespace {name!r}, so --namespace {namespace!r} cannot hold")
        into = name or namespace or ""
        try:
            if part.sparse is None and part.vectors is not None:
                Index.over(backend).upsert_arrays(
                    part.ids, part.vectors, metadata=part.metadata, data=part.data, namespace=into
                )
            else:
                backend.call(Upsert(tuple(_records(part)), into, embed=False))
        except ClientError as error:
            raise _named(source, part, error) from error


def _how_to_go_on(directory: Path, done: int) -> str:
    """Once a record was refused: a source that is mended is another, whose places are not those it had."""
    if not done:
        return "; nothing was imported: mend it, and import again"
    return (
        f"; {done:,} records before it are in {directory}: mend it, and import again with --restart,"
        " which writes them again under the same ids"
    )


def _by_namespace(rows: ImportedRows) -> Iterator[tuple[str, Sequence[int]]]:
    """The namespaces of a stretch in order of appearance, and which records are in each."""
    names = rows.namespaces
    if names is None or len(set(names)) <= 1:
        yield (names[0] if names else ""), range(len(rows.ids))
        return
    chosen: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        chosen.setdefault(name, []).append(i)
    yield from chosen.items()


def _records(rows: ImportedRows) -> Iterator[Record]:
    """One by one, as sparse vectors are carried."""
    for i, id in enumerate(rows.ids):
        metadata = None if rows.metadata is None else rows.metadata[i]
        yield Record(
            to_id(id, "id"),
            None if rows.vectors is None else rows.vectors[i],
            None if rows.sparse is None else rows.sparse[i],
            None if metadata is None else to_metadata(metadata, "metadata"),
            None if rows.data is None else rows.data[i],
        )


def _named(source: Source, rows: ImportedRows, error: ClientError) -> ClientError:
    """The error with the row it is about, where it is about one: that which is refused by itself."""
    for i in range(len(rows.ids)):
        try:
            deque(_records(rows.chosen([i]) if len(rows.ids) > 1 else rows), maxlen=0)
        except ClientError as alone:
            return ClientError(f"{source.name}, {rows.row(i)}: {alone}")
    return type(error)(f"{source.name}: {error}")


def _make(index: Index, names: Sequence[str]) -> None:
    """Make the namespaces that are missing. Also after an interruption in the middle of that."""
    if not names:
        return
    info = index.info()
    maker = Vector(
        _MAKER,
        vector=[1.0] * info.dimension if info.index_type != IndexType.SPARSE else None,
        sparse_vector=SparseVector([0], [1.0]) if info.index_type != IndexType.DENSE else None,
    )
    for name in names:
        if name not in info.namespaces:
            index.upsert([maker], namespace=name)
            index.reset(name)
        elif index.fetch(_MAKER, namespace=name) != [None]:
            index.delete(_MAKER, namespace=name)
