"""`verify` finds what is wrong with a store, and nothing where nothing is."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import numpy as np
import pytest

from clew import ClientError, Index, cli
from clew.engine.engine import Engine
from clew.engine.verify import verify
from engine_calls import fetch_ids, start
from vectors import clustered

pytestmark = pytest.mark.usefixtures("quick_links")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with Index(tmp_path / "index") as index:
        vectors = np.random.default_rng(0).standard_normal((300, 16))
        index.upsert_arrays(range(300), vectors, metadata=[{"i": i} for i in range(300)])
        index.upsert([("a", np.ones(16))], namespace="n")
        index.delete(["7", "8"])
    return tmp_path / "index"


def damaged(directory: Path, sql: str) -> tuple[str, ...]:
    connection = apsw.Connection(str(directory / "clew.sqlite"))
    connection.execute(sql)
    connection.close()
    return verify(directory).problems


def test_a_whole_store_has_no_problems(directory: Path) -> None:
    verdict = verify(directory)
    assert verdict.problems == ()
    assert (verdict.records, verdict.namespaces) == (299, 2)


def test_a_store_is_read_while_it_is_open_and_written_to(directory: Path) -> None:
    with Index(directory) as index:
        index.upsert([("new", np.zeros(16))])
        verdict = verify(directory)
    assert (verdict.records, verdict.problems) == (300, ())


def test_the_steps_are_counted(directory: Path) -> None:
    steps: list[tuple[int, int]] = []
    verify(directory, lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert {total for _, total in steps} >= {len(steps)}


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("DELETE FROM vectors WHERE row = 5", "a record has no vector: row 5, id '4'"),
        ("DELETE FROM records WHERE row = 5", "a vector belongs to no record: row 5"),
        (
            "UPDATE vectors SET vector = x'00' WHERE row = 5",
            "a vector does not have the dimension of the index: row 5, 1 bytes of blob",
        ),
        (
            "UPDATE state SET dimension = NULL",
            "a vector does not have the dimension of the index: row 1, 64 bytes of blob",
        ),
        (
            "UPDATE records SET namespace = 99 WHERE id = 'a'",
            "a record belongs to no namespace: row 301, id 'a'",
        ),
        (
            "UPDATE namespaces SET next_position = 299 WHERE name = ''",
            "a record has a position that is still to be given: row 300, id '299'",
        ),
        ("UPDATE state SET next_row = 301", "a record has a row that is still to be given: row 301, id 'a'"),
        (
            "UPDATE records SET created_seq = 99 WHERE row = 5",
            "a record was written or removed by a command that never was: row 5, id '4'",
        ),
        ("UPDATE records SET id = '5' WHERE id = '4'", "an id has two records: id '5'"),
        ("UPDATE records SET position = 5 WHERE position = 4", "a position has two records: position 5"),
        ("UPDATE records SET metadata = '{' WHERE row = 5", "metadata is no JSON object: row 5, id '4'"),
        ("UPDATE records SET metadata = '[1]' WHERE row = 5", "metadata is no JSON object: row 5, id '4'"),
        (
            "UPDATE vectors SET vector = CAST(x'0000807f' || substr(vector, 5) AS BLOB) WHERE row = 5",
            "a vector is not finite: row 5",
        ),
        (
            "UPDATE vectors SET vector = printf('%64s', '') WHERE row = 5",
            "a vector does not have the dimension of the index: row 5, 64 bytes of text",
        ),
    ],
)
def test_what_is_wrong_is_told(directory: Path, sql: str, problem: str) -> None:
    assert problem in damaged(directory, sql)


def test_of_many_problems_of_one_kind_some_are_told(directory: Path) -> None:
    assert len(damaged(directory, "DELETE FROM vectors")) == 5


@pytest.mark.parametrize("at", [0, 16_384 + 1, 5 * 16_384 + 8])
def test_a_damaged_file_is_told(directory: Path, at: int) -> None:
    file = directory / "clew.sqlite"
    content = bytearray(file.read_bytes())
    content[at : at + 64] = bytes(range(64, 128))
    file.write_bytes(content)
    assert verify(directory).problems


@pytest.fixture
def imaged(tmp_path: Path) -> Path:
    """An index large enough to have an image."""
    with Index(tmp_path / "index") as index:
        index.upsert_arrays(range(2_100), clustered(2_100, 4, seed=1))
    return tmp_path / "index"


def test_an_image_that_is_whole_is_not_spoken_of(imaged: Path) -> None:
    verdict = verify(imaged)
    assert (verdict.problems, verdict.remarks) == ((), ())
    with Index(imaged) as index:
        index.delete(["3"])
        index.upsert([("4", [1, 2, 3, 4])])
        assert verify(imaged).remarks == ()


def test_a_damaged_image_is_told_and_is_no_problem(imaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = imaged / "clew.1.image"
    content = bytearray(image.read_bytes())
    content[5_000] ^= 1
    image.write_bytes(content)
    verdict = verify(imaged)
    assert verdict.problems == ()
    [remark] = verdict.remarks
    assert "the image of namespace '' is damaged, and its graph will be made anew from the records" in remark
    cli.main(["check", str(imaged)])
    assert f"note: {remark}" in capsys.readouterr().out
    with Index(imaged):
        pass
    assert verify(imaged).remarks == ("clew.1.image.damaged was damaged and set aside; it can be removed",)


def test_an_image_of_another_index_is_told(imaged: Path, tmp_path: Path) -> None:
    with Index(tmp_path / "other") as index:
        index.upsert_arrays(range(2_100), clustered(2_100, 4, seed=2))
    shutil.copy(tmp_path / "other" / "clew.1.image", imaged)
    [remark] = verify(imaged).remarks
    assert "cannot be used" in remark
    assert "history" in remark


def test_an_image_with_other_vectors_than_the_records_is_told(imaged: Path) -> None:
    connection = apsw.Connection(str(imaged / "clew.sqlite"))
    connection.execute("UPDATE vectors SET vector = zeroblob(16) WHERE row = 7")
    connection.close()
    [remark] = verify(imaged).remarks
    assert "a vector of rows 1 to 2100 is not that of the records" in remark


def test_damaged_open_queries_are_told(imaged: Path) -> None:
    engine = Engine.open(imaged)
    uuid = start(engine, 1, 2, 3, 4, top_k=50)
    for _ in range(2):
        fetch_ids(engine, uuid, 500)
    assert verify(imaged).problems == ()
    engine.close()
    file = imaged / "clew.queries.sqlite"
    connection = apsw.Connection(str(file))
    connection.execute("UPDATE places SET last = substr(last, 1, 30)")
    connection.close()
    [problem] = verify(imaged).problems
    assert f"what query {uuid} has returned cannot be read" in problem
    connection = apsw.Connection(str(file))
    connection.execute("UPDATE queries SET query = x'91'")
    connection.close()
    [problem] = verify(imaged).problems
    assert "the open queries are damaged" in problem
    file.write_bytes(b"no database at all" * 1000)
    [problem] = verify(imaged).problems
    assert "the open queries are damaged" in problem


def test_a_directory_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="holds no index: it has no file"):
        verify(tmp_path)
    assert list(tmp_path.iterdir()) == []
