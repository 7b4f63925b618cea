"""What a server refuses beside what the engine does, and how every error is said."""

from __future__ import annotations

import logging

from clew.errors import ClewError, ClientError
from clew.wire import failure, status_of, type_of

_log = logging.getLogger("clew.server")


class NotFound(ClientError):
    """There is no such index or endpoint."""

    status = 404


class MethodNotAllowed(ClientError):
    """HTTP has the method, this server does not."""

    status = 405


class TooSlow(ClientError):
    """The body did not come in time."""

    status = 408


class TooLarge(ClientError):
    """The body is larger than the server takes."""

    status = 413


_STOPPING = "The server is stopping and does not wait for this any longer; no record was changed"
STOPPING = 503, failure(_STOPPING, 503, "ServerError")
"""The status and the body for what was cancelled."""


def failed(endpoint: str, error: Exception) -> tuple[int, bytes]:
    """The status and the body that stand for `error`. What is the server's fault is logged."""
    if isinstance(error, ClewError):
        status, text, kind = status_of(error), str(error), type_of(error)
    else:
        status, text, kind = 500, "The server failed; its log says how", "ServerError"
    if status >= 500:
        _log.error("%s failed", endpoint, exc_info=error)
    return status, failure(text, status, kind)
