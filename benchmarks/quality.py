"""`python -m benchmarks quality`: how well texts are found, by real questions that people have judged.

nDCG@10 says how good the top of a list is, recall@100 how much of what is relevant it holds. Every figure is
of Clew as it is used: an index that embeds, or one that is given vectors, and `query`. The collections are in
../shared/data, or where CLEW_BENCH_SHARED says.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import data, machine
from benchmarks.records import Layout, Record, Run, table
from clew import Data, Index, QueryResult, Vector
from clew.text import embedder, sparse_encoder

COLLECTIONS = ("scifact", "cranfield")
TOP_K = 100
BATCH = 500
HASHING = "builtin/hashing"
LSA = "LSA 256, given as vectors"
LAYOUT = Layout("Quality", ("ndcg_10", "recall_100", "ms_per_query"))
SPEEDS = Layout("Encoding, by the time of one processor", ("texts_per_s",))

# What is asked, by the arguments of `query`; a half of dense_weight is plain.
IDF = {"weighting_strategy": "IDF"}
SPARSE: dict[str, dict[str, Any]] = {"BM25 without IDF": {}, "BM25": IDF}
HYBRID: dict[str, dict[str, Any]] = {
    "dense alone": {"query_mode": "DENSE"},
    "RRF": IDF,
    "DBSF": {**IDF, "fusion_algorithm": "DBSF"},
    "RRF, dense 0.2": {**IDF, "dense_weight": 0.2},
    "RRF, dense 0.35": {**IDF, "dense_weight": 0.35},
    "DBSF, dense 0.2": {**IDF, "fusion_algorithm": "DBSF", "dense_weight": 0.2},
    "DBSF, dense 0.35": {**IDF, "fusion_algorithm": "DBSF", "dense_weight": 0.35},
}

Ask = Callable[[int, dict[str, Any]], list[QueryResult]]


@dataclass(frozen=True, slots=True)
class Collection:
    """Texts by id, questions, for each how relevant which texts are, and vectors of both."""

    name: str
    texts: dict[str, str]
    questions: list[str]
    relevant: list[dict[str, int]]
    vectors: NDArray[np.float32]
    question_vectors: NDArray[np.float32]


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality", description=__doc__)
    parser.add_argument("--data", default=",".join(COLLECTIONS), help="collections, by comma")
    parser.add_argument("--models", default=HASHING, help="dense models by name, by comma")
    parser.add_argument("--out", default="", help="the JSON file; benchmarks/results/quality-TIME.json")
    options = parser.parse_args(arguments)
    machine.pin(None)
    run = Run(machine.describe(), vars(options))
    path = Path(options.out or data.HOME / "results" / time.strftime("quality-%Y%m%d-%H%M%S.json"))
    models = [name for name in options.models.split(",") if name]
    for name in options.data.split(","):
        found = collection(name)
        print(f"# {name}: {len(found.texts):,} texts, {len(found.questions)} judged questions\n", flush=True)
        made = [record for part in _measure(found, models) for record in part]
        print(table(LAYOUT, made) + "\n", flush=True)
        run.records += made
        run.save(path)
    speeds = list(_speeds(models))
    run.records += speeds
    run.save(path)
    print(f"# {SPEEDS.title}\n\n{table(SPEEDS, speeds)}\n\nrecords: {path}")


def collection(name: str) -> Collection:
    """Read one from the folder of shared data. Raises SystemExit where it is not there."""
    folder = data.shared() / name
    if not (folder / "qrels.tsv").exists():
        raise SystemExit(f"no judged collection {name!r} in {folder.parent}; set CLEW_BENCH_SHARED")
    texts = {
        row["_id"]: f"{row.get('title', '')} {row['text']}".strip() for row in _rows(folder / "corpus.jsonl")
    }
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines():
        question, text, grade = line.split("\t")
        if int(grade) > 0:
            judged.setdefault(question, {})[text] = int(grade)
    asked = [(i, row) for i, row in enumerate(_rows(folder / "queries.jsonl")) if row["_id"] in judged]
    vectors = np.load(folder / "queries.lsa256.f32.npy")
    return Collection(
        name,
        texts,
        [row["text"] for _, row in asked],
        [judged[row["_id"]] for _, row in asked],
        np.load(folder / "base.lsa256.f32.npy"),
        vectors[[i for i, _ in asked]],
    )


def ndcg(hits: Sequence[str], relevant: dict[str, int], k: int = 10) -> float:
    """Normalised discounted cumulative gain: Järvelin and Kekäläinen (2002), linear gain."""
    best = sorted(relevant.values(), reverse=True)[:k]
    gained = [relevant.get(id, 0) for id in hits[:k]]
    discounted = [sum(g / math.log2(i + 2) for i, g in enumerate(gains)) for gains in (gained, best)]
    return discounted[0] / discounted[1]


def recall(hits: Sequence[str], relevant: dict[str, int]) -> float:
    """The share of what is relevant that is among the hits."""
    return len(relevant.keys() & set(hits)) / len(relevant)


def _measure(found: Collection, models: Sequence[str]) -> Iterator[list[Record]]:
    with Index(type="SPARSE", sparse_embedding_model="BM25") as index:
        _fill(index, [Data(id, text) for id, text in found.texts.items()])
        yield _cases(found, "BM25", SPARSE, lambda i, asked: index.query(data=found.questions[i], **asked))
    for model in models:
        with Index(type="HYBRID", embedding_model=model, sparse_embedding_model="BM25") as index:
            _fill(index, [Data(id, text) for id, text in found.texts.items()])
            yield _cases(found, model, HYBRID, lambda i, asked: index.query(data=found.questions[i], **asked))
    with Index(type="HYBRID") as index:
        yield _cases(found, LSA, HYBRID, _given(index, found))


def _given(index: Index, found: Collection) -> Ask:
    """An index that is given its vectors, and how it is asked: what other embedders do."""
    encoder = sparse_encoder("BM25")
    sparse = encoder.encode_documents(list(found.texts.values()))
    rows = zip(found.texts, found.vectors, sparse, strict=True)
    # A raw vector must have an entry: some texts of cranfield are empty.
    _fill(index, [Vector(id, row, sparse_vector=terms) for id, row, terms in rows if terms.indices])
    questions = list(map(encoder.encode_query, found.questions))

    def ask(i: int, asked: dict[str, Any]) -> list[QueryResult]:
        asked = dict(asked)
        terms = None if asked.pop("query_mode", None) == "DENSE" else questions[i]
        return index.query(vector=found.question_vectors[i], sparse_vector=terms, **asked)

    return ask


def _fill(index: Index, records: Sequence[Any]) -> None:
    for first in range(0, len(records), BATCH):
        index.upsert(records[first : first + BATCH])


def _cases(found: Collection, engine: str, cases: dict[str, dict[str, Any]], ask: Ask) -> list[Record]:
    made = []
    for case, asked in cases.items():
        started = time.perf_counter()
        lists = [ask(i, {"top_k": TOP_K, **asked}) for i in range(len(found.questions))]
        taken = time.perf_counter() - started
        ids = [[hit.id for hit in hits] for hits in lists]
        judged = list(zip(ids, found.relevant, strict=True))
        values = {
            "ndcg_10": round(float(np.mean([ndcg(*one) for one in judged])), 4),
            "recall_100": round(float(np.mean([recall(*one) for one in judged])), 4),
            "ms_per_query": round(taken * 1e3 / len(lists), 3),
        }
        made.append(Record("quality", found.name, engine, case, dict(values)))
    return made


def _speeds(models: Sequence[str]) -> Iterator[Record]:
    """Texts a second, of words drawn by Zipf's law; the second time over, as in a collection that grows."""
    for words, n in ((10, 20_000), (100, 10_000)):
        texts = zipf(n, words)
        batches = [texts[first : first + BATCH] for first in range(0, n, BATCH)]
        bm25 = sparse_encoder("BM25")
        yield _speed("BM25", words, bm25.encode_documents, batches)
        for model in models:
            few = batches if model == HASHING else batches[:1]
            yield _speed(model, words, embedder(model).embed_documents, few)


def _speed(name: str, words: int, encode: Callable[[list[str]], Any], batches: list[list[str]]) -> Record:
    taken = []
    for _ in range(3):
        started = time.process_time()
        for batch in batches:
            encode(batch)
        taken.append(time.process_time() - started)
    rate = round(sum(map(len, batches)) / min(taken))
    return Record("encoding", "zipf", name, f"{words} words", {"texts_per_s": rate})


def zipf(n: int, words: int, vocabulary: int = 50_000) -> list[str]:
    """Texts of made-up words, the r-th of them drawn in proportion to 1 / r."""
    rng = np.random.default_rng(4)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    lengths = rng.integers(2, 12, vocabulary)
    spelled = ["".join(letters[rng.integers(0, 26, length)]) for length in lengths]
    share = 1 / np.arange(1, vocabulary + 1)
    drawn = rng.choice(vocabulary, (n, words), p=share / share.sum())
    return [" ".join(spelled[word] for word in row) for row in drawn.tolist()]


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
