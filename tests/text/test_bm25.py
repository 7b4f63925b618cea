"""BM25 by its formula, in many languages, for documents that come and go."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from zlib import crc32

import pytest
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from clew import ClientError
from clew.text.bm25 import TERMS_MAX, Bm25Encoder, stop_words
from clew.text.words import words
from clew.types import SparseVector

ENCODERS = {language: Bm25Encoder(language) for language in Stemmer.algorithms()}
# Words that come more than once, stop words of several languages, and any text.
TEXTS = st.lists(
    st.sampled_from(
        [
            "run",
            "Running",
            "the",
            "THE",
            "I\u015eIK",
            "und",
            "H\u00e4user",
            "\u043a\u043d\u0438\u0433\u0438",
            "\u0438",
            "a1_b",
        ]
    )
    | st.text(max_size=12)
).map(" ".join)


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


def plainly(language: str, text: str) -> SparseVector:
    """A document as the rules say it, one word after the other."""
    found = words(text, turkish=language == "turkish")
    kept = [word for word in found if word not in stop_words(language)]
    stems = Stemmer.Stemmer(language).stemWords(kept)
    counts = Counter(crc32(stem.encode()) & 0x7FFFFFFF for stem in stems).most_common(TERMS_MAX)
    saturation = 1.2 * (1 - 0.75 + 0.75 * len(kept) / 32)
    return SparseVector(
        [term for term, _ in counts], [tf * (1.2 + 1) / (tf + saturation) for _, tf in counts]
    )


def paired(document: SparseVector) -> dict[int, float]:
    return dict(zip(document.indices, document.values, strict=True))


@settings(deadline=None)
@given(st.sampled_from(Stemmer.algorithms()), st.lists(TEXTS, max_size=4))
def test_any_text_of_any_language_is_encoded_as_the_rules_say(language: str, texts: list[str]) -> None:
    expected = [plainly(language, text) for text in texts]
    encoder = ENCODERS[language]  # which remembers the words of other texts
    assert list(map(paired, encoder.encode_documents(texts))) == list(map(paired, expected))
    assert [set(encoder.encode_query(text).indices) for text in texts] == [set(e.indices) for e in expected]


def test_terms_are_in_the_order_in_which_they_first_occur(english: Bm25Encoder) -> None:
    single = [english.encode_query(word).indices[0] for word in ("zebra", "apple", "mango")]
    text = "zebra apple apple mango mango mango zebra"
    assert english.encode_query(text).indices == english.encode_documents([text])[0].indices == single


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


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("\u0130stanbul b\u00fcy\u00fck", ["istanbul", "\u0130stanbul", "\u0130STANBUL", "I\u0307STANBUL"]),
        ("I\u015eIK", ["\u0131\u015f\u0131k", "I\u015eIK", "I\u015f\u0131k"]),
        ("ISPARTA", ["\u0131sparta", "Isparta", "Isparta \u2014"]),
        ("isparta", ["\u0130SPARTA", "isparta"]),
    ],
)
def test_turkish_tells_its_two_letters_i_apart_in_either_case(text: str, queries: list[str]) -> None:
    encoder = ENCODERS["turkish"]
    [document] = encoder.encode_documents([text])
    for query in queries:
        assert encoder.encode_query(query).indices == document.indices[:1]
    assert encoder.encode_query("ISPARTA") != encoder.encode_query("isparta")


@pytest.mark.parametrize("language", ["english", "german", "porter", "french"])
def test_a_capital_i_with_a_dot_is_an_i_in_other_languages(language: str) -> None:
    encoder = ENCODERS[language]
    assert encoder.encode_query("\u0130STANBUL") == encoder.encode_query("istanbul")
    assert encoder.encode_query("ISTANBUL") == encoder.encode_query("istanbul")


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
    assert encoder._vocabulary.size <= 50
    assert encoder.encode_query("first second") == before


def test_a_word_of_any_length_is_a_term_and_long_ones_are_not_remembered(english: Bm25Encoder) -> None:
    known = english._vocabulary.size
    word = "x" * 100_000
    assert english.encode_query(f"{word} {word.upper()}").indices == [crc32(word.encode()) & 0x7FFFFFFF]
    assert english._vocabulary.size == known


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
