"""From the body of a request to its command: as the wire does it, but for the vector of a query."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from clew._core import take_vector
from clew.commands import AnyCommand, Query
from clew.errors import ClientError
from clew.server.pace import kind_of
from clew.wire import OPERATIONS, Operation

QUERY = OPERATIONS["query"]
# What is left of a query is mostly what was left of the last: the same `topK`, the same to include.
_SHORT = 256


class ReadQuery(NamedTuple):
    """A query but for its vector, and what is to be known of it before it is made."""

    query: Query
    kind: Hashable


def command_of(operation: Operation, body: bytes, namespace: str, query_string: str = "") -> AnyCommand:
    """The command that a body stands for. Raises ClientError, in the words of the wire.

    The numbers of a vector are most of the body of a query. The core makes float32 of them; to make a Python
    number of each first would take longer than all else that is done for the request.
    """
    if operation is QUERY and (taken := take_vector(body)) is not None:
        vector, rest = taken
        if (asked := query_of(rest, namespace)) is not None:
            return replace(asked.query, vector=vector)
    return operation.command(body, namespace, query_string)


def query_of(rest: bytes, namespace: str) -> ReadQuery | None:
    """What the body of a query asks in which the core left `null` for its vector. None where that is wrong;
    in what way, is to be said of the whole body.
    """
    try:
        return _known(rest, namespace) if len(rest) <= _SHORT else _read(rest, namespace)
    except ClientError:
        return None


def _read(rest: bytes, namespace: str) -> ReadQuery:
    query = QUERY.command(rest, namespace, "")
    assert isinstance(query, Query)  # of an object: the core looks into nothing else
    return ReadQuery(query, kind_of(query))


_known = lru_cache(1024)(_read)
