"""What errors say that more than one layer raises: the same, whoever finds it first."""

from __future__ import annotations

CLOSED = "the index is closed"
ONE_FETCH_CRITERION = "Only one of ids or prefix must be provided."
ONE_DELETE_CRITERION = "Only and only one of the ids, prefix, or filter must be provided."
