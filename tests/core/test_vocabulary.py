"""Words and their terms in the core: counted, remembered, and asked for where they are not known."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew._core import Vocabulary


def test_words_are_asked_for_once_and_then_remembered() -> None:
    vocabulary, asked = Vocabulary(10), []

    def terms_of(words: list[str]) -> list[int]:
        asked.append(words)
        return [7 if word == "b" else -1 for word in words]

    for _ in range(2):
        assert vocabulary.count(" b  a b ", terms_of) == ([7], [2], 2)
    assert asked == [["b", "a", "b"]]
    assert vocabulary.size == 2


@given(st.lists(st.lists(st.integers(-1, 40), max_size=60), max_size=8), st.integers(1, 30))
def test_terms_are_counted_however_few_words_are_remembered(texts: list[list[int]], words_max: int) -> None:
    vocabulary = Vocabulary(words_max)
    for terms in texts:
        counts = Counter(term for term in terms if term >= 0)
        text = " ".join(f"w{term}" for term in terms)
        found = vocabulary.count(text, lambda words: [int(word[1:]) for word in words])
        assert found == (list(counts), list(counts.values()), counts.total())
        assert vocabulary.size <= words_max


def test_a_vocabulary_of_many_words_knows_each() -> None:
    vocabulary = Vocabulary(1 << 20)
    text = " ".join(f"word{i}" for i in range(50_000))
    vocabulary.count(text, lambda words: [int(word[4:]) for word in words])
    assert vocabulary.count(text, lambda words: pytest.fail("asked again"))[0] == list(range(50_000))


def test_an_answer_that_does_not_fit_is_refused_and_nothing_is_remembered() -> None:
    vocabulary = Vocabulary(10)
    with pytest.raises(ValueError, match="got 1 terms for 2 words"):
        vocabulary.count("a b", lambda words: [1])
    with pytest.raises(KeyError):
        vocabulary.count("a b", lambda words: [{}[word] for word in words])
    assert vocabulary.size == 0
