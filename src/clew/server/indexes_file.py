"""The indexes of a directory: `indexes.toml`, and a directory of data for each."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.engine.embedding import with_models
from clew.engine.records import IndexSettings
from clew.errors import ClientError, StorageError
from clew.server.auth import Tokens, digest, new_token
from clew.types import IndexType, Metric
from clew.wire import OPERATIONS

FILE = "indexes.toml"
PAGES = frozenset({"health", "ready", "metrics"})
"""What the server answers itself, beside the indexes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MODELS = ("embedding_model", "sparse_embedding_model")
_KEYS = frozenset(
    {"type", "dimension", "similarity_function", "token_sha256", "read_only_token_sha256", *_MODELS}
)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One index as `indexes.toml` has it. `dimension` of None is decided by the first upsert.

    A SPARSE index has neither `metric` nor `dimension`.
    """

    name: str
    tokens: Tokens
    metric: Metric | None = None
    dimension: int | None = None
    type: IndexType = IndexType.DENSE
    embedding_model: str = ""
    sparse_embedding_model: str = ""


@dataclass(frozen=True, slots=True)
class NewTokens:
    """The tokens of an index that was just made. They are kept nowhere."""

    full: str
    read_only: str


def load(directory: Path) -> list[IndexEntry]:
    """The indexes of `directory`; none where it has no `indexes.toml`. Raises StorageError."""
    file = directory / FILE
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StorageError(f"cannot read {file}: {error}") from error
    try:
        return [_entry(name, table) for name, table in tables.items()]
    except ClientError as error:
        raise StorageError(f"{file}: {error}") from error


def create(
    directory: Path,
    name: str,
    *,
    dimension: int | None = None,
    metric: Metric | None = None,
    type: IndexType = IndexType.DENSE,
    embedding_model: str = "",
    sparse_embedding_model: str = "",
) -> NewTokens:
    """Add an index to `directory`, which is made where missing. A server that runs sees it once restarted.

    metric: None means COSINE. The models are those of `Engine.open`, by name. Raises ClientError for one that
    cannot be had, for a name that is taken or cannot be used, and for a
    dimension or metric of a SPARSE index; StorageError where it cannot be written.
    """
    _require_name(name)
    _require_plain(name, type, dimension is not None or metric is not None)
    entries = load(directory)
    if any(entry.name == name for entry in entries):
        raise ClientError(f"{directory / FILE} has an index {name!r} already")
    made = NewTokens(new_token(), new_token())
    tokens = Tokens(digest(made.full), digest(made.read_only))
    models = (embedding_model, sparse_embedding_model)
    with_models(IndexSettings(dimension, metric or Metric.COSINE, type), None, *models)
    entry = IndexEntry(name, tokens, metric, dimension, type, *models)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _replace(directory / FILE, "\n".join(map(_table, [*entries, entry])))
    except OSError as error:
        raise StorageError(f"cannot write {directory / FILE}: {error}") from error
    return made


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ClientError(f"the name {name!r} is not made of 1 to 64 letters, digits, '-' and '_'")
    if name in PAGES or name in OPERATIONS:
        raise ClientError(f"the name {name!r} is that of an endpoint; choose another")


def _require_plain(name: str, kind: IndexType, dense: bool) -> None:
    if kind is IndexType.SPARSE and dense:
        raise ClientError(f"[{name}] is SPARSE, and has neither dimension nor similarity_function")


def _entry(name: str, table: Any) -> IndexEntry:
    _require_name(name)
    if not isinstance(table, dict) or not table.keys() <= _KEYS:
        raise ClientError(f"[{name}] must be a table of {', '.join(sorted(_KEYS))}")
    kind = table.get("type", "DENSE")
    if kind not in IndexType.__members__:
        raise ClientError(f"[{name}] has the type {kind!r}; expected {', '.join(IndexType)}")
    dimension, metric = table.get("dimension"), table.get("similarity_function")
    _require_plain(name, IndexType(kind), dimension is not None or metric is not None)
    if dimension is not None and (type(dimension) is not int or dimension < 1):
        raise ClientError(f"[{name}] has the dimension {dimension!r}; expected an integer of at least 1")
    if metric is not None and metric not in Metric.__members__:
        raise ClientError(f"[{name}] has the similarity_function {metric!r}; expected {', '.join(Metric)}")
    full, read_only = table.get("token_sha256"), table.get("read_only_token_sha256")
    for kept in (full,) if read_only is None else (full, read_only):
        if not isinstance(kept, str) or not _DIGEST.fullmatch(kept):
            raise ClientError(f"[{name}] needs a token_sha256 of 64 hexadecimal digits in lower case")
    models = [table.get(key, "") for key in _MODELS]
    for key, model in zip(_MODELS, models, strict=True):
        if not isinstance(model, str):
            raise ClientError(f"[{name}] has the {key} {model!r}; expected the name of a model")
    tokens = Tokens(full, read_only)
    return IndexEntry(name, tokens, metric and Metric(metric), dimension, IndexType(kind), *models)


def _table(entry: IndexEntry) -> str:
    lines = [f"[{entry.name}]", f'type = "{entry.type}"']
    if entry.type is not IndexType.SPARSE:
        lines.append(f'similarity_function = "{entry.metric or Metric.COSINE}"')
    if entry.dimension is not None:
        lines.append(f"dimension = {entry.dimension}")
    for key in _MODELS:
        if model := getattr(entry, key):
            lines.append(f"{key} = {json.dumps(model)}")
    lines.append(f'token_sha256 = "{entry.tokens.full}"')
    if entry.tokens.read_only is not None:
        lines.append(f'read_only_token_sha256 = "{entry.tokens.read_only}"')
    return "\n".join(lines) + "\n"


def _replace(file: Path, text: str) -> None:
    """All or nothing, and for the owner's eyes only, as mkstemp makes it."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise
