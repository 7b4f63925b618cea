"""`ClientError` is the caller's; `UpstashError` is the base of every error."""

from clew.errors import ClewError as UpstashError
from clew.errors import ClientError

__all__ = ["ClientError", "UpstashError"]
