"""`python -m benchmarks sparse`: sparse and hybrid queries, one thread.

Top-10 beside bm25s and rank-bm25 with the same weights, hence the same ranking; reading a query to its end
beside scoring everything once; a hybrid query beside its halves. Reuters-21578 is in ../shared/data, or where
CLEW_BENCH_SHARED says; the other corpus is made: words drawn by Zipf's law.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import data, machine
from benchmarks.records import Layout, Record, Run, table
from benchmarks.timing import each_call, in_turn
from clew import _core

K = 10
QUERIES = 200
VOCABULARY = 200_000
ZIPF = 1.05
STOP_WORDS = 50  # so many of the most frequent words are in no query
BATCH = 1000
K1, B = 1.5, 0.75  # those of rank-bm25 and bm25s
LAYOUT = Layout(
    "Sparse, one thread",
    ("queries_per_s", "best_queries_per_s", "p50_us", "identical", "total_ms", "per_pass"),
    ratio="queries_per_s",
)

Query = tuple[NDArray[np.int32], NDArray[np.float32]]


@dataclass
class Corpus:
    """How often each word occurs in each document: row i has the words from offsets[i] to offsets[i + 1]."""

    name: str
    offsets: NDArray[np.uint64]
    words: NDArray[np.int32]
    counts: NDArray[np.float32]
    queries: list[NDArray[np.int32]]

    @property
    def size(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def frequencies(self) -> NDArray[np.int64]:
        """In how many documents each word is."""
        return np.bincount(self.words, minlength=int(self.words.max()) + 1)

    @cached_property
    def saturated(self) -> NDArray[np.float32]:
        """tf / (tf + k1 (1 - b + b length / average)) of each entry."""
        starts = self.offsets[:-1].astype(np.int64)
        lengths = np.add.reduceat(self.counts, starts)
        norm = np.repeat(K1 * (1 - B + B * lengths / lengths.mean()), np.diff(self.offsets).astype(np.int64))
        return (self.counts / (self.counts + norm)).astype(np.float32)

    def lists(self, factor: float = 1) -> _core.Sparse:
        lists = _core.Sparse()
        lists.apply(self.offsets, self.words, self.saturated * np.float32(factor), np.zeros(0, np.uint32), 1)
        return lists


def corpora(names: list[str]) -> Iterator[Corpus]:
    for name in names:
        if name == "reuters":
            path = data.shared() / "reuters-21578" / "corpus.jsonl"
            if not path.exists():
                print(f"left out: {path} is not there")
                continue
            yield _reuters(path.read_text("utf-8").splitlines())
        else:
            yield _zipf(int(name.removeprefix("zipf-")))


def _reuters(lines: list[str]) -> Corpus:
    documents = [json.loads(line) for line in lines]
    texts = [
        Counter(re.findall(r"\w+", " ".join(str(one.get(k, "")) for k in ("title", "text")).lower()))
        for one in documents
    ]
    texts = [text for text in texts if text]
    known = {word: i for i, (word, _) in enumerate(sum_of(texts).most_common())}
    rows = [sorted((known[word], count) for word, count in text.items()) for text in texts]
    return _corpus(
        "reuters",
        np.array([len(row) for row in rows]),
        np.array([word for row in rows for word, _ in row], np.int32),
        np.array([count for row in rows for _, count in row], np.float32),
    )


def sum_of(texts: list[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for text in texts:
        total.update(text.keys())
    return total


def _zipf(size: int) -> Corpus:
    rng = np.random.default_rng(11)
    share = 1 / np.arange(1, VOCABULARY + 1) ** ZIPF
    lengths = np.clip(rng.lognormal(3.6, 0.5, size), 5, 400).astype(np.int64)
    drawn = np.searchsorted(np.cumsum(share / share.sum()), rng.random(int(lengths.sum())))
    keys = np.repeat(np.arange(size, dtype=np.int64), lengths) * VOCABULARY + np.minimum(
        drawn, VOCABULARY - 1
    )
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    counts = np.diff(first, append=len(keys)).astype(np.float32)
    documents, words = np.divmod(keys[first], VOCABULARY)
    return _corpus(f"zipf-{size}", np.bincount(documents, minlength=size), words.astype(np.int32), counts)


def _corpus(
    name: str, lengths: NDArray[np.int64], words: NDArray[np.int32], counts: NDArray[np.float32]
) -> Corpus:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
    rng = np.random.default_rng(12)
    queries = []
    while len(queries) < QUERIES:  # words of a document
        row = int(rng.integers(len(lengths)))
        found = words[int(offsets[row]) : int(offsets[row + 1])]
        found = found[found >= STOP_WORDS]  # words are numbered by how frequent they are
        if len(found) >= 2:
            queries.append(rng.choice(found, min(len(found), int(rng.integers(2, 7))), replace=False))
    return Corpus(name, offsets, words, counts, queries)


# -- engines: each gives the rows and scores of the best K


Search = Callable[[NDArray[np.int32]], tuple[Any, Any]]
Searches = Callable[[list[NDArray[np.int32]]], Any]  # many queries in one call


def clew_pair(corpus: Corpus) -> tuple[Search, Searches]:
    lists, ones = corpus.lists(), np.ones(100, np.float32)

    def search(query: NDArray[np.int32]) -> tuple[Any, Any]:
        slots, distances = lists.search(query, ones[: len(query)], K, True)
        return slots, -distances

    def searches(queries: list[NDArray[np.int32]]) -> Any:
        offsets = np.cumsum([0, *map(len, queries)], dtype=np.uint64)
        words = np.concatenate(queries)
        slots, distances, _ = lists.search_many(offsets, words, np.ones(len(words), np.float32), K, True)
        return slots, -distances

    return search, searches


def bm25s_pair(corpus: Corpus, backend: str) -> tuple[Search, Searches]:
    import bm25s

    n = corpus.frequencies
    idf = np.log1p((corpus.size - n + 0.5) / (n + 0.5)).astype(np.float32)
    order = np.argsort(corpus.words, kind="stable")
    rows = np.repeat(np.arange(corpus.size, dtype=np.int32), np.diff(corpus.offsets).astype(np.int64))
    model = bm25s.BM25(method="lucene", k1=K1, b=B, backend=backend)
    model.scores = {
        "data": (corpus.saturated * idf[corpus.words])[order],
        "indices": rows[order],
        "indptr": np.concatenate([[0], np.cumsum(n)]).astype(np.int32 if len(order) < 2**31 else np.int64),
        "num_docs": corpus.size,
    }
    model.nonoccurrence_array = None
    model.vocab_dict = {str(word): word for word in range(len(n))}
    model.unique_token_ids_set = set(range(len(n)))

    def search(query: NDArray[np.int32]) -> tuple[Any, Any]:
        found = model.retrieve([query.tolist()], k=K, show_progress=False, n_threads=0)
        return found.documents[0], found.scores[0]

    def searches(queries: list[NDArray[np.int32]]) -> Any:
        return model.retrieve([query.tolist() for query in queries], k=K, show_progress=False, n_threads=0)

    return search, searches


def rank_bm25_pair(corpus: Corpus) -> tuple[Search, Search]:
    """rank-bm25, and Clew with the weights of rank-bm25."""
    from rank_bm25 import BM25Okapi

    ends = corpus.offsets.astype(np.int64)
    texts = [
        np.repeat(corpus.words[a:b], corpus.counts[a:b].astype(np.int64)).tolist() for a, b in pairwise(ends)
    ]
    model = BM25Okapi(texts, k1=K1, b=B)
    lists = corpus.lists(K1 + 1)

    def theirs(query: NDArray[np.int32]) -> tuple[Any, Any]:
        scores = model.get_scores(query.tolist())
        best = np.argsort(scores)[::-1][:K]
        return best, scores[best]

    def ours(query: NDArray[np.int32]) -> tuple[Any, Any]:
        weights = np.array([model.idf[word] for word in query.tolist()], np.float32)
        slots, distances = lists.search(query, weights, K)
        return slots, -distances

    return theirs, ours


# -- what is measured


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sparse", description=__doc__)
    parser.add_argument("--data", default="reuters,zipf-1000000", help="of reuters, zipf-SIZE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", type=int, default=-1, help="pin to it")
    parser.add_argument("--no-hybrid", action="store_true", help="leave the hybrid queries out")
    options = parser.parse_args(arguments)
    machine.pin(None if options.cpu < 0 else options.cpu)
    run = Run(machine.describe(), vars(options))
    print(f"{run.machine}\n")
    for corpus in corpora(options.data.split(",")):
        print(f"# {corpus.name}: {corpus.size:,} documents, {len(corpus.words):,} entries\n", flush=True)
        made = [*_top(corpus, options.rounds), *_to_the_end(corpus, options.rounds)]
        print(table(LAYOUT, made), flush=True)
        run.records += made
    if not options.no_hybrid:
        made = _hybrid(options.rounds)
        print(table(Layout("Hybrid", ("p50_us", "per_halves")), made), flush=True)
        run.records += made
    run.save(data.HOME / "results" / f"sparse-{time.strftime('%Y%m%d-%H%M%S')}.json")


def _top(corpus: Corpus, rounds: int) -> list[Record]:
    ours, ours_together = clew_pair(corpus)
    engines: dict[tuple[str, str], Search] = {("top 10", "clew"): ours}
    together: dict[str, Searches] = {"clew": ours_together}
    for backend in ("numpy", "numba"):
        try:
            engines["top 10", f"bm25s {backend}"], together[f"bm25s {backend}"] = bm25s_pair(corpus, backend)
        except ImportError as reason:
            print(f"left out: {reason}")
    if corpus.size <= 100_000:  # it keeps a dict for each document
        theirs, weighted = rank_bm25_pair(corpus)
        engines["top 10, weights of rank-bm25", "clew"] = weighted
        engines["top 10, weights of rank-bm25", "rank-bm25"] = theirs
    taken = in_turn(
        {name: (lambda call=call: each_call(call, corpus.queries, 5)) for name, call in engines.items()},
        rounds,
    )
    made = []
    for (case, engine), samples in taken.items():
        times = np.stack(samples)
        alike = [_alike(engines[case, engine](q), engines[case, "clew"](q)) for q in corpus.queries]
        values = {
            "queries_per_s": 1e9 / float(np.median(times, 0).mean()),
            "best_queries_per_s": 1e9 / float(times.min(0).mean()),
            "p50_us": float(np.median(np.median(times, 0))) / 1000,
            "identical": float(np.mean(alike)),
        }
        made.append(Record("sparse", corpus.name, engine, case, values))
    return made + _together(corpus, together, rounds)


def _together(corpus: Corpus, engines: dict[str, Searches], rounds: int) -> list[Record]:
    """All queries in one call: what is spent once per call is spread."""
    taken = in_turn(
        {name: (lambda call=call: each_call(call, [corpus.queries], 1)) for name, call in engines.items()},
        rounds,
    )
    case, n = f"top 10, {len(corpus.queries)} queries in one call", len(corpus.queries)
    made = []
    for engine, samples in taken.items():
        times = np.stack(samples)
        values = {
            "queries_per_s": 1e9 * n / float(np.median(times)),
            "best_queries_per_s": 1e9 * n / float(times.min()),
        }
        made.append(Record("sparse", corpus.name, engine, case, values))
    return made


def _alike(a: tuple[Any, Any], b: tuple[Any, Any]) -> bool:
    """The same scores in the same places; rows of equal scores may change places."""
    n = min(len(a[1]), len(b[1]))
    return bool(np.allclose(np.asarray(a[1])[:n], np.asarray(b[1])[:n], rtol=2e-5))


def _to_the_end(corpus: Corpus, rounds: int) -> list[Record]:
    lists, ones = corpus.lists(), np.ones(100, np.float32)
    queries = corpus.queries[:30]

    def once(query: NDArray[np.int32]) -> int:
        return lists.search(query, ones[: len(query)], 1, True, exhaustive=True).count

    def sorted_once(query: NDArray[np.int32]) -> int:
        return lists.search(query, ones[: len(query)], corpus.size, True, exhaustive=True).count

    def read(query: NDArray[np.int32]) -> int:
        cursor, n = lists.cursor(query, ones[: len(query)], True), 0
        while True:
            given = cursor.next(BATCH).count  # no array: an index answers without
            n += given
            if given < BATCH:  # there are no more
                return n

    cases = {"score all, give one": once, "score all, give all": sorted_once, f"read by {BATCH:,}": read}
    taken = in_turn(
        {name: (lambda call=call: each_call(call, queries, 3)) for name, call in cases.items()}, rounds
    )
    totals = {name: float(np.median(np.stack(samples), 0).sum()) / 1e6 for name, samples in taken.items()}
    first = totals["score all, give one"]
    return [
        Record("sparse", corpus.name, "clew", name, {"total_ms": total, "per_pass": total / first})
        for name, total in totals.items()
    ]


def _hybrid(rounds: int) -> list[Record]:
    dense = data.load("synth-50k-128")
    corpus = _zipf(dense.size)
    graph, lists = _core.Graph(dense.dimension, dense.metric), corpus.lists()
    graph.apply(np.ascontiguousarray(dense.base, np.float32), np.zeros(0, np.uint32), 1)
    ones = np.ones(100, np.float32)
    asked = list(zip(np.ascontiguousarray(dense.queries[:QUERIES], np.float32), corpus.queries, strict=False))

    def halves(k: int) -> dict[str, Callable[[Any], Any]]:
        return {
            f"dense, {k}": lambda q: graph.search(q[0], k),
            f"sparse, {k}": lambda q: lists.search(q[1], ones[: len(q[1])], k, True),
        }

    def hybrid(window: int) -> Callable[[Any], Any]:
        return lambda q: _core.fused_cursor(
            graph, lists, q[0], q[1], ones[: len(q[1])], idf=True, window=window, once=True
        ).next(K)

    cases = {**halves(K), **halves(100), "hybrid of 10": hybrid(K), "hybrid of 100": hybrid(100)}
    taken = in_turn(
        {name: (lambda call=call: each_call(call, asked, 10)) for name, call in cases.items()}, rounds
    )
    us = {name: float(np.median(np.stack(samples), 0).mean()) / 1000 for name, samples in taken.items()}
    made = []
    for name, taken_us in us.items():
        n = name.rsplit(" ", 1)[1]
        per = taken_us / (us[f"dense, {n}"] + us[f"sparse, {n}"]) if "hybrid" in name else None
        made.append(Record("sparse", "hybrid", "clew", name, {"p50_us": taken_us, "per_halves": per}))
    return made
