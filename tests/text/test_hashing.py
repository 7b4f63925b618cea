"""`builtin/hashing` puts texts of the same words near one another, and needs no download."""

from __future__ import annotations

import random
import string
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.text.hashing import CACHE_WORDS_MAX, HashingEmbedder

CAPITALS = [
    "The capital of Japan is Tokyo",
    "The capital of France is Paris",
    "The capital of Turkey is Ankara",
    "The capital of Germany is Berlin",
    "Cats sleep most of the day",
]
DIMENSIONS = [64, 384, 1024, 1536]


@pytest.fixture(params=DIMENSIONS)
def embedder(request: pytest.FixtureRequest) -> HashingEmbedder:
    return HashingEmbedder(request.param)


def nearest(embedder: HashingEmbedder, question: str, texts: list[str]) -> str:
    scores = embedder.embed_documents(texts) @ embedder.embed_query(question)
    return texts[int(np.argmax(scores))]


def test_a_question_finds_the_sentence_that_answers_it(embedder: HashingEmbedder) -> None:
    assert nearest(embedder, "What is the capital of France?", CAPITALS) == CAPITALS[1]
    assert nearest(embedder, "where is the capital of Japan?", CAPITALS) == CAPITALS[0]


def test_a_near_duplicate_is_nearer_than_any_random_vector_of_positive_numbers(
    embedder: HashingEmbedder,
) -> None:
    query = embedder.embed_query("testing-plain-text")
    near = float(query @ embedder.embed_query("testing-plan-text"))
    strangers = np.random.default_rng(5).random((2_000, embedder.dimension))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    assert near > float((strangers @ query).max())


@settings(deadline=None)  # the first text that is not ASCII takes longer
@given(st.lists(st.text(), min_size=1, max_size=8), st.sampled_from([1, 2, 48]))
def test_every_text_has_unit_length_and_one_vector_in_any_company(texts: list[str], dimension: int) -> None:
    embedder = HashingEmbedder(dimension)  # in few components words often cancel to nothing
    together = embedder.embed_documents(texts)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(embedder.embed_query(text), row)
        assert np.array_equal(HashingEmbedder(dimension).embed_query(text), row)


def test_vectors_are_the_same_on_every_machine_and_in_every_version() -> None:
    # What is stored must fit what is asked for later: a change here is a change of format.
    vector = HashingEmbedder(16).embed_query("Hello, resumable world")
    assert (vector * np.sqrt(sum(v * v for v in GOLDEN))).round(4).tolist() == GOLDEN


def test_words_apart_in_all_but_spelling_are_near_and_others_are_not() -> None:
    embedder = HashingEmbedder()
    one, alike, other = embedder.embed_documents(["embeddings", "embedding", "aubergine"])
    assert one @ alike > 0.5 > 0.2 > abs(one @ other)


def test_a_batch_larger_than_one_stretch_is_filled_to_its_end() -> None:
    embedder = HashingEmbedder(1024)
    texts = [f"text number {i}" for i in range(500)]
    rows = embedder.embed_documents(texts)
    assert np.array_equal(rows[-1], embedder.embed_query(texts[-1]))
    assert embedder.embed_documents([]).shape == (0, 1024)


def test_what_is_remembered_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.text.hashing.CACHE_WORDS_MAX", 100)
    embedder = HashingEmbedder(32)
    before = embedder.embed_query("word7 word8")
    rng = random.Random(1)
    for _ in range(50):
        embedder.embed_query(" ".join("".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(30)))
    assert len(embedder._cells) <= 100 < CACHE_WORDS_MAX
    assert sys.getsizeof(embedder._cells) < 20_000
    assert np.array_equal(embedder.embed_query("word7 word8"), before)


GOLDEN = [0.0, 0.0, -2.0, -1.0, 2.0, 2.0, 1.0, 0.0, 1.0, 0.0, 0.0, -1.0, -1.0, -1.0, -1.0, 0.0]
