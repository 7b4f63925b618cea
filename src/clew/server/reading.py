"""From the body of a request to its command: as the wire does it, but for the vector of a query."""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from clew._core import take_vector
from clew.commands import AnyCommand, Query
from clew.errors import ClientError
from clew.wire import OPERATIONS, Operation

_QUERY = OPERATIONS["query"]
# What is left of a query is mostly what was left of the last: the same `topK`, the same to include.
_SHORT = 256
_known = lru_cache(1024)(_QUERY.command)


def command_of(operation: Operation, body: bytes, namespace: str, query_string: str = "") -> AnyCommand:
    """The command that a body stands for. Raises ClientError, in the words of the wire.

    The numbers of a vector are most of the body of a query. The core makes float32 of them; to make a Python
    number of each first would take longer than all else that is done for the request.
    """
    if operation is _QUERY and (taken := take_vector(body)) is not None:
        vector, rest = taken
        try:
            command = (_known if len(rest) <= _SHORT else _QUERY.command)(rest, namespace, query_string)
        except ClientError:
            pass  # said below, of the whole body
        else:
            if isinstance(command, Query) and command.vector is None:
                return replace(command, vector=vector)
    return operation.command(body, namespace, query_string)
