"""Any history of calls leaves the index as a dict and brute force say it must be.

Open queries are part of the history: each is read at random moments, and what it returns is compared
with the namespace as it was when it started.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from clew import ClientError, Index, IndexType, Metric, QueryResult, ResumableQuery
from clew._core import Graph
from clew.engine import catalog
from model import FILTERS, Kept, Model, patched
from opening import open_index

DIMENSION = 3
# Few values, so that ties, exact copies and zero vectors are common.
NUMBERS = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 2.0, 1e-3])
VECTORS = st.tuples(*[NUMBERS] * DIMENSION)
IDS = st.integers(0, 30).map(lambda i: f"{'abc'[i % 3]}{i}")
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 4),
        "tag": st.sampled_from(["a", "b"]),
        "in": st.fixed_dictionaries({}, optional={"x": st.integers(0, 2), "y": st.booleans()}),
    },
)
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "n": st.none() | st.integers(0, 4),
        "tag": st.none() | st.sampled_from(["a", "b"]),
        "in": st.none() | st.fixed_dictionaries({}, optional={"x": st.none() | st.integers(0, 2)}),
    },
)
DATA = st.none() | st.sampled_from(["", "text", "ü"])
RECORDS = st.tuples(IDS, VECTORS, st.none() | METADATA, DATA)
NAMESPACES = st.sampled_from(["", "ns"])
SIZES = st.integers(1, 12)
FILTER = st.sampled_from(list(FILTERS))


@dataclass(eq=False)
class Open:
    """A query under way, and the namespace as it was at its start."""

    query: ResumableQuery
    namespace: str
    vector: np.ndarray
    filter: str
    snapshot: Model
    hits: list[QueryResult] = field(default_factory=list)


class Histories(RuleBasedStateMachine):
    """Over one index; the subclasses say of what kind."""

    metric = "COSINE"
    durable = False
    exact = True
    queries: Bundle[Open] = Bundle("queries")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory() if self.durable else None
        self.models: dict[str, Model] = {"": Model()}
        self.index = self._open()
        self.open: list[Open] = []

    def _open(self) -> Index:
        return open_index(Path(self.folder.name) if self.folder else None, similarity_function=self.metric)

    def teardown(self) -> None:
        for one in self.open:
            self._forget(one)
        self.index.close()
        if self.folder:
            self.folder.cleanup()

    def model(self, namespace: str) -> Model:
        return self.models.get(namespace, Model())

    @initialize(records=st.lists(RECORDS, min_size=5, max_size=30))
    def begin(self, records: list[Any]) -> None:
        self.upsert(records, "")

    @rule(records=st.lists(RECORDS, min_size=1, max_size=12), namespace=NAMESPACES)
    def upsert(self, records: list[Any], namespace: str) -> None:
        self.index.upsert(
            [(name, list(row), metadata, data) for name, row, metadata, data in records], namespace
        )
        model = self.models.setdefault(namespace, Model())
        for name, row, metadata, data in records:
            model.records[name] = Kept(row, metadata, data)

    @rule(records=st.lists(RECORDS, min_size=1, max_size=12, unique_by=lambda r: r[0]), namespace=NAMESPACES)
    def upsert_arrays(self, records: list[Any], namespace: str) -> None:
        ids, rows, metadata, data = zip(*records, strict=True)
        self.index.upsert_arrays(ids, rows, metadata=metadata, data=data, namespace=namespace)
        model = self.models.setdefault(namespace, Model())
        for name, row, one, text in records:
            model.records[name] = Kept(row, one, text)

    @rule(name=IDS, metadata=PATCHES, patch=st.booleans(), namespace=NAMESPACES)
    def update_metadata(self, name: str, metadata: dict[str, Any], patch: bool, namespace: str) -> None:
        mode = "PATCH" if patch else "OVERWRITE"
        done = self.index.update(name, metadata=metadata, metadata_update_mode=mode, namespace=namespace)
        kept = self.model(namespace).records.get(name)
        assert done == (kept is not None)
        if kept is not None:
            new = patched(kept.metadata, metadata) if patch else metadata
            self.models[namespace].records[name] = Kept(kept.vector, new, kept.data)

    @rule(name=IDS, row=VECTORS, data=DATA, namespace=NAMESPACES)
    def update_vector_and_data(self, name: str, row: Any, data: str | None, namespace: str) -> None:
        done = self.index.update(name, vector=list(row), data=data, namespace=namespace)
        kept = self.model(namespace).records.get(name)
        assert done == (kept is not None)
        if kept is not None:
            text = kept.data if data is None else data
            self.models[namespace].records[name] = Kept(row, kept.metadata, text)

    def _deleted(self, namespace: str, gone: set[str], told: int) -> None:
        assert told == len(gone)
        for name in gone:
            del self.models[namespace].records[name]

    @rule(names=st.lists(IDS, max_size=6), namespace=NAMESPACES)
    def delete_ids(self, names: list[str], namespace: str) -> None:
        gone = set(names) & set(self.model(namespace).records)
        self._deleted(namespace, gone, self.index.delete(names, namespace).deleted)

    @rule(prefix=st.sampled_from(["a", "b1", "c2", "x"]), namespace=NAMESPACES)
    def delete_prefix(self, prefix: str, namespace: str) -> None:
        gone = {name for name in self.model(namespace).records if name.startswith(prefix)}
        self._deleted(namespace, gone, self.index.delete(prefix=prefix, namespace=namespace).deleted)

    @rule(filter=st.sampled_from([text for text in FILTERS if text]), namespace=NAMESPACES)
    def delete_filter(self, filter: str, namespace: str) -> None:
        gone = set(self.model(namespace).matching(filter))
        self._deleted(namespace, gone, self.index.delete(filter=filter, namespace=namespace).deleted)

    @rule(record=RECORDS, namespace=NAMESPACES)
    def refused_upsert(self, record: Any, namespace: str) -> None:
        name, row, metadata, data = record
        with pytest.raises(ClientError):
            self.index.upsert([(name, list(row), metadata, data), ("bad", [1.0])], namespace)

    @precondition(lambda self: len(self.open) < 4)
    @rule(target=queries, row=VECTORS, top_k=SIZES, filter=FILTER, namespace=NAMESPACES)
    def start(self, row: Any, top_k: int, filter: str, namespace: str) -> Open:
        query = self.index.resumable_query(
            row, top_k, filter=filter, namespace=namespace,
            include_vectors=True, include_metadata=True, include_data=True,
        )  # fmt: skip
        one = Open(query, namespace, np.array(row, dtype=np.float32), filter, self.model(namespace).copy())
        batch = query.start()
        self._take(one, batch, top_k)
        self.open.append(one)
        return one

    @rule(one=queries, n=SIZES)
    def fetch_next(self, one: Open, n: int) -> None:
        if one in self.open:
            self._take(one, one.query.fetch_next(n), n)

    @rule(one=consumes(queries), n=SIZES)
    def read_to_the_end(self, one: Open, n: int) -> None:
        if one not in self.open:
            return
        while batch := one.query.fetch_next(n):
            self._take(one, batch, n)
        expected = one.snapshot.matching(one.filter)
        assert sorted(hit.id for hit in one.hits) == sorted(expected)
        assert one.query.fetch_next(n) == []
        assert one.query.stop() == "Success"
        self.open.remove(one)

    def _take(self, one: Open, batch: list[QueryResult], n: int) -> None:
        """Check a batch: its size, its order, its records as the snapshot has them, no id again."""
        expected = one.snapshot.matching(one.filter)
        seen = {hit.id for hit in one.hits}
        ids = [hit.id for hit in batch]
        assert len(batch) == min(n, len(expected) - len(seen))
        assert len(set(ids)) == len(ids)
        assert not seen & set(ids)
        for hit in batch:
            kept = expected[hit.id]
            assert (np.float32(hit.vector) == np.float32(kept.vector)).all()
            assert (hit.metadata, hit.data) == (kept.metadata, kept.data)
        one.hits += batch
        scores = [hit.score for hit in batch]
        assert scores == sorted(scores, reverse=True)
        if self.exact:
            self._take_exact(one, expected)

    def _take_exact(self, one: Open, expected: dict[str, Kept]) -> None:
        """Check that everything returned so far is the beginning of the true ranking."""
        scores = [hit.score for hit in one.hits]
        assert scores == sorted(scores, reverse=True)
        assert np.allclose(
            scores, one.snapshot.scores(one.vector, [hit.id for hit in one.hits], self.metric), atol=2e-6
        )
        best = np.sort(one.snapshot.scores(one.vector, list(expected), self.metric))[::-1][: len(scores)]
        assert np.allclose(scores, best, atol=2e-6)

    @rule(row=VECTORS, top_k=SIZES, filter=FILTER, namespace=NAMESPACES)
    def query(self, row: Any, top_k: int, filter: str, namespace: str) -> None:
        model = self.model(namespace)
        expected = list(model.matching(filter))
        hits = self.index.query(list(row), top_k, filter=filter, namespace=namespace)
        assert len({hit.id for hit in hits} & set(expected)) == len(hits) == min(top_k, len(expected))
        if not self.exact:
            return
        best = np.sort(model.scores(np.float32(row), expected, self.metric))[::-1][: len(hits)]
        assert np.allclose([hit.score for hit in hits], best, atol=2e-6)

    @rule(namespace=NAMESPACES)
    def reset(self, namespace: str) -> None:
        assert self.index.reset(namespace) == "Success"
        if namespace in self.models:
            self.models[namespace] = Model()
        for one in [one for one in self.open if one.namespace == namespace]:
            self._forget(one)

    @precondition(lambda self: "ns" in self.models)
    @rule()
    def delete_namespace(self) -> None:
        assert self.index.delete_namespace("ns") == "Success"
        del self.models["ns"]
        for one in [one for one in self.open if one.namespace == "ns"]:
            self._forget(one)

    @precondition(lambda self: "ns" in self.models)
    @rule()
    def rename_there_and_back(self) -> None:
        for old, new in (("ns", "elsewhere"), ("elsewhere", "ns")):
            assert self.index.rename_namespace(old, new) == "Success"
            assert self.index.list_namespaces() == ["", new]

    def _forget(self, one: Open) -> None:
        """Its namespace or its index is gone. (A query over a namespace that was never there goes on.)"""
        with one.query:
            self.open = [other for other in self.open if other is not one]

    @precondition(lambda self: self.durable)
    @rule()
    def close_and_open_again(self) -> None:
        for one in list(self.open):
            self._forget(one)
        self.index.close()
        self.index = self._open()

    @invariant()
    def everything_is_there(self) -> None:
        info = self.index.info()
        assert {name: kept.vector_count for name, kept in info.namespaces.items()} == {
            name: len(model.records) for name, model in self.models.items()
        }
        for namespace, model in self.models.items():
            page = self.index.range("", 1000, True, True, namespace, True)
            assert page.next_cursor == ""
            found = {r.id: (np.float32(r.vector).tolist(), r.metadata, r.data) for r in page.vectors}
            assert found == {
                name: (np.float32(kept.vector).tolist(), kept.metadata, kept.data)
                for name, kept in model.records.items()
            }


class InMemory(Histories):
    """COSINE, in memory."""


class InMemoryEuclidean(Histories):
    """EUCLIDEAN, in memory."""

    metric = "EUCLIDEAN"


class InMemoryDotProduct(Histories):
    """DOT_PRODUCT, in memory."""

    metric = "DOT_PRODUCT"


class InDirectory(Histories):
    """COSINE, in a directory that is closed and opened again."""

    durable = True


def small_graph(kind: IndexType, dimension: int, metric: Metric) -> Graph:
    """One that has edges from the fourth vector on."""
    return Graph(dimension, metric.value, link_min=4)


class OverGraph(Histories):
    """COSINE, in memory, over a graph however few the vectors: complete and stable, though not exact."""

    exact = False

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(catalog, "part_of", small_graph)
        super().__init__()

    def teardown(self) -> None:
        super().teardown()
        self.patch.undo()


def _case(machine: type[Histories], examples: int) -> Any:
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    return case


def _long(machine: type[Histories]) -> Any:
    """Many more of them, in a class of their own, as the settings are those of the class."""
    return pytest.mark.slow(_case(type(f"Long{machine.__name__}", (machine,), {}), 200))


TestInMemory = _case(InMemory, 20)
TestInMemoryEuclidean = _case(InMemoryEuclidean, 8)
TestInMemoryDotProduct = _case(InMemoryDotProduct, 8)
TestInDirectory = _case(InDirectory, 10)
TestOverGraph = _case(OverGraph, 15)
TestLongInMemory = _long(InMemory)
TestLongInMemoryEuclidean = _long(InMemoryEuclidean)
TestLongInMemoryDotProduct = _long(InMemoryDotProduct)
TestLongInDirectory = _long(InDirectory)
TestLongOverGraph = _long(OverGraph)
