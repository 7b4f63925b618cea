"""`clew demo`, run as the process a user would run."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clew.demo import load, show


def clew(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command; its output is no terminal, so it must not wait for anybody."""
    command = [sys.executable, "-m", "clew.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def output() -> str:
    """What `clew demo` prints."""
    ran = clew("demo")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def matching() -> int:
    """How many titles of the sample the demo's filter admits, counted without Clew."""
    return sum(m["year"] >= 2015 and "Docuseries" in m["genres"] for m in load().metadata)


def ids(output: str) -> list[str]:
    """The id column of every table, from top to bottom."""
    return re.findall(r"│\s*\d+\s*│\s*(s\d+)\s*│", output)


def test_the_demo_shows_pages_with_timings(output: str) -> None:
    assert re.findall(r"Page (\d): query\.(start|fetch_next)", output) == [
        ("1", "start"),
        ("2", "fetch_next"),
        ("3", "fetch_next"),
        ("4", "fetch_next"),
    ]
    assert len(re.findall(r"took [\d.]+ ms", output)) == 5


def test_no_title_is_shown_twice(output: str) -> None:
    shown = ids(output)
    assert len(shown) == 24
    assert len(set(shown)) == 24


def test_the_first_title_is_the_one_asked_for(output: str) -> None:
    sample = load()
    assert sample.metadata[sample.ids.index(ids(output)[0])]["title"] == "Our Planet"


def test_reading_on_returns_every_match_once(output: str) -> None:
    assert f"{matching()} titles match, and every one came: 0 repeated." in output
    assert f"{matching() - 24} more" in output


def test_the_four_lines_of_python_do_the_same(output: str) -> None:
    code = output[output.index("index = Index()") :].rstrip()
    assert len(code.split("\n")) == 4
    sample = load()
    names = {
        "ids": sample.ids,
        "vectors": sample.vectors,
        "metadata": sample.metadata,
        "vector": sample.vector_of("Our Planet"),
    }
    exec("from clew import Index\n" + code, names)
    assert [hit.id for hit in [*names["first"], *names["more"]]] == ids(output)[:12]
    names["query"].stop()


def test_the_demo_takes_less_than_ten_seconds() -> None:
    before = time.perf_counter()
    assert clew("demo", "--pages", "1").returncode == 0
    assert time.perf_counter() - before < 10


def test_pages_and_their_size_can_be_chosen() -> None:
    output = clew("demo", "--pages", "2", "--page-size", "3", "--like", "Chef's Table").stdout
    assert len(ids(output)) == 6
    assert f"{matching()} titles match" in output


def test_more_pages_than_there_are_end_where_the_titles_end() -> None:
    output = clew("demo", "--pages", "9", "--page-size", "100").stdout
    assert len(ids(output)) == matching()


def test_a_title_that_is_not_there_is_named() -> None:
    ran = clew("demo", "--like", "No Such Title")
    assert ran.returncode == 1
    assert ran.stderr == "clew: no title 'No Such Title' in the sample\n"


def test_the_sample_is_small_whole_and_of_unit_length() -> None:
    sample = load()
    assert len(set(sample.ids)) == len(sample.vectors) == len(sample.metadata) == len(sample.data) == 8807
    assert abs((sample.vectors**2).sum(axis=1) - 1).max() < 1e-5
    folder = Path(show.__file__).parent
    assert sum((folder / name).stat().st_size for name in ("titles.jsonl.gz", "vectors.npz")) < 3_000_000
