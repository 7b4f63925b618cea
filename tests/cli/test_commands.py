"""`clew info`, `clew query`, `--help` and `--version`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from clew import Index, cli


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """A directory with three records, one of them in a namespace of its own."""
    path = str(tmp_path / "data")
    with Index(path) as index:
        index.upsert([("a", [1.0, 0.0], {"colour": "red"}), ("b", [0.6, 0.8], {"colour": "[blue]"})])
        index.upsert([("c", [0.0, 1.0])], namespace="other")
    return path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    for command in ("demo", "info", "query"):
        assert command in text


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"clew {version('clew')}\n"


def test_no_command_is_a_wrong_call() -> None:
    with pytest.raises(SystemExit) as done:
        cli.main([])
    assert done.value.code == 2


def test_info_counts_by_namespace(directory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", directory]) == 0
    text = capsys.readouterr().out
    assert "3 vectors, DENSE, 2 dimensions, COSINE\n" in text
    assert "other" in text


def test_query_by_vector_prints_nearest_first(directory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["query", directory, "--vector", "1,0"]) == 0
    text = capsys.readouterr().out
    assert text.index("1.000000") < text.index("0.800000")
    assert "'[blue]'" in text


def test_query_like_a_record_leaves_out_what_the_filter_refuses(
    directory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["query", directory, "--like", "a", "--filter", "colour = 'red'", "--top-k", "5"]) == 0
    text = capsys.readouterr().out
    assert "red" in text
    assert "blue" not in text


@pytest.fixture(params=["SPARSE", "HYBRID"])
def texts(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A directory with two texts, of which both have a word in common."""
    path = str(tmp_path / "texts")
    models = {"embedding_model": "builtin/hashing"} if request.param == "HYBRID" else {}
    with Index(path, type=request.param, sparse_embedding_model="BM25", **models) as index:
        index.upsert([("fr", "Paris is the capital of France"), ("de", "Berlin is the capital of Germany")])
    return path


def test_an_index_of_every_kind_says_which_it_is(
    texts: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["info", texts]) == 0
    said = capsys.readouterr().out.split("\n")[0]
    hybrid = "2 vectors, HYBRID, 1024 dimensions, COSINE, builtin/hashing, BM25"
    assert said == (hybrid if "HYBRID" in request.node.name else "2 vectors, SPARSE, BM25")


def test_query_finds_texts_and_what_is_like_one(texts: str, capsys: pytest.CaptureFixture[str]) -> None:
    for asked in (["--text", "france's capital"], ["--like", "fr"]):
        assert cli.main(["query", texts, *asked]) == 0
        said = capsys.readouterr().out
        assert 0 < said.index("fr") < said.index("de ")


def test_what_is_like_a_text_without_terms_is_found_by_its_other_half(
    texts: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    with Index(texts) as index:
        index.upsert([("none", "the and of")])
    assert cli.main(["query", texts, "--like", "none"]) == 0
    said = capsys.readouterr().out
    hybrid = "HYBRID" in request.node.name
    assert [id in said for id in ("none", "fr", "de ")] == [hybrid, hybrid, hybrid]


def test_looking_changes_nothing_and_goes_on_beside_a_writer(
    directory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Index(directory) as index:
        index.upsert([("d", [1.0, 1.0])])
        assert cli.main(["info", directory]) == 0
        assert "4 vectors" in capsys.readouterr().out
        assert cli.main(["query", directory, "--like", "d", "--top-k", "1"]) == 0


def test_query_in_a_namespace(directory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["query", directory, "--vector=-1,0", "--namespace", "other"]) == 0
    assert "0.500000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--like", "nobody"], "clew: no record 'nobody' in namespace ''\n"),
        (["--vector", "1,2,3"], "dimension"),
        (["--vector", "1,0", "--filter", "colour ="], "filter"),
    ],
)
def test_a_failing_query_says_why_on_stderr(
    directory: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(["query", directory, *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("clew: ")
    assert message in said


def test_looking_at_a_directory_that_is_not_there_does_not_make_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["info", str(tmp_path / "nowhere")]) == 1
    assert "no directory" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_that_is_none_is_a_wrong_call(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["serve", "--dev", "--port", port])
    assert done.value.code == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--top-k", "0"], ["--vector", "a,b"]])
def test_a_wrong_option_is_a_wrong_call(directory: str, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["query", directory, "--vector", "1,0", *arguments])
    assert done.value.code == 2
