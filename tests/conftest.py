"""An index of every kind, closed after the test, and a clock that tests turn by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew import Index
from clew.config import TOKEN_VARIABLES, URL_VARIABLES
from linking import linking_quickly
from opening import KINDS, FakeClock, open_async_index, open_index

MakeIndex = Callable[..., Index]


def pytest_configure(config: pytest.Config) -> None:
    """Properties are tried with the same examples in every run, however busy the machine is."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # its workers run the tests: it need not wait a second for Hypothesis
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "the same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("the same")


@pytest.fixture(autouse=True)
def _no_server_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*URL_VARIABLES, *TOKEN_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def quick_links() -> Iterator[None]:
    """For a module that asks nothing of how good a graph is."""
    with linking_quickly():
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_index(kind: str, tmp_path: Path) -> Iterator[MakeIndex]:
    """Makes indexes of the kind that the test runs over: `make_index(similarity_function="EUCLIDEAN")`."""
    made: list[Index] = []

    def make(**settings: Any) -> Index:
        where = tmp_path / f"index-{len(made)}" if kind == "directory" else None
        made.append(open_index(where, remote=kind == "remote", **settings))
        return made[-1]

    yield make
    for index in made:
        index.close()


@pytest.fixture
def index(make_index: MakeIndex) -> Index:
    return make_index()


@pytest.fixture
async def async_index(kind: str, tmp_path: Path) -> Any:
    where = tmp_path / "index" if kind == "directory" else None
    async with open_async_index(where, remote=kind == "remote") as index:
        yield index
