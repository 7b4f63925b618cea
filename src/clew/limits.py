"""What there may be at most, where several layers hold a caller to it, and what the machine has."""

from __future__ import annotations

import os

# What one call may ask for, as the hosted service has it. It bounds the memory of an answer.
RESULTS_MAX = 1000

# Coordinates of a sparse vector, as the hosted service has it; and the range of its indices.
SPARSE_MAX = 1000
SPARSE_INDEX_MIN, SPARSE_INDEX_MAX = -(2**31), 2**31 - 1

# Levels of objects and lists in metadata, which is the first of them itself: deeper ones would exhaust the
# stack of the JSON encoder.
METADATA_DEPTH_MAX = 100
# JSON integers that every reader of ours keeps exactly: signed and unsigned 64 bits.
INT_MIN, INT_MAX = -(2**63), 2**64 - 1


def processors() -> int:
    """Those that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
