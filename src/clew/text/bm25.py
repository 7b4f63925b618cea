"""BM25 as sparse vectors: documents are weighted by themselves, so they may come and go at any time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from zlib import crc32

import Stemmer

from clew._core import Vocabulary
from clew.errors import ClientError
from clew.text.words import parted
from clew.types import SparseVector

NAME = "BM25"
LANGUAGE_DEFAULT = "english"

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the constants
# of the hosted service. The average length is a constant too: so a document's weights never change.
K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 32.0

# What a sparse vector may hold; of a longer text the heaviest terms are kept.
TERMS_MAX = 1000
# Words whose term is remembered, some 50 bytes each.
CACHE_WORDS_MAX = 1 << 18
# Lengths of documents whose weights are remembered, some 300 bytes each.
LENGTHS_MAX = 4096


class Bm25Encoder:
    """Words in lower case, without stop words, stemmed, hashed to an int from 0 to 2^31 - 1.

    A term that occurs tf times in a document of `length` words has there the weight
    tf (K1 + 1) / (tf + K1 (1 - B + B length / AVERAGE_LENGTH)), in a query 1. How rare a term is comes in
    when a query is weighted (`weighting_strategy=IDF`). A text without terms is an empty vector.

    language: a stemmer of Snowball, e.g. "german". Raises ClientError where there is none of that name.
    """

    def __init__(self, language: str = LANGUAGE_DEFAULT) -> None:
        if language not in Stemmer.algorithms():
            known = ", ".join(Stemmer.algorithms())
            raise ClientError(f"there is no stemmer for the language {language!r}; expected one of {known}")
        self.language = language
        self.name = NAME if language == LANGUAGE_DEFAULT else f"{NAME}/{language}"
        self._turkish = language == "turkish"
        self._vocabulary = Vocabulary(CACHE_WORDS_MAX)
        self._stemmer = Stemmer.Stemmer(language, 0)  # the vocabulary remembers
        self._stop = stop_words(language)
        self._stemming = threading.Lock()  # a stemmer is not for two threads at once

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """The sparse vectors of `texts`, terms in the order in which they first occur."""
        return list(map(self._document, texts))

    def encode_query(self, text: str) -> SparseVector:
        """The distinct terms of `text`, each with the weight 1."""
        terms, _, _ = self._counts(text)
        return SparseVector(terms, [1.0] * len(terms))

    def _document(self, text: str) -> SparseVector:
        terms, counts, length = self._counts(text)
        return SparseVector(terms, list(map(_weights(length).__getitem__, counts)))

    def _counts(self, text: str) -> tuple[list[int], list[int], int]:
        """The terms, at most the TERMS_MAX most frequent; how often each occurs; how many words have one."""
        terms, counts, length = self._vocabulary.count(parted(text, turkish=self._turkish), self._terms_of)
        if len(terms) > TERMS_MAX:
            heaviest = sorted(range(len(terms)), key=counts.__getitem__, reverse=True)[:TERMS_MAX]
            return [terms[i] for i in heaviest], [counts[i] for i in heaviest], length
        return terms, counts, length

    def _terms_of(self, found: list[str]) -> list[int]:
        """Of each word a hash of its stem, or _STOP."""
        distinct = list(set(found) - self._stop)
        with self._stemming:
            stems = self._stemmer.stemWords(distinct)
        terms = {word: crc32(stem.encode()) & 0x7FFFFFFF for word, stem in zip(distinct, stems, strict=True)}
        return [terms.get(word, _STOP) for word in found]


# What stop words have instead of a term.
_STOP = -1


class _Weights(dict[int, float]):
    """The weight of a term by how often it occurs in a document of `length` words."""

    def __init__(self, length: int) -> None:
        self._saturation = K1 * (1 - B + B * length / AVERAGE_LENGTH)

    def __missing__(self, tf: int) -> float:
        weight = self[tf] = tf * (K1 + 1) / (tf + self._saturation)
        return weight


_weights = lru_cache(maxsize=LENGTHS_MAX)(_Weights)


@cache
def stop_words(language: str) -> frozenset[str]:
    """The stop words of a language; none where none are known. Their source is in NOTICE."""
    text = (files(__package__) / "stopwords.txt").read_text("utf-8")
    lists = dict(line.split(" ", 1) for line in text.splitlines())
    return frozenset(lists.get(language, "").split())
