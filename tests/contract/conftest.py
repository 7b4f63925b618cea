"""Worlds are made once: the promises only read them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from opening import KINDS
from worlds import World, make_world

WORLDS = [
    ("exact", "COSINE"),
    ("exact", "EUCLIDEAN"),
    ("exact", "DOT_PRODUCT"),
    ("graph", "COSINE"),
    ("graph", "EUCLIDEAN"),
    ("graph", "DOT_PRODUCT"),
]


# A directory has the same graphs, and a server the same engine: a world or two of either size show
# that nothing is lost on the way. The slow tests read the others too.
QUICK_WORLDS = {
    "memory": WORLDS,
    "directory": [("exact", "EUCLIDEAN"), ("graph", "COSINE"), ("graph", "DOT_PRODUCT")],
    "remote": [("exact", "COSINE"), ("graph", "EUCLIDEAN")],
}


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(
            (kind, *world),
            id="-".join((kind, *world)),
            marks=[] if world in QUICK_WORLDS[kind] else [pytest.mark.slow],
        )
        for kind in KINDS
        for world in WORLDS
    ],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every size and metric, over every kind of index. Not to be written to."""
    kind, size, metric = request.param
    where = tmp_path_factory.mktemp("world") if kind == "directory" else None
    made = make_world(where, size, metric, remote=kind == "remote")
    yield made
    made.index.close()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The same numbers in every run, other ones in every test."""
    return random.Random(request.node.name)
