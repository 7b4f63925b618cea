"""What the docs show, runs; what the product offers, the docs name."""

from __future__ import annotations

import argparse
import ast
import asyncio
import enum
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clew import Index, ResumableQuery, cli, errors

ROOT = Path(__file__).resolve().parent.parent
API = (ROOT / "docs" / "api.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES_WITH_CODE = [page for page in PAGES if "```python" in page.read_text("utf-8")]


def relative(page: Path) -> str:
    """A page as a test id."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """The Python code of a page: the line each block starts after, and its text."""
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield text[: found.start(1)].count("\n"), found.group(1)


def asserted(line: str) -> str:
    """`expression  # -> value` as a line that checks it; any other line unchanged."""
    shown = re.fullmatch(r"(\S.*?)\s+# -> (.+)", line)
    return f"assert ({shown[1]}) == ({shown[2]}), ({shown[1]})" if shown else line


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=relative)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for start, text in blocks(page):
            # Empty lines in front keep the line numbers of the page in tracebacks.
            source = "\n" * start + "\n".join(map(asserted, text.split("\n")))
            code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(code, names)
            if waiting is not None:
                runner.run(waiting)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{relative(page)} links to {target}"


class Shown:
    """A default as a reader would write it."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        kind = type(self.value)
        return f"{kind.__name__}.{self.value.name}" if isinstance(self.value, enum.Enum) else repr(self.value)


def signature(function: Any) -> str:
    """A call's arguments as the API page writes them: without self and annotations."""
    return str(
        inspect.Signature(
            [
                p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else Shown(p.default))
                for name, p in inspect.signature(function).parameters.items()
                if name != "self"
            ]
        )
    )


def unwrapped(text: str) -> str:
    """Text without the line breaks that a long signature needs, and with one kind of quotes."""
    return re.sub(r"(?<=\() | (?=\))", "", re.sub(r"\s+", " ", text)).replace("'", '"')


def calls(kind: type) -> list[str]:
    """The names of the public methods of a class."""
    return [name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")]


@pytest.mark.parametrize("name", calls(Index))
def test_every_call_of_index_is_documented_with_its_arguments_and_defaults(name: str) -> None:
    # A call of the class itself, such as from_env, is written with its name.
    owner = "Index" if inspect.ismethod(getattr(Index, name)) else "index"
    assert unwrapped(f"{owner}.{name}{signature(getattr(Index, name))}") in unwrapped(API)


@pytest.mark.parametrize("name", calls(ResumableQuery))
def test_every_call_of_a_resumable_query_is_documented(name: str) -> None:
    assert unwrapped(f"query.{name}{signature(getattr(ResumableQuery, name))}") in unwrapped(API)


def test_the_arguments_of_index_are_documented() -> None:
    assert unwrapped(f"Index{signature(Index)}") in unwrapped(API)


def test_every_error_is_documented_with_its_status() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.ClewError):
            assert re.search(rf"^\| `{name}` \| {kind.status} ", API, re.MULTILINE), name


@pytest.mark.parametrize("name", list(inspect.signature(Index).parameters))
def test_every_setting_is_described(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", API, re.MULTILINE)


def test_every_environment_variable_is_documented() -> None:
    source = (ROOT / "src" / "clew" / "config.py").read_text("utf-8")
    for name in set(re.findall(r"\b(?:CLEW|UPSTASH)_[A-Z_]+\b", source)):
        assert name in API, name


def commands() -> dict[str, argparse.ArgumentParser]:
    """The subcommands of `clew`."""
    [group] = [action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(group.choices)


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_is_documented(name: str) -> None:
    assert f"`clew {name}" in API
    for action in commands()[name]._actions:
        assert action.help, f"clew {name} {action.dest} has no help"
        for option in action.option_strings:
            assert option in {"-h", "--help"} or f"`{option}" in API, f"clew {name} {option}"


def test_make_help_and_the_readers_of_contributing_see_the_same_targets() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for target in targets:
        assert f"`make {target}`" in text, target


def test_readme_reaches_the_first_resumable_query_within_30_lines() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").split("\n")
    assert any("resumable_query(" in line for line in lines[:30])
