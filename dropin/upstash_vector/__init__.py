"""Clew under the import name of the Upstash Vector SDK."""

from clew import AsyncIndex, Index, Vector

__version__ = "0.8.0"

__all__ = ["AsyncIndex", "Index", "Vector"]
