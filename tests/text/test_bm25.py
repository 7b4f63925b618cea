"""BM25 by its formula, in many languages, for documents that come and go."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter

import pytest
import Stemmer

from clew import ClientError
from clew.text.bm25 import TERMS_MAX, Bm25Encoder, stop_words
from clew.types import SparseVector


@pytest.fixture(scope="module")
def english() -> Bm25Encoder:
    return Bm25Encoder()


def score(query: SparseVector, document: SparseVector) -> float:
    weights = dict(zip(document.indices, document.values, strict=True))
    return sum(v * weights.get(i, 0.0) for i, v in zip(query.indices, query.values, strict=True))


def test_weights_are_those_of_the_formula(english: Bm25Encoder) -> None:
    text = "The cats of the town were chasing other cats, and a dog; dogs never chase the Cat " * 3
    stemmer = Stemmer.Stemmer("english")
    terms = [w for w in re.findall(r"\w+", text.lower()) if w not in stop_words("english")]
    counts = Counter(stemmer.stemWords(terms))
    saturation = 1.2 * (1 - 0.75 + 0.75 * len(terms) / 32)
    expected = [tf * 2.2 / (tf + saturation) for tf in counts.values()]
    [document] = english.encode_documents([text])
    assert document.values == pytest.approx(expected, abs=1e-12)


def test_more_of_the_words_asked_for_score_higher(english: Bm25Encoder) -> None:
    query = english.encode_query("hello world Upstash")
    documents = english.encode_documents(["hello world Upstash", "hello world", "hello", "goodbye"])
    scores = [score(query, document) for document in documents]
    assert scores[0] > scores[1] > scores[2] > scores[3] == 0


def test_forms_of_a_word_and_its_case_are_one_term(english: Bm25Encoder) -> None:
    assert english.encode_query("Running RUNS run") == english.encode_query("run")


def test_terms_are_distinct_ints_from_0_to_2_31(english: Bm25Encoder) -> None:
    [document] = english.encode_documents([" ".join(f"w{i}" for i in range(500))])
    assert len(set(document.indices)) == 500
    assert all(0 <= index < 2**31 for index in document.indices)


def test_terms_are_the_same_on_every_machine_and_in_every_version(english: Bm25Encoder) -> None:
    # What is stored must fit what is asked for later: a change here is a change of format.
    assert english.encode_query("resumable queries").indices == TERMS


@pytest.mark.parametrize("text", ["", "   ", "the and of", "!?", "\u2014"])
def test_text_without_terms_is_an_empty_vector(english: Bm25Encoder, text: str) -> None:
    assert english.encode_query(text) == SparseVector([], [])
    assert english.encode_documents([text]) == [SparseVector([], [])]


def test_of_a_long_text_the_heaviest_terms_are_kept(english: Bm25Encoder) -> None:
    text = " ".join(f"rare{i}x" for i in range(3_000)) + " often" * 5
    [document] = english.encode_documents([text])
    assert len(document.indices) == len(document.values) == TERMS_MAX
    [often] = english.encode_query("often").indices
    assert document.values[document.indices.index(often)] == max(document.values)
    assert len(english.encode_query(text).indices) == TERMS_MAX


@pytest.mark.parametrize(
    ("language", "one", "other", "stop"),
    [
        ("german", "Die H\u00e4user", "Haus des", "die"),
        ("french", "dans la continuation", "continuations", "dans"),
        ("russian", "\u043a\u043d\u0438\u0433\u0438", "\u0438 \u043a\u043d\u0438\u0433\u0430", "\u0438"),
        ("spanish", "los gatos", "gato", "los"),
    ],
)
def test_other_languages_have_their_stemmer_and_stop_words(
    language: str, one: str, other: str, stop: str
) -> None:
    encoder = Bm25Encoder(language)
    assert encoder.name == f"BM25/{language}"
    assert encoder.encode_query(one).indices == encoder.encode_query(other).indices
    assert len(encoder.encode_query(one).indices) == 1
    assert encoder.encode_query(stop).indices == []


def test_every_language_of_the_stemmer_can_be_asked_for() -> None:
    for language in Stemmer.algorithms():
        assert len(Bm25Encoder(language).encode_query("zebra zebra").indices) == 1


def test_an_unknown_language_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ClientError, match=r"no stemmer for the language 'klingon'; expected .*english"):
        Bm25Encoder("klingon")


def test_what_is_remembered_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.text.bm25.CACHE_WORDS_MAX", 50)
    encoder = Bm25Encoder()
    before = encoder.encode_query("first second")
    encoder.encode_documents([f"word{i} other{i}" for i in range(500)])
    assert len(encoder._terms) <= 50
    assert encoder.encode_query("first second") == before


def test_threads_may_share_an_encoder() -> None:
    encoder = Bm25Encoder()
    texts = [f"running{i} houses{i} of the {i}th continuations" for i in range(2_000)]
    expected = Bm25Encoder().encode_documents(texts)
    found: list[list[SparseVector]] = []
    threads = [
        threading.Thread(target=lambda: found.append(encoder.encode_documents(texts))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_idf_favours_the_rare_term(english: Bm25Encoder) -> None:
    documents = english.encode_documents(["common rare", "common", "common", "common words"])
    held = [set(document.indices) for document in documents]

    def idf(word: str) -> float:
        [term] = english.encode_query(word).indices
        n = sum(term in terms for terms in held)
        return math.log(1 + (len(held) - n + 0.5) / (n + 0.5))

    assert idf("rare") > idf("common") > 0


TERMS = [2117338588, 956999055]
