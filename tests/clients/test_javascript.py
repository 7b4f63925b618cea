"""The official `@upstash/vector` under Node, against a server in a process of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clew.server.indexes_file import create
from serving import create_every_kind, serving

CALLS = Path(__file__).with_name("javascript_calls.mjs")
KINDS_CALLS = Path(__file__).with_name("javascript_kinds_calls.mjs")
DOCS = Path(__file__).parents[2] / "docs" / "clients.md"
DOCUMENTED_URL = "http://127.0.0.1:8080"


def run(project: Path, program: Path, *arguments: str) -> str:
    """What `program` prints. It has to be in the project to find its packages."""
    inside = Path(shutil.copy(program, project))
    call = ["node", str(inside), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_the_official_javascript_sdk_makes_every_call(node_project: Path, tmp_path: Path) -> None:
    token = create(tmp_path, "index").full
    with serving(str(tmp_path)) as (url, _):
        assert run(node_project, CALLS, f"{url}/index", token) == "every call answered\n"


@pytest.mark.slow
def test_the_official_javascript_sdk_asks_sparse_and_hybrid_indexes_and_those_of_texts(
    node_project: Path, tmp_path: Path
) -> None:
    tokens = create_every_kind(tmp_path)
    with serving(str(tmp_path)) as (url, _):
        assert run(node_project, KINDS_CALLS, url, *tokens) == "every call answered\n"


@pytest.mark.slow
def test_the_javascript_lines_of_the_docs_work(node_project: Path, tmp_path: Path) -> None:
    [lines] = re.findall(r"```js\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert DOCUMENTED_URL in lines
    program = tmp_path / "documented.mjs"
    with serving("--dev") as (url, _):
        program.write_text(
            lines.replace(DOCUMENTED_URL, url)
            + 'await index.upsert({ id: "a", vector: [0.1, 0.2] });\n'
            + "console.log((await index.query({ vector: [0.1, 0.2], topK: 5 }))[0].id);\n"
        )
        assert run(node_project, program) == "a\n"
