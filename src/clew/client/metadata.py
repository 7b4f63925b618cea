"""Metadata that users pass: what JSON can carry, copied, so that what they change later changes nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clew.client.values import refusal, to_text
from clew.limits import INT_MAX, INT_MIN, METADATA_DEPTH_MAX
from clew.types import Metadata

_PLAIN = frozenset({int, bool, type(None)})


def to_metadata(value: object, name: str) -> Metadata:
    """A copy of a JSON object: str keys; str, int, finite float, bool, None, list and dict values."""
    if not isinstance(value, dict):
        raise refusal(name, value, "a dict that JSON can carry")
    return _object(value, name, 1)


def _object(value: dict[Any, Any], name: str, depth: int) -> Metadata:
    """depth: its own level; that of the metadata itself is 1."""
    copy: Metadata = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise refusal(f"a key of {name}", key, "a str")
        if not key.isascii():
            to_text(key, f"a key of {name}")
        copy[key] = _json(item, name, key, depth)
    return copy


def _json(value: Any, name: str, key: object, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else to_text(value, f"{name}[{key!r}]")
    if kind in _PLAIN and (kind is not int or INT_MIN <= value <= INT_MAX):
        return value
    place = f"{name}[{key!r}]"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, (list, tuple, dict)):
        if depth == METADATA_DEPTH_MAX:
            raise refusal(place, value, f"at most {METADATA_DEPTH_MAX} levels")
        if isinstance(value, dict):
            return _object(value, place, depth + 1)
        return [_json(item, place, i, depth + 1) for i, item in enumerate(value)]
    return _scalar(value, place)


def _scalar(value: Any, place: str) -> Any:
    """What is left: subclasses of plain types (an enum's member, say), numbers out of range, strangers."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return to_text(str.__str__(value), place)
    if isinstance(value, int) and INT_MIN <= value <= INT_MAX:
        return int(value)
    if isinstance(value, (int, float)):
        raise refusal(place, value, "a finite number, an int within 64 bits")
    raise refusal(place, value, "a value that JSON can carry")
