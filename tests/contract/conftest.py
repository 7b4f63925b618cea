"""Worlds are made once: the promises only read them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

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


# A server has the same engine behind it, so one world of either size shows that nothing is lost on the way.
REMOTE_WORLDS = [("exact", "COSINE"), ("graph", "EUCLIDEAN")]


@pytest.fixture(
    scope="session",
    params=[(kind, *world) for kind in KINDS for world in (REMOTE_WORLDS if kind == "remote" else WORLDS)],
    ids="-".join,
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every size and metric, over every kind of index. Not to be written to."""
    kind, size, metric = request.param
    where = tmp_path_factory.mktemp("world") if kind == "directory" else None
    made = make_world(where, size, metric, remote=kind == "remote")
    yield made
    made.index.close()


@pytest.fixture
def make_own_world(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Makes worlds that a test may write to."""
    made: list[World] = []

    def make(size: str) -> World:
        where = tmp_path_factory.mktemp("own") if kind == "directory" else None
        made.append(make_world(where, size, "COSINE", remote=kind == "remote"))
        return made[-1]

    yield make
    for world in made:
        world.index.close()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """The same numbers in every run, other ones in every test."""
    return random.Random(request.node.name)
