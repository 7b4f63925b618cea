"""Metadata filters: the language, and its evaluation over columns to a bitmap of slots."""

from clew.filters.columns import Columns
from clew.filters.grammar import parse

__all__ = ["Columns", "parse"]
