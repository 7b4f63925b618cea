from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clew.filters import Columns

Admits = Callable[..., list[int]]


@pytest.fixture(scope="session")
def admits() -> Admits:
    """admits(filter, *metadata): the positions of the metadata that the filter admits."""

    def admits(text: str, *metadata: dict[str, Any] | None) -> list[int]:
        words = Columns(lambda start, stop, keys: metadata[start:stop]).allowed(text, len(metadata))
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
        return np.flatnonzero(bits).tolist()

    return admits
