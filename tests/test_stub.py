"""The stub of the native core names what the core has, with the same arguments."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from clew import _core

STUB = Path(__file__).resolve().parent.parent / "src" / "clew" / "_core.pyi"


def arguments(function: ast.FunctionDef) -> str:
    """`(self, query, k, ef=, *, degree=)`: names, order, and which have a default."""
    given = function.args
    first_default = len(given.args) - len(given.defaults)
    parts = [a.arg + "=" * (place >= first_default) for place, a in enumerate(given.args)]
    named = [a.arg + "=" * (d is not None) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return f"({', '.join([*parts, *(['*', *named] if named else [])])})"


def surface(source: str) -> set[str]:
    """Every class, property and function of a stub, with arguments. Setters are left out."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            functions = [(f"{node.name}.", part) for part in node.body if isinstance(part, ast.FunctionDef)]
        else:
            functions = [("", node)] if isinstance(node, ast.FunctionDef) else []
        for owner, function in functions:
            decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
            if not any(decorator.endswith(".setter") for decorator in decorators):
                found.add(owner + function.name + ("" if "property" in decorators else arguments(function)))
    return found


def test_the_stub_is_that_of_the_core() -> None:
    stubgen = pytest.importorskip("nanobind.stubgen", reason="nanobind is there for development only")
    generator = stubgen.StubGen(_core)
    generator.put(_core)
    assert surface(STUB.read_text("utf-8")) == surface(generator.get())
