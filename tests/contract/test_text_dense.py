"""Texts go in and come out of a dense index with a model, as vectors do."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clew import ClientError, Data, Index, Vector
from clew.text import embedder

MODEL = "builtin/hashing"
SENTENCES = {
    "jp": "The capital of Japan is Tokyo",
    "fr": "The capital of France is Paris",
    "tr": "The capital of Turkey is Ankara",
    "cat": "Cats sleep most of the day",
}
NO_MODEL = "Embedding data for this index is not allowed"

MakeIndex = Callable[..., Index]


@pytest.fixture
def index(make_index: MakeIndex) -> Index:
    made = make_index(embedding_model=MODEL, dimension=384)
    made.upsert([Data(id=id, data=text, metadata={"n": len(text)}) for id, text in SENTENCES.items()])
    return made


def ids(hits: list[Any]) -> list[str]:
    return [hit.id for hit in hits]


def test_a_text_finds_itself_with_score_1_and_what_is_like_it_next(index: Index) -> None:
    hits = index.query(data=SENTENCES["fr"], top_k=4, include_data=True, include_metadata=True)
    assert hits[0].id == "fr"
    assert hits[0].score == 1
    assert hits[0].data == SENTENCES["fr"]
    assert hits[0].metadata == {"n": len(SENTENCES["fr"])}
    assert hits[-1].id == "cat"
    assert ids(index.query(data="where is the capital of Japan?", top_k=1)) == ["jp"]


def test_info_names_the_model(index: Index) -> None:
    info = index.info()
    assert info.dense_index is not None
    assert info.dense_index.embedding_model == MODEL
    assert info.dimension == info.dense_index.dimension == 384


def test_a_new_index_has_the_dimension_of_its_model(make_index: MakeIndex) -> None:
    assert make_index(embedding_model=MODEL).info().dimension == 1024


def test_every_form_of_a_record_may_be_a_text(make_index: MakeIndex) -> None:
    index = make_index(embedding_model=MODEL)
    records = [
        ("a", "one text"),
        ("b", "two texts", {"k": 1}),
        {"id": "c", "data": "three"},
        Data("d", "four"),
    ]
    index.upsert(records, namespace="ns")
    found = index.fetch(["a", "b", "c", "d"], include_vectors=True, include_data=True, namespace="ns")
    for one, text in zip(found, ["one text", "two texts", "three", "four"], strict=True):
        assert one is not None
        assert one.data == text
        assert one.vector is not None
        assert np.array_equal(np.float32(one.vector), embedder(MODEL, 1024).embed_query(text))


def test_filters_and_includes_work_as_for_vectors(index: Index) -> None:
    hits = index.query(data="capital", filter="n < 28", include_vectors=True)
    assert set(ids(hits)) == {"cat"}
    assert hits[0].vector is not None
    assert len(hits[0].vector) == 384


def test_data_beside_a_vector_is_kept_as_it_is(index: Index) -> None:
    vector = [1.0] + [0.0] * 383
    index.upsert([Vector(id="raw", vector=vector, data=SENTENCES["fr"])])
    [raw] = index.fetch("raw", include_vectors=True, include_data=True)
    assert raw is not None
    assert raw.vector == vector
    assert raw.data == SENTENCES["fr"]
    assert ids(index.query(data=SENTENCES["fr"], top_k=1)) == ["fr"]


def test_updating_data_embeds_it_again(index: Index) -> None:
    assert index.update("cat", data=SENTENCES["fr"])
    assert index.query(data=SENTENCES["fr"], top_k=2)[1].score == 1
    [changed] = index.fetch("cat", include_data=True, include_metadata=True)
    assert changed is not None
    assert changed.data == SENTENCES["fr"]
    assert changed.metadata == {"n": len(SENTENCES["cat"])}
    assert not index.update("nobody", data="a text")


def test_updating_metadata_or_data_with_a_vector_leaves_the_text_unembedded(index: Index) -> None:
    before = index.fetch("cat", include_vectors=True)[0]
    index.update("cat", metadata={"n": 0})
    assert index.fetch("cat", include_vectors=True)[0] == before
    vector = [0.0, 1.0] + [0.0] * 382
    index.update("cat", vector=vector, data="words")
    after = index.fetch("cat", include_vectors=True, include_data=True)[0]
    assert after is not None
    assert after.vector == vector
    assert after.data == "words"


def test_many_texts_and_vectors_may_be_asked_together(index: Index) -> None:
    texts = list(SENTENCES.values())
    both = index.query_many([{"data": text, "top_k": 1, "include_data": True} for text in texts])
    assert [hits[0].data for hits in both] == texts


def test_a_resumable_query_of_a_text_returns_everything_once_in_the_order_of_one_query(
    make_index: MakeIndex,
) -> None:
    index = make_index(embedding_model=MODEL, dimension=128)
    rng = random.Random(6)
    words = ["clew", "thread", "maze", "ariadne", "theseus", "minotaur", "crete", "ship", "sail"]
    index.upsert([(str(i), " ".join(rng.choices(words, k=5))) for i in range(200)])
    whole = index.query(data="a thread through the maze", top_k=200)
    with index.resumable_query(data="a thread through the maze", top_k=7, include_data=True) as query:
        hits = query.start()
        index.upsert([("late", "a thread through the maze")])
        while batch := query.fetch_next(rng.randint(1, 40)):
            hits += batch
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in whole]
    assert all(hit.data for hit in hits)


def test_of_texts_with_one_id_the_last_wins(index: Index) -> None:
    index.upsert([("x", "first words"), ("x", "second words")])
    [kept] = index.fetch("x", include_data=True)
    assert kept is not None
    assert kept.data == "second words"


@pytest.mark.parametrize("text", ["", "   ", "\u4f60\u597d", "\U0001f9f6" * 3, "a\x00b"])
def test_any_text_is_found_by_itself(index: Index, text: str) -> None:
    index.upsert([("odd", text)])
    [hit] = index.query(data=text, top_k=1, include_data=True)
    assert (hit.id, hit.score, hit.data) == ("odd", 1, text)


def test_texts_are_refused_where_there_is_no_model(make_index: MakeIndex) -> None:
    index = make_index(dimension=2)
    index.upsert([("a", [1.0, 2.0], None, "kept")])
    for refused in (
        lambda: index.upsert([Data("b", "text")]),
        lambda: index.query(data="text"),
        lambda: index.query_many([{"data": "text"}, {"data": "more"}]),
        lambda: index.resumable_query(data="text").start(),
    ):
        with pytest.raises(ClientError, match=NO_MODEL):
            refused()
    assert index.info().vector_count == 1
    index.update("a", data="only the text changes")
    [kept] = index.fetch("a", include_data=True, include_vectors=True)
    assert kept is not None
    assert kept.data == "only the text changes"
    assert kept.vector == [1.0, 2.0]


def test_a_mixture_of_texts_and_vectors_is_refused_whole(index: Index) -> None:
    before = index.info().vector_count
    with pytest.raises(ClientError, match="This index requires dense vectors"):
        index.upsert([Vector("v", [1.0] * 384), Data("t", "text")])
    assert index.info().vector_count == before


def test_text_beyond_a_mebibyte_and_metadata_beyond_48_kib_are_refused(index: Index) -> None:
    before = index.range(limit=100, include_vectors=True, include_data=True)
    large = "\u00e9" * (512 * 1024) + "x"
    for refused in (
        lambda: index.upsert([Data("fine", "text"), Data("large", large)]),
        lambda: index.update("cat", data=large),
        lambda: index.upsert([Data("fine", "text", {"k": "x" * 48 * 1024})]),
        lambda: index.query(data=large),
        lambda: index.resumable_query(data=large).start(),
    ):
        with pytest.raises(ClientError, match=r"has \d+ bytes, at most \d+ are allowed"):
            refused()
    assert index.range(limit=100, include_vectors=True, include_data=True) == before
    index.upsert([Data("most", "x" * 1024 * 1024)])


async def test_code_that_awaits_may_use_texts(tmp_path: Any) -> None:
    from clew import AsyncIndex

    async with AsyncIndex(tmp_path / "index", embedding_model=MODEL) as index:
        await index.upsert([Data(id, text) for id, text in SENTENCES.items()])
        query = await index.resumable_query(data=SENTENCES["fr"], top_k=1)
        assert ids(await query.async_start()) == ["fr"]
        assert len(await query.async_fetch_next(10)) == 3
        await query.async_stop()
