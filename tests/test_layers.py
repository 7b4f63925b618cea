"""Imports go only to a lower row: the picture of docs/architecture.md, read from the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "clew"

ROWS = [
    {"errors", "types", "config", "limits", "messages", "bars"},
    {"commands", "_core"},
    {"filters", "text"},
    {"engine"},
    {"wire"},
    {"backends"},
    {"client", "server"},
    {"__init__"},  # the public names, nothing else
    {"cli", "demo", "tools"},
]
ROW_OF = {part: row for row, parts in enumerate(ROWS) for part in parts}
# Neighbours at the very bottom and the very top may know one another; no others may.
NEIGHBOURLY = {ROW_OF["errors"], ROW_OF["cli"]}
# Arrows that point down and are wrong all the same: what travels must not know what stands still.
NEVER = [("wire", "engine"), ("wire", "_core"), ("backends.remote", "engine"), ("backends.remote", "_core")]

MODULES = sorted(path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py"))


def name_of(module: Path) -> str:
    """`engine/records` as `engine.records`, `engine/__init__` as `engine`."""
    parts = module.parts[:-1] if len(module.parts) > 1 and module.name == "__init__" else module.parts
    return ".".join(parts)


def imported(module: Path) -> Iterator[str]:
    """The parts of Clew that a module imports, by their names below `clew`."""
    for node in ast.walk(ast.parse((SOURCE / module).with_suffix(".py").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute, so that they can be read"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "clew":
                # `from clew import Index` asks the package itself; `from clew import _core` a part of it.
                yield rest if rest.split(".")[0] in ROW_OF else "__init__"


def test_imports_go_only_to_a_lower_row() -> None:
    for module in MODULES:
        name = name_of(module)
        part = name.split(".")[0]
        assert part in ROW_OF, f"{module} has no row: give it one here and in docs/architecture.md"
        for target in imported(module):
            other = target.split(".")[0]
            lower = ROW_OF[other] < ROW_OF[part]
            neighbourly = ROW_OF[other] == ROW_OF[part] and ROW_OF[part] in NEIGHBOURLY
            assert other == part or lower or neighbourly, f"{name} (row {ROW_OF[part]}) imports {target}"
            assert not [low for high, low in NEVER if name.startswith(high) and other == low], (
                f"{name} must never import {target}"
            )


def test_the_architecture_page_draws_the_same_rows() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for part in ROW_OF:
        assert re.search(rf"(?<![\w.]){part}(?!\w)", text), f"docs/architecture.md does not draw {part}"


def test_the_architecture_page_names_every_file_of_the_engine_and_of_the_core() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    engine = {path.name for path in (SOURCE / "engine").glob("[!_]*.py")}
    assert not {name for name in engine if f"`{name}`" not in text}
    # `sparse_search.cpp` is of `sparse`, `image_file.hpp` of `image`.
    core = {path.stem.split("_")[0] for path in (ROOT / "cpp").iterdir()} - {"code"}
    assert not {name for name in core if f"`{name}`" not in text}


def test_only_the_bindings_know_python() -> None:
    for path in (ROOT / "cpp").iterdir():
        includes = re.findall(r"#\s*include\s*[<\"]([^>\"]+)", path.read_text("utf-8"))
        if not path.name.startswith("bindings"):
            assert not [name for name in includes if name.startswith(("Python", "nanobind", "numpy"))], path


def test_importing_clew_loads_no_server_embedder_or_console() -> None:
    heavy = ["clew.server", "clew.text", "clew.tools", "clew.cli", "clew.demo", "rich", "httpx"]
    code = f"import sys, clew; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
