"""The official `upstash-vector` against a server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clew.server.catalogue import create
from serving import serving

CALLS = Path(__file__).with_name("sdk_calls.py")


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with the SDK: in an environment of its own, as the drop-in has the same name."""
    folder = tmp_path_factory.mktemp("sdk")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "upstash-vector"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"upstash-vector cannot be installed: {done.stderr.strip()[-200:]}")
    return python


@pytest.mark.slow
def test_the_official_sdk_makes_every_call_sync_and_async(sdk: str, tmp_path: Path) -> None:
    token = create(tmp_path, "index").full
    with serving(str(tmp_path)) as (url, _):
        call = [sdk, str(CALLS), f"{url}/index", token]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout == "every call answered\n"
