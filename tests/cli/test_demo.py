"""`clew demo`, run as the process a user would run."""

from __future__ import annotations

import io
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from clew import Index, cli
from clew.demo import Sample, load, search, show


def clew(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command; its output is no terminal, so it must not wait for anybody."""
    command = [sys.executable, "-m", "clew.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def demo() -> tuple[str, float]:
    """What `clew demo` prints, and the seconds of processor time it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = clew("demo")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.fixture
def output(demo: tuple[str, float]) -> str:
    return demo[0]


@pytest.fixture(scope="module")
def sample() -> Sample:
    return load()


def matching(sample: Sample) -> list[int]:
    """The rows of the sample that the demo's filter admits, found without Clew."""
    rows = enumerate(sample.metadata)
    return [row for row, m in rows if m["year"] >= 2015 and "Docuseries" in m["genres"]]


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


def test_the_first_title_is_the_one_asked_for(output: str, sample: Sample) -> None:
    assert sample.metadata[sample.ids.index(ids(output)[0])]["title"] == "Our Planet"


def test_reading_on_returns_every_match_once(output: str, sample: Sample) -> None:
    matches = len(matching(sample))
    assert f"{matches} titles match, and every one came: 0 repeated." in output
    assert f"{matches - 24} more" in output


def test_the_four_lines_of_python_do_the_same(output: str, sample: Sample) -> None:
    code = output[output.index("index = Index()") :].rstrip()
    assert len(code.split("\n")) == 4
    # What the filter admits and some others; the rest of the sample would only take time to index.
    rows = sorted({*matching(sample), *range(500)})
    names = {
        "ids": [sample.ids[row] for row in rows],
        "vectors": sample.vectors[rows],
        "metadata": [sample.metadata[row] for row in rows],
        "vector": sample.vector_of("Our Planet"),
    }
    exec("from clew import Index\n" + code, names)
    assert [hit.id for hit in [*names["first"], *names["more"]]] == ids(output)[:12]
    names["query"].stop()


def test_the_demo_takes_less_than_ten_seconds(demo: tuple[str, float]) -> None:
    # Processor time: it does not depend on what else the machine does, and is more than the time on a clock.
    assert demo[1] < 10


def test_more_pages_than_there_are_end_where_the_titles_end(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What the filter admits and some others; the rest of the sample would only take time to index.
    rows = sorted({*matching(sample), *range(500)})
    some = Sample(
        [sample.ids[row] for row in rows],
        sample.vectors[rows],
        [sample.metadata[row] for row in rows],
        [sample.data[row] for row in rows],
    )
    monkeypatch.setattr(show, "load", lambda: some)
    assert cli.main(["demo", "--pages", "9", "--page-size", "100", "--like", "chef's table"]) == 0
    shown = ids(capsys.readouterr().out)
    assert sorted(shown) == sorted(sample.ids[row] for row in matching(sample))
    assert sample.metadata[sample.ids.index(shown[0])]["title"] == "Chef's Table"


@pytest.mark.parametrize(("terminal", "waits"), [(True, 3), (False, 0)])
def test_only_a_terminal_is_waited_for(
    terminal: bool, waits: int, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []
    console = Console(file=io.StringIO(), force_terminal=terminal, force_interactive=terminal, width=100)
    monkeypatch.setattr(console, "input", waited.append)
    with Index() as index:
        index.upsert_arrays(sample.ids[:30], sample.vectors[:30], metadata=sample.metadata[:30])
        with index.resumable_query(vector=sample.vectors[0], top_k=5, include_metadata=True) as query:
            show.show_pages(console, query, show.Progress(), 4, 5)
    assert len(waited) == waits


@pytest.mark.slow
def test_words_are_searched_page_by_page_to_the_end(sample: Sample) -> None:
    ran = clew("demo", "--text", "a detective who hunts a serial killer in Norway", "--pages", "2")
    assert ran.returncode == 0, ran.stderr
    shown = ids(ran.stdout)
    assert len(set(shown)) == 12
    about = " ".join(sample.data[sample.ids.index(id)] for id in shown).lower()
    assert "serial killer" in about
    assert "detective" in about
    assert "8807 titles match, and every one came: 0 repeated." in ran.stdout
    code = ran.stdout[ran.stdout.index("index = Index(") :].rstrip()
    rows = sorted({*map(sample.ids.index, shown), *range(300)})
    names = {
        "ids": [sample.ids[row] for row in rows],
        "texts": [search.texts_of(sample)[row] for row in rows],
        "metadata": [sample.metadata[row] for row in rows],
    }
    exec("from clew import Index\n" + code, names)
    assert {hit.id for hit in [*names["first"], *names["more"]]} & set(shown)
    names["query"].stop()


def test_a_title_that_is_not_there_is_named() -> None:
    ran = clew("demo", "--like", "No Such Title")
    assert ran.returncode == 1
    assert ran.stderr == "clew: no title 'No Such Title' in the sample\n"


def test_the_sample_is_small_whole_and_of_unit_length(sample: Sample) -> None:
    assert len(set(sample.ids)) == len(sample.vectors) == len(sample.metadata) == len(sample.data) == 8807
    assert abs((sample.vectors**2).sum(axis=1) - 1).max() < 1e-5
    folder = Path(show.__file__).parent
    assert sum((folder / name).stat().st_size for name in ("titles.jsonl.gz", "vectors.npz")) < 3_000_000
