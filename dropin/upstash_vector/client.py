"""The two kinds of index."""

from clew import AsyncIndex, Index

__all__ = ["AsyncIndex", "Index"]
