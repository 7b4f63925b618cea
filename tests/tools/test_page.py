"""The commands of docs/tools.md run from top to bottom, and say what the page says they do."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from clew import cli
from clew.tools.sources import _FILES

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text("utf-8")


def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    said: list[str] = []
    for language, text in re.findall(r"^```(python|sh)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        if language == "python":
            exec(text, names)
            continue
        for line in text.strip().split("\n"):
            command, _, comment = line.partition("#")
            program, *arguments = shlex.split(command)
            assert program == "clew"
            assert cli.main(arguments) == 0, line
            said.append(capsys.readouterr().out)
            assert comment.strip() in said[-1], line
    assert len(said) == 9
    assert (tmp_path / "films-backup" / "clew.sqlite").exists()


@pytest.mark.parametrize("ending", _FILES)
def test_every_kind_of_file_is_on_the_page(ending: str) -> None:
    assert f"`{ending}`" in PAGE
