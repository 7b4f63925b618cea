"""What an index is opened with: where it is, and what it was created as."""

from __future__ import annotations

import os
from pathlib import Path

from clew.engine.disk import made
from clew.engine.records import IndexSettings
from clew.errors import ClientError
from clew.types import IndexType, Metric


def directory_of(directory: str | os.PathLike[str] | None, *, read_only: bool) -> Path | None:
    """The directory of an index, None for one in memory; made where it is missing and is to be written to.

    Raises ClientError, StorageError.
    """
    if directory is not None:
        return Path(directory).resolve() if read_only else made(directory)
    if read_only:
        raise ClientError("read_only is for a directory; an index in memory is new")
    return None


def settings_of(dimension: int | None, metric: Metric | None, type: IndexType | None) -> IndexSettings:
    """Those of a new index. Raises ClientError for a contradiction."""
    if type is IndexType.SPARSE:
        for name, value in (("dimension", dimension), ("similarity_function", metric)):
            if value is not None:
                raise ClientError(f"{name} is for dense vectors, and a SPARSE index has none; leave it out")
        dimension = 0
    return IndexSettings(dimension, metric or Metric.COSINE, type or IndexType.DENSE)


def require_agreement(
    path: Path | None,
    kept: IndexSettings,
    dimension: int | None,
    metric: Metric | None,
    type: IndexType | None,
) -> None:
    """An index that exists keeps its settings; to ask for others is a ClientError."""
    if type is not None and type is not kept.type:
        raise ClientError(f"{path} was created as {kept.type.value}, not {type.value}")
    if dimension is not None and kept.dimension not in (None, dimension):
        raise ClientError(f"{path} holds vectors of {kept.dimension} dimensions, not {dimension}")
    if metric is not None and metric is not kept.metric:
        raise ClientError(f"{path} was created with {kept.metric.value}, not {metric.value}")
