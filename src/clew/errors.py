"""Every error that Clew raises, and the HTTP status of each.

On the wire a plain ClientError is 422: 400 is left for bodies that cannot be read, as some SDKs take it for
success.

ClewError
+-- ClientError            400  the caller can fix it: arguments, state, stopped query
|   +-- DimensionMismatch  422
|   +-- InvalidFilter      422
|   +-- QueryNotActive     404  not started, stopped or expired
|   +-- NamespaceNotFound  404
|   +-- TooManyQueries     429
+-- Unauthorized           401
+-- Forbidden              403
+-- ServerError            5xx  a remote server failed: .status, .detail
+-- TransportError         503  the network failed: .retry_is_safe
+-- StorageError           500
    +-- Corruption              .file, .expected, .found
    +-- AlreadyOpen             another process holds the directory
    +-- Poisoned                a write failed earlier: reopen before writing again
"""

from __future__ import annotations


class ClewError(Exception):
    """Base of every error that Clew raises on purpose."""

    status = 500


class ClientError(ClewError):
    """The caller can fix it: an argument, a state, a stopped query."""

    status = 400


class DimensionMismatch(ClientError):
    """A vector does not have the dimension of its index."""

    status = 422


class InvalidFilter(ClientError):
    """A metadata filter cannot be parsed; the message gives line and column."""

    status = 422


class QueryNotActive(ClientError):
    """A resumable query was not started, was stopped, or has expired."""

    status = 404


class NamespaceNotFound(ClientError):
    """The namespace to delete or rename does not exist."""

    status = 404


class TooManyQueries(ClientError):
    """The cap on active resumable queries is reached."""

    status = 429


class Unauthorized(ClewError):
    """The token is missing or unknown."""

    status = 401


class Forbidden(ClewError):
    """The token does not permit this operation."""

    status = 403


class ServerError(ClewError):
    """A remote server failed; `status` and `detail` are what it said."""

    def __init__(self, detail: str, status: int = 500) -> None:
        super().__init__(f"server answered {status}: {detail}")
        self.detail = detail
        self.status = status

    def __reduce__(self) -> tuple[type[ServerError], tuple[str, int]]:
        return type(self), (self.detail, self.status)  # as errors cross processes by what they were made of


class TransportError(ClewError):
    """The network failed; `retry_is_safe` is false when the command may have been carried out."""

    status = 503

    def __init__(self, message: str, retry_is_safe: bool = False) -> None:
        super().__init__(message)
        self.retry_is_safe = retry_is_safe


class StorageError(ClewError):
    """The directory that holds the data cannot be read or written."""


class Corruption(StorageError):
    """A file does not hold what it must."""

    def __init__(self, file: str, expected: str, found: str) -> None:
        super().__init__(f"{file}: expected {expected}, found {found}")
        self.file = file
        self.expected = expected
        self.found = found

    def __reduce__(self) -> tuple[type[Corruption], tuple[str, str, str]]:
        return type(self), (self.file, self.expected, self.found)


class AlreadyOpen(StorageError):
    """Another process holds the directory."""


class Poisoned(StorageError):
    """A write failed earlier: close the index and open it again before writing."""
