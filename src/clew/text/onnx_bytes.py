"""An ONNX model as bytes: as much of the format as a graph without weights needs.

It is a protocol buffer, its fields numbered as in onnx.proto of the ONNX project. The package `onnx` writes
the same, and takes longer to import than a model to load.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

FLOAT, INT64 = 1, 7  # types of elements
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT = 1, 2
_EXTERNAL = 1

# How a field is written, in the lowest bits of its tag.
_VARINT, _BYTES, _FIXED32 = 0, 2, 5

Value = int | float | str | bytes


def model(graph: bytes, opsets: dict[str, int], ir_version: int) -> bytes:
    """The file: a graph, and by domain the version of the operators in it."""
    sets = [(8, _message((1, domain), (2, version))) for domain, version in opsets.items()]
    return _message((1, ir_version), *sets, (7, graph))


def graph(
    name: str, nodes: Iterable[bytes], tensors: Iterable[bytes], inputs: list[bytes], outputs: list[bytes]
) -> bytes:
    """What is computed, in order."""
    fields: list[tuple[int, Value]] = [(1, one) for one in nodes]
    fields += [(2, name), *((5, one) for one in tensors)]
    return _message(*fields, *((11, one) for one in inputs), *((12, one) for one in outputs))


def node(kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: int | float) -> bytes:
    """One operator."""
    fields: list[tuple[int, Value]] = [*((1, one) for one in inputs), (2, output), (4, kind)]
    for name, value in attributes.items():
        number, type = (2, _ATTRIBUTE_FLOAT) if isinstance(value, float) else (3, _ATTRIBUTE_INT)
        fields.append((5, _message((1, name), (number, value), (20, type))))
    return _message(*fields, (7, domain))


def value(name: str, type: int, shape: Sequence[int | str]) -> bytes:
    """What goes in or out. A dimension that may be any has a name."""
    dimensions = [(1, _message((2 if isinstance(size, str) else 1, size))) for size in shape]
    return _message((1, name), (2, _message((1, _message((1, type), (2, _message(*dimensions)))))))


def constant(name: str, numbers: Sequence[int]) -> bytes:
    """A row of int64."""
    content = struct.pack(f"<{len(numbers)}q", *numbers)
    return _message((1, len(numbers)), (2, INT64), (8, name), (9, content))


def elsewhere(name: str, shape: Sequence[int], size_bytes: int) -> bytes:
    """A float32 tensor that is handed over on loading: the place it names is not looked at."""
    place = [("location", name), ("offset", "0"), ("length", str(size_bytes))]
    entries = [(13, _message((1, key), (2, said))) for key, said in place]
    return _message(*((1, size) for size in shape), (2, FLOAT), (8, name), *entries, (14, _EXTERNAL))


def _message(*fields: tuple[int, Value]) -> bytes:
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | _FIXED32) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have their highest bit set."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
