"""What is in deploy/ fits the product."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from clew import cli

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
UNIT = (ROOT / "deploy" / "clew.service").read_text()


def test_the_container_and_the_unit_start_the_server_with_options_that_it_has() -> None:
    [command] = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    started = shlex.split(re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)[0])
    assert Path(started[0]).name == "clew"
    for arguments, directory in ((json.loads(command), "/data"), (started[1:], "/var/lib/clew")):
        options = cli.parser().parse_args(arguments)
        assert (options.directory, options.port) == (directory, 8080)


def test_the_container_copies_what_there_is_and_all_that_a_build_needs() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert all((ROOT / name).exists() for name in names)
    assert names >= {"pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE", "cpp", "src"}


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    # It also looks for the program, which is not installed here.
    unit = tmp_path / "clew.service"
    unit.write_text(re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", UNIT, flags=re.MULTILINE))
    done = subprocess.run([tool, "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
