"""The public names: sorted, complete, and the same in both colours."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from types import ModuleType

import pytest

import clew
from clew import AsyncIndex, Index, errors, types


def calls(kind: type) -> dict[str, object]:
    """The public methods of a class, by name."""
    return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_all_is_sorted_and_without_repeats() -> None:
    assert clew.__all__ == sorted(set(clew.__all__))


def test_all_names_everything_public_and_only_what_is_there() -> None:
    public = {
        name
        for name, value in vars(clew).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    # A name that is loaded when first asked for is in `__all__` before it is in the module.
    assert public <= set(clew.__all__)
    for name in clew.__all__:
        assert getattr(clew, name) is not None


def test_every_error_crosses_processes() -> None:
    made = [errors.ServerError("d", 502), errors.Corruption("f", "e", "g"), errors.TransportError("t", True)]
    for name in vars(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.ClewError) and kind not in map(type, made):
            made.append(kind(name))
    for error in made:
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_an_index_says_where_it_is(tmp_path: Path) -> None:
    assert repr(Index()) == "<Index :memory:>"
    with Index(tmp_path / "films") as index:
        assert repr(index) == f"<Index {tmp_path / 'films'}>"
    assert repr(AsyncIndex("http://host/films", "secret")) == "<AsyncIndex http://host/films>"


def test_every_error_can_be_imported_from_the_package() -> None:
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.ClewError):
            assert getattr(clew, name) is value, name


def test_every_type_that_users_meet_can_be_imported_from_the_package() -> None:
    # What is common to the others, and the answer of a command that `Index.update` gives as a bool.
    inner = {"Fields", "UpdateResult"}
    for name, value in vars(types).items():
        if isinstance(value, type) and value.__module__ == types.__name__ and name not in inner:
            assert getattr(clew, name) is value, name


def test_index_and_async_index_have_the_same_calls() -> None:
    assert set(calls(Index)) == set(calls(AsyncIndex))


@pytest.mark.parametrize("name", ["__init__", *calls(Index)])
def test_index_and_async_index_take_the_same_arguments(name: str) -> None:
    sync, awaited = (str(inspect.signature(getattr(kind, name))) for kind in (Index, AsyncIndex))
    assert sync == awaited.replace("AsyncBackend", "Backend")


@pytest.mark.parametrize("name", calls(AsyncIndex))
def test_every_call_on_an_async_index_is_awaited(name: str) -> None:
    call = getattr(AsyncIndex, name)
    assert inspect.iscoroutinefunction(call) or inspect.ismethod(call), "and making one is not"


@pytest.mark.parametrize("name", calls(Index))
def test_every_call_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(getattr(Index, name))
    assert inspect.getdoc(getattr(AsyncIndex, name))
