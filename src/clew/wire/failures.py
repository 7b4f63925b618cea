"""Errors on the wire: `{"error": text, "status": N, "type": name}`, and the class that stands for it again.

`type` is ours: other clients ignore it, ours raises the class that the engine raised.
"""

from __future__ import annotations

import re

import msgspec

from clew import errors
from clew.errors import ClewError, ClientError, Corruption, ServerError, StorageError
from clew.wire import bodies as b

# Some SDKs take every status but 422 and 5xx for success, so an argument that cannot be used is a 422 here.
# 400 is left for a body that cannot be read at all.
UNUSABLE = 422
UNREADABLE = 400

_PLACE = re.compile(r"\(byte (\d+)\)")


class Unreadable(ClientError):
    """A body that is not JSON, or JSON of the wrong shape. `ClientError` on the other side."""


class Failure(msgspec.Struct, omit_defaults=True):
    """Every answer that is an error."""

    error: str
    status: int = 0
    type: str = ""


# Fields whose names differ from those of the arguments: by argument, and by field.
_FIELDS = {
    field.name: field.encode_name
    for body in (b.StartBody, b.NextBody)
    for field in msgspec.structs.fields(body)
    if field.name != field.encode_name
}
_ARGUMENTS = {field: argument for argument, field in _FIELDS.items()}

_FAILURE = msgspec.json.Decoder(Failure)


def unreadable(body: bytes, error: Exception) -> ClientError:
    """What is wrong with `body`, in the words of the service and then in those of the decoder."""
    if isinstance(error, msgspec.ValidationError):
        if "out of range" in str(error):  # it is a number, and of the right shape: only too large
            return ClientError(str(error))
        return Unreadable(f"Missing or wrong input: {error}")
    found = _PLACE.search(str(error))
    before = body[: int(found[1]) if found else len(body)]
    line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
    return Unreadable(
        f"Missing or wrong input at [Source: (ByteArrayInputStream); line: {line}, column: {column}]"
    )


def status_of(error: ClewError) -> int:
    """The status that an error has on the wire."""
    if isinstance(error, Unreadable):
        return UNREADABLE
    return UNUSABLE if error.status == ClientError.status else error.status


def failure(text: str, status: int, type: str) -> bytes:
    """The body of an error answer."""
    return msgspec.json.encode(Failure(_renamed(text, _FIELDS), status, type))


def type_of(error: ClewError) -> str:
    """The name that the class of an error has on the wire."""
    # What is wrong with a file of the server is its own affair; that its storage failed is not.
    if isinstance(error, Corruption):
        return StorageError.__name__
    # The nearest class that both sides know.
    names = [kind.__name__ for kind in type(error).__mro__]
    return next(name for name in names if hasattr(errors, name))


def raised(status: int, body: bytes) -> ClewError:
    """The error that an answer of `status` stands for."""
    try:
        said = _FAILURE.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ServerError(body[:200].decode("utf-8", "replace") or "no body", status)
    kind = getattr(errors, said.type, None) if said.type else _KIND_OF.get(status)
    plain = isinstance(kind, type) and issubclass(kind, ClewError) and kind.__init__ is ClewError.__init__
    if plain and kind is not None:
        return kind(_renamed(said.error, _ARGUMENTS))
    return ServerError(said.error, status)


def _renamed(text: str, names: dict[str, str]) -> str:
    """The text of an error, the argument with whose name it begins called as the other side knows it."""
    first, space, rest = text.partition(" ")
    return names.get(first, first) + space + rest


# What a server that sends no `type` means.
_KIND_OF: dict[int, type[ClewError]] = {
    400: errors.ClientError,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.ClientError,
    405: errors.ClientError,
    413: errors.ClientError,
    422: errors.ClientError,
    429: errors.TooManyQueries,
}
