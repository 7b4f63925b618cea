"""Worlds of sparse and hybrid records, and one form of query over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sparse_asking import CASES, Asking
from sparse_worlds import SparseWorld, make_sparse_world


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], SparseWorld]]:
    """Made once: not to be written to."""
    made: dict[tuple[str, str], SparseWorld] = {}

    def world(kind: str, type: str) -> SparseWorld:
        if (kind, type) not in made:
            where = tmp_path_factory.mktemp("world") if kind == "directory" else None
            made[kind, type] = make_sparse_world(where, type, remote=kind == "remote")
        return made[kind, type]

    yield world
    for one in made.values():
        one.index.close()


@pytest.fixture(params=CASES, ids="-".join)
def asking(request: pytest.FixtureRequest, worlds: Callable[[str, str], SparseWorld]) -> Asking:
    kind, type, form = request.param
    return Asking(worlds(kind, type), form)


@pytest.fixture(params=CASES, ids="-".join)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """One that a test may write to."""
    kind, type, form = request.param
    where = tmp_path_factory.mktemp("own") if kind == "directory" else None
    world = make_sparse_world(where, type, 200, remote=kind == "remote")
    yield Asking(world, form)
    world.index.close()
