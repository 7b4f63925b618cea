"""`upsert_arrays` and `query_arrays`: NumPy in bulk."""

from __future__ import annotations

import re

import numpy as np
import pytest

from clew import AsyncIndex, ClientError, DimensionMismatch, Index
from clew.client import bulk

ROWS = np.random.default_rng(8).standard_normal((500, 6))
IDS = [f"v{i}" for i in range(500)]


def test_rows_are_kept_under_their_ids(index: Index) -> None:
    metadata = [{"n": i} if i % 2 else None for i in range(500)]
    data = [None if i % 3 else f"text {i}" for i in range(500)]
    assert index.upsert_arrays(IDS, ROWS, metadata=metadata, data=data, namespace="ns") == "Success"
    found = index.fetch(IDS, True, True, "ns", True)
    for i, record in enumerate(found):
        assert record is not None
        assert np.float32(record.vector).tolist() == ROWS[i].astype(np.float32).tolist()
        assert (record.metadata, record.data) == (metadata[i], data[i])


def test_arrays_and_records_are_one_index(index: Index) -> None:
    index.upsert([("v3", [0.0] * 6, {"old": 1}), ("x", [1.0] * 6)])
    index.upsert_arrays(IDS, ROWS)
    assert index.info().vector_count == 501
    assert index.query(ROWS[3], top_k=1, include_metadata=True)[0].keys() == ["id", "score"]
    assert [record.id for record in index.range(limit=3).vectors] == ["v3", "x", "v0"]


def test_of_rows_with_one_id_the_last_wins(index: Index) -> None:
    index.upsert_arrays(["a", "b", "a"], [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    (found,) = index.fetch("a", include_vectors=True)
    assert found is not None
    assert found.vector == [0.5, 0.5]
    assert index.info().vector_count == 2


def test_more_rows_than_one_command_carries(
    index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "ROWS_PER_COMMAND", 1000)
    n = 2_100
    rows = np.random.default_rng(9).standard_normal((n, 2)).astype(np.float32)
    index.upsert_arrays(range(n), rows, progress=True)
    assert capsys.readouterr() == ("", "")  # nobody looks at a terminal
    monkeypatch.setenv("FORCE_COLOR", "1")
    index.upsert_arrays(range(n), rows, progress=True)
    assert index.info().vector_count == n
    out, err = capsys.readouterr()
    assert (out, f"{n}/{n}" in re.sub(r"\x1b\[[0-9;]*m| ", "", err)) == ("", True)
    assert index.query(rows[-1], top_k=1)[0].score == 1.0


def test_no_rows_are_rows_too(index: Index) -> None:
    assert index.upsert_arrays([], []) == "Success"
    index.upsert_arrays(IDS[:2], ROWS[:2])
    assert index.query_arrays([]) == ([], [])
    assert index.query_arrays(np.zeros((0, 9))) == ([], [])


def test_bad_arrays_leave_the_index_as_it_was(index: Index) -> None:
    index.upsert_arrays(IDS[:10], ROWS[:10])
    bad = ROWS.copy()
    bad[400, 3] = np.nan
    with pytest.raises(ClientError, match=r"^vectors\[400\]\[3\] is nan"):
        index.upsert_arrays(IDS, bad)
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 5, expected: 6"):
        index.upsert_arrays(IDS, ROWS[:, :5])
    with pytest.raises(ClientError, match="^ids has 499"):
        index.upsert_arrays(IDS[:499], ROWS)
    assert index.info().vector_count == 10


def test_many_queries_are_answered_as_one_by_one(index: Index) -> None:
    index.upsert_arrays(IDS, ROWS, metadata=[{"n": i} for i in range(500)])
    queries = np.random.default_rng(10).standard_normal((50, 6))
    for filter in ("", "n < 7"):
        ids, scores = index.query_arrays(queries, top_k=9, filter=filter)
        assert len(ids) == len(scores) == 50
        for query, row, score in zip(queries, ids, scores, strict=True):
            hits = index.query(query, top_k=9, filter=filter)
            assert row == [hit.id for hit in hits]
            assert score.dtype == np.float32
            assert score.tolist() == pytest.approx([hit.score for hit in hits], abs=1e-6)


def test_no_queries_and_a_missing_namespace(index: Index) -> None:
    index.upsert_arrays(IDS, ROWS)
    assert [len(part) for part in index.query_arrays(np.zeros((0, 6)))] == [0, 0]
    ids, scores = index.query_arrays(ROWS[:3], namespace="missing")
    assert ids == [[], [], []]
    assert [len(score) for score in scores] == [0, 0, 0]


def test_queries_of_another_dimension_are_refused(index: Index) -> None:
    index.upsert_arrays(IDS, ROWS)
    with pytest.raises(DimensionMismatch):
        index.query_arrays(ROWS[:, :5])
    with pytest.raises(ClientError, match="^vectors is"):
        index.query_arrays(ROWS[0])


async def test_async_arrays_answer_the_same(async_index: AsyncIndex) -> None:
    await async_index.upsert_arrays(IDS, ROWS)
    ids, scores = await async_index.query_arrays(ROWS[:4], top_k=1)
    assert ids == [["v0"], ["v1"], ["v2"], ["v3"]]
    assert [score.tolist() for score in scores] == [[1.0]] * 4
