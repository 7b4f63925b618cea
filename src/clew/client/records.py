"""The forms in which users write a record: tuple, dict, `Vector` or `Data`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clew.client.metadata import to_metadata
from clew.client.values import refusal, to_id, to_sparse, to_text, to_vector
from clew.commands import Record
from clew.errors import ClientError
from clew.types import Data, SparseVector, Vector

RecordLike = Vector | Data | dict[str, Any] | tuple[Any, ...]

_KEYS = frozenset({"id", "vector", "sparse_vector", "metadata", "data"})
_FORMS = "a Vector, a Data, a dict or a tuple (id, vector or sparse vector or text, metadata, data)"


def to_records(vectors: object) -> tuple[Record, ...]:
    """Every element of `vectors` as a record."""
    if isinstance(vectors, (str, bytes, dict, Vector, Data)) or not isinstance(vectors, Iterable):
        raise refusal("vectors", vectors, f"a list, each element {_FORMS}")
    return tuple([_to_record(item, f"vectors[{place}]") for place, item in enumerate(vectors)])


def _to_record(item: object, name: str) -> Record:
    if isinstance(item, tuple):
        return _from_tuple(item, name)
    if isinstance(item, Vector):
        return _record(name, item.id, item.vector, item.sparse_vector, item.metadata, item.data)
    if isinstance(item, Data):
        return _record(name, item.id, metadata=item.metadata, data=item.data)
    if isinstance(item, dict):
        return _from_dict(item, name)
    raise refusal(name, item, _FORMS)


def _from_dict(item: dict[str, Any], name: str) -> Record:
    unknown = [key for key in item if key not in _KEYS]
    if unknown:
        raise ClientError(f"{name} has the unknown key {unknown[0]!r}; expected {', '.join(sorted(_KEYS))}")
    if "id" not in item:
        raise refusal(name, item, "a dict with an 'id'")
    return _record(name, **item)


def _from_tuple(item: tuple[Any, ...], name: str) -> Record:
    if len(item) < 2:
        raise refusal(name, item, "at least an id and a vector")
    part, rest = item[1], item[2:]
    if isinstance(part, str):
        return _record(name, item[0], data=part, **_rest(rest, ("metadata",), name))
    if _is_sparse(part):
        return _record(name, item[0], sparse_vector=part, **_rest(rest, ("metadata", "data"), name))
    if rest and _is_sparse(rest[0]):
        return _record(name, item[0], vector=part, **_rest(rest, ("sparse_vector", "metadata", "data"), name))
    return _record(name, item[0], vector=part, **_rest(rest, ("metadata", "data"), name))


def _is_sparse(part: object) -> bool:
    """Whether a part of a tuple is a sparse vector: a pair of sequences. (A pair of numbers is dense.)"""
    if isinstance(part, SparseVector):
        return True
    if not isinstance(part, tuple) or len(part) != 2:
        return False
    return not any(isinstance(value, (int, float, np.number)) for value in part)


def _rest(values: tuple[Any, ...], names: tuple[str, ...], name: str) -> dict[str, Any]:
    if len(values) > len(names):
        raise refusal(name, values, f"at most {', '.join(names)} after the vector")
    return dict(zip(names, values, strict=False))


def _record(
    name: str,
    id: object,
    vector: object = None,
    sparse_vector: object = None,
    metadata: object = None,
    data: object = None,
) -> Record:
    if vector is None and sparse_vector is None and data is None:
        raise ClientError(f"{name} has neither vector, sparse_vector nor data; expected one of them")
    return Record(
        to_id(id, f"{name}.id"),
        None if vector is None else to_vector(vector, f"{name}.vector"),
        None if sparse_vector is None else to_sparse(sparse_vector, f"{name}.sparse_vector"),
        None if metadata is None else to_metadata(metadata, f"{name}.metadata"),
        None if data is None else to_text(data, f"{name}.data"),
    )
