"""The namespace of calls that name none."""

from clew.commands import DEFAULT_NAMESPACE

__all__ = ["DEFAULT_NAMESPACE"]
