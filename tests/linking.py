"""Graphs that are linked in a quarter of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from clew._core import Graph
from clew.engine import parts


@contextmanager
def linking_quickly() -> Iterator[None]:
    """Namespaces made meanwhile choose edges from few candidates: for tests of what is done with a graph, not
    of how good it is. Linking is most of what such a test takes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "Graph", partial(Graph, ef_construction=32))
        yield
