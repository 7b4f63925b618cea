"""`query`: the nearest records, with the scores that the wire's description records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clew import AsyncIndex, ClientError, DimensionMismatch, Index, InvalidFilter

NINE = [1.0] * 9


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert(
        [
            ("id0", [0.1, 0.2]),
            ("id1", [0.2, 0.3], {"key": "value", "n": 1}),
            ("id2", [0.3, 0.4], {"n": 2}, "data"),
        ]
    )
    return index


def test_cosine_scores_are_those_recorded_to_the_last_digit(make_index: Any) -> None:
    ten = make_index()
    ten.upsert([("zero", [*NINE, 0.0])])
    assert ten.query([1.0] * 10)[0].score == 0.97434163
    assert ten.query([*NINE, 2.0])[0].score == 0.91602516
    two = make_index()
    two.upsert([("id1", [0.2, 0.3]), ("id2", [0.3, 0.4])])
    assert {hit.id: hit.score for hit in two.query([0.1, 0.1])} == {"id2": 0.9949748, "id1": 0.99029034}


def test_a_vector_scores_exactly_one_with_itself_under_cosine(make_index: Any) -> None:
    generator = np.random.default_rng(6)
    for dimension in (1, 2, 3, 7, 16, 100, 384, 1000):
        index = make_index()
        rows = np.concatenate(
            [generator.standard_normal((20, dimension)), generator.integers(1, 384, (20, dimension))]
        )
        index.upsert_arrays(range(40), rows)
        for row in rows:
            assert index.query(row, top_k=1)[0].score == 1.0


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("EUCLIDEAN", {"id0": 1 / 1.25, "id1": 1 / 1.98}),
        ("DOT_PRODUCT", {"id1": (1 + 1.42) / 2, "id0": (1 + 0.5) / 2}),
    ],
)
def test_scores_of_the_other_metrics(make_index: Any, metric: str, expected: dict[str, float]) -> None:
    index = make_index(similarity_function=metric)
    index.upsert([("id0", [0.5, 0.0]), ("id1", [1.4, 0.2 - 0.1])])
    rows = {"id0": np.array([0.5, 0.0]), "id1": np.array([1.4, 0.1])}
    query = np.array([1.0, 0.2])
    hits = index.query(query)
    for hit in hits:
        row = rows[hit.id]
        want = 1 / (1 + ((row - query) ** 2).sum()) if metric == "EUCLIDEAN" else (1 + row @ query) / 2
        assert hit.score == pytest.approx(want, rel=1e-6)
    assert [hit.score for hit in hits] == sorted([hit.score for hit in hits], reverse=True)


def test_a_zero_vector_scores_a_half_under_cosine(index: Index) -> None:
    index.upsert([("zero", [0.0, 0.0]), ("one", [1.0, 0.0]), ("minus", [-1.0, 0.0])])
    assert [(hit.id, hit.score) for hit in index.query([2.0, 0.0])] == [
        ("one", 1.0),
        ("zero", 0.5),
        ("minus", 0.0),
    ]
    assert [hit.score for hit in index.query([0.0, 0.0])] == [0.5, 0.5, 0.5]


def test_ties_come_in_insertion_order(index: Index) -> None:
    index.upsert([(str(i), [1.0, 1.0]) for i in range(30)])
    assert [hit.id for hit in index.query([0.3, 0.1], top_k=30)] == [str(i) for i in range(30)]


def test_an_answer_carries_what_was_asked_for_and_nothing_else(filled: Index) -> None:
    (bare, *_) = filled.query([0.3, 0.4])
    assert bare.keys() == ["id", "score"]
    assert (bare.vector, bare.metadata, bare.data) == (None, None, None)
    hits = filled.query([0.3, 0.4], include_vectors=True, include_metadata=True, include_data=True)
    found = {hit.id: hit for hit in hits}
    assert found["id2"].vector == [0.3, 0.4]
    assert found["id2"]["metadata"] == {"n": 2}
    assert found["id2"].get("data") == "data"
    assert "metadata" not in found["id0"]
    assert "data" not in found["id1"]
    assert found["id1"].get("data", "none") == "none"
    with pytest.raises(KeyError):
        found["id0"]["metadata"]


def test_top_k_bounds_the_answer_and_ten_is_the_default(index: Index) -> None:
    index.upsert([(str(i), [1.0, i]) for i in range(30)])
    assert len(index.query([1.0, 0.0])) == 10
    assert len(index.query([1.0, 0.0], top_k=1)) == 1
    assert len(index.query([1.0, 0.0], top_k=1000)) == 30


def test_a_filter_admits_what_it_says(filled: Index) -> None:
    assert [hit.id for hit in filled.query([0.1, 0.2], filter="n >= 2")] == ["id2"]
    assert [hit.id for hit in filled.query([0.1, 0.2], filter="key = 'value' OR n = 2")] == ["id1", "id2"]
    assert filled.query([0.1, 0.2], filter="n > 2") == []


def test_a_malformed_filter_is_refused_with_its_place(filled: Index) -> None:
    with pytest.raises(InvalidFilter, match=r"Invalid filter\. At line 1:\d+ "):
        filled.query([0.1, 0.2], filter="n >= AND")
    with pytest.raises(InvalidFilter, match="At line 1:4 token recognition error at: '\\['"):
        filled.query([0.1, 0.2], filter="n = [1]")
    with pytest.raises(InvalidFilter):
        filled.query([0.1, 0.2], filter="n >=", namespace="")


def test_a_missing_namespace_and_an_empty_one_answer_nothing(index: Index) -> None:
    assert index.query([1.0, 2.0]) == []
    assert index.query([1.0, 2.0], namespace="missing") == []
    assert index.list_namespaces() == [""]


def test_bad_input_is_refused(filled: Index) -> None:
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 3, expected: 2"):
        filled.query([1.0, 2.0, 3.0])
    for top_k in (0, -1, 1001, True, 1.5):
        with pytest.raises(ClientError, match=r"^top_k\b"):
            filled.query([0.1, 0.2], top_k=top_k)
    with pytest.raises(ClientError, match="neither vector"):
        filled.query()
    with pytest.raises(ClientError, match="Embedding data for this index is not allowed"):
        filled.query(data="text")
    with pytest.raises(ClientError):
        filled.query(sparse_vector=([1], [1.0]))


def test_the_halves_of_a_hybrid_query_are_ignored_on_a_dense_index(filled: Index) -> None:
    plain = filled.query([0.1, 0.2])
    assert (
        filled.query([0.1, 0.2], weighting_strategy="IDF", fusion_algorithm="DBSF", query_mode="DENSE")
        == plain
    )


async def test_an_async_query_answers_the_same(async_index: AsyncIndex) -> None:
    await async_index.upsert([("id1", [0.2, 0.3]), ("id2", [0.3, 0.4])])
    hits = await async_index.query([0.1, 0.1], include_vectors=True)
    assert [(hit.id, hit.score, hit.vector) for hit in hits] == [
        ("id2", 0.9949748, [0.3, 0.4]),
        ("id1", 0.99029034, [0.2, 0.3]),
    ]
