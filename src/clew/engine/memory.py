"""How much memory there is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# What a container may take, by version 2 and 1 of control groups.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

# What takes more than this share of the memory is better left in its file.
SHARE_MAX = 0.5


def memory_bytes() -> int:
    """That of the machine, or of the container where it may take less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # absent, or "max"
            found.append(int(Path(limit).read_text()))
    return min(found)


def fits_memory(path: Path) -> bool:
    """Whether what a file holds leaves much of the memory free."""
    return path.stat().st_size <= SHARE_MAX * memory_bytes()
