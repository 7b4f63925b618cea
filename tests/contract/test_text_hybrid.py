"""Texts in sparse and hybrid indexes: BM25 alone, and fused with a dense model."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from clew import ClientError, Data, Index, QueryMode, SparseVector, Vector, WeightingStrategy
from clew.text import sparse_encoder

MakeIndex = Callable[..., Index]

MODELS: dict[str, dict[str, Any]] = {
    "SPARSE": {"type": "SPARSE", "sparse_embedding_model": "BM25"},
    "HYBRID": {
        "type": "HYBRID",
        "embedding_model": "builtin/hashing",
        "sparse_embedding_model": "BM25",
        "dimension": 256,
    },
}
WORDS = ["clew", "thread", "maze", "ariadne", "theseus", "minotaur", "crete", "ship", "sail", "bull", "the"]


@pytest.fixture(params=list(MODELS))
def index(request: pytest.FixtureRequest, make_index: MakeIndex) -> Index:
    return make_index(**MODELS[request.param])


@pytest.fixture
def hybrid(make_index: MakeIndex) -> Index:
    return make_index(**MODELS["HYBRID"])


def some_texts(n: int) -> list[Data]:
    rng = random.Random(9)
    return [Data(str(i), " ".join(rng.choices(WORDS, k=rng.randint(0, 9)))) for i in range(n)]


def test_the_more_of_the_words_asked_for_the_higher(index: Index) -> None:
    index.upsert([("1", "hello"), ("2", "hello world"), ("3", "hello world Upstash"), ("4", "goodbye")])
    hits = index.query(data="hello world Upstash", top_k=3, include_data=True)
    assert [hit.id for hit in hits] == ["3", "2", "1"]
    assert hits[0].data == "hello world Upstash"


def test_info_names_the_models(index: Index) -> None:
    info = index.info()
    assert info.sparse_index is not None
    assert info.sparse_index.embedding_model == "BM25"
    assert (info.dense_index is None) == (info.index_type == "SPARSE")
    if info.dense_index is not None:
        assert info.dense_index.embedding_model == "builtin/hashing"


def test_what_is_kept_is_what_the_encoder_makes(index: Index) -> None:
    index.upsert([Data("a", "Ariadne gave Theseus a clew of thread; the thread led him back")])
    [kept] = index.fetch("a", include_vectors=True)
    assert kept is not None
    [made] = sparse_encoder("BM25").encode_documents(
        ["Ariadne gave Theseus a clew of thread; the thread led him back"]
    )
    assert kept.sparse_vector is not None
    assert kept.sparse_vector.indices == made.indices
    assert kept.sparse_vector.values == pytest.approx(made.values, rel=1e-6)


def test_a_query_mode_asks_one_half(hybrid: Index) -> None:
    hybrid.upsert([("like", "hello worlds of Upstash"), ("same", "hello world"), ("other", "goodbye")])
    dense = hybrid.query(data="hello world", query_mode=QueryMode.DENSE)
    assert dense[0].score == 1
    assert len(dense) == 3
    sparse = hybrid.query(data="hello world", query_mode=QueryMode.SPARSE)
    assert {hit.id for hit in sparse} == {"like", "same"}
    both = hybrid.query(data="hello world", query_mode=QueryMode.HYBRID)
    assert both == hybrid.query(data="hello world")
    assert both[0].score == pytest.approx(2 / 60)
    with hybrid.resumable_query(data="hello world", query_mode=QueryMode.SPARSE, top_k=1) as query:
        assert query.start() + query.fetch_next(5) == sparse


def test_idf_raises_what_has_the_rare_word(index: Index) -> None:
    index.upsert([(str(i), "common words only") for i in range(20)])
    index.upsert([("rare", "a minotaur lives here, and little else is said about it")])
    asked: dict[str, Any] = {"data": "common words minotaur", "top_k": 1, "query_mode": QueryMode.SPARSE}
    assert index.query(**asked)[0].id != "rare"
    assert index.query(**asked, weighting_strategy=WeightingStrategy.IDF)[0].id == "rare"


def test_a_text_without_terms_is_kept_and_matches_no_words(index: Index) -> None:
    index.upsert([("empty", ""), ("stop", "the of and"), ("word", "minotaur")])
    assert index.info().vector_count == 3
    sparse = index.query(data="minotaur", query_mode=QueryMode.SPARSE)
    assert [hit.id for hit in sparse] == ["word"]
    assert index.query(data="of the", query_mode=QueryMode.SPARSE) == []
    with index.resumable_query(data="of the", query_mode=QueryMode.SPARSE) as query:
        assert query.start() == []
        assert query.fetch_next(3) == []


def test_updating_data_changes_every_half(index: Index) -> None:
    index.upsert([("a", "a ship with sails"), ("b", "a maze")])
    assert index.update("b", data="minotaur")
    hits = index.query(data="minotaur", top_k=1)
    assert hits[0].id == "b"
    assert index.query(data="maze", query_mode=QueryMode.SPARSE) == []


@pytest.mark.parametrize("mode", list(QueryMode))
def test_a_resumable_query_returns_every_match_once(index: Index, mode: QueryMode) -> None:
    index.upsert(some_texts(300))
    rng = random.Random(mode)
    asked: dict[str, Any] = {"data": "the thread of Ariadne in the maze", "query_mode": mode}
    with index.resumable_query(**asked, top_k=5, include_data=True) as query:
        hits = query.start()
        index.upsert([("late", "the thread of Ariadne in the maze")])
        index.delete(["7", "8"])
        while batch := query.fetch_next(rng.randint(1, 50)):
            hits += batch
    ids = [hit.id for hit in hits]
    assert len(ids) == len(set(ids))
    everything = index.info().index_type == "HYBRID" and mode is not QueryMode.SPARSE
    terms = {"thread", "ariadne", "maze"}
    matching = {one.id for one in some_texts(300) if everything or terms & set(one.data.split())}
    assert set(ids) == matching


def test_texts_and_sparse_vectors_live_side_by_side(make_index: MakeIndex) -> None:
    index = make_index(**MODELS["SPARSE"])
    index.upsert([Vector("raw", sparse_vector=SparseVector([3, 5], [1.0, 2.0]), data="kept as it is")])
    index.upsert([Data("text", "minotaur")])
    assert [hit.id for hit in index.query(sparse_vector=SparseVector([5], [1.0]))] == ["raw"]
    assert [hit.id for hit in index.query(data="kept minotaur")] == ["text"]


@pytest.mark.parametrize("half", ["embedding_model", "sparse_embedding_model"])
def test_an_index_with_a_model_for_one_half_takes_no_texts(make_index: MakeIndex, half: str) -> None:
    index = make_index(type="HYBRID", dimension=256, **{half: MODELS["HYBRID"][half]})
    for refused in (lambda: index.upsert([Data("a", "text")]), lambda: index.query(data="text")):
        with pytest.raises(ClientError, match="Embedding data for this index is not allowed"):
            refused()
    assert index.info().vector_count == 0


def test_a_text_of_very_many_words_is_kept(index: Index) -> None:
    index.upsert([Data("long", " ".join(f"word{i}" for i in range(5_000)) + " minotaur minotaur")])
    assert index.query(data="minotaur", query_mode=QueryMode.SPARSE)[0].id == "long"
    assert index.query(data=" ".join(f"word{i}" for i in range(5_000)), top_k=1)[0].id == "long"
