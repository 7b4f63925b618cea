"""The promises, over sparse and hybrid indexes of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew import ClientError, QueryNotActive, QueryResult, ResumableQuery
from opening import KINDS, open_index
from sparse_reference import Pairs
from sparse_worlds import SparseWorld, fresh, make_sparse_world, some_pairs, some_vector
from worlds import flat, read

EVERYTHING = {"include_vectors": True, "include_metadata": True}
# What is asked of a world, by the type of its index.
FORMS = {
    "SPARSE": ["plain", "idf"],
    "HYBRID": ["dense half", "sparse half", "rrf", "dbsf", "rrf window", "dbsf window", "weighted"],
}
SETTINGS: dict[str, dict[str, Any]] = {
    "idf": {"weighting_strategy": "IDF"},
    "rrf": {"fusion_algorithm": "RRF"},
    "dbsf": {"fusion_algorithm": "DBSF", "weighting_strategy": "IDF"},
    "rrf window": {"fusion_window": 37},
    "dbsf window": {"fusion_window": 50, "fusion_algorithm": "DBSF"},
    "weighted": {"dense_weight": 0.2, "fusion_window": 20},
}
# Every form in memory; on the way through a disk or a server, those that differ in what is carried or kept.
ELSEWHERE = {"idf", "sparse half", "rrf", "dbsf window"}
CASES = [
    (kind, type, form)
    for kind in KINDS
    for type, forms in FORMS.items()
    for form in forms
    if kind == "memory" or form in ELSEWHERE
]


def is_stable(type: str, form: str) -> bool:
    """Whether there is one ranking, whatever the batches."""
    return type == "SPARSE" or "half" in form or "fusion_window" in SETTINGS[form]


def over(fixture: str, admits: Callable[[str, str], bool]) -> pytest.MarkDecorator:
    """Runs a test over those cases of a fixture of which it says something."""
    cases = [(kind, type, form) for kind, type, form in CASES if admits(type, form)]
    return pytest.mark.parametrize(fixture, cases, indirect=True, ids="-".join)


class Asking:
    """A world, and one form of query over it."""

    def __init__(self, world: SparseWorld, form: str) -> None:
        self.world = world
        self.index = world.index
        self.form = form

    def some(self, rng: random.Random) -> dict[str, Any]:
        """The arguments of a query. Every sparse one has an index that many records have."""
        pairs = [*some_pairs(rng), (1, 1.0)]
        asked = dict(SETTINGS.get(self.form, {}))
        if self.world.type == "HYBRID" and self.form != "sparse half":
            asked["vector"] = some_vector(rng)
        if self.form != "dense half":
            asked["sparse_vector"] = ([i for i, _ in pairs], [v for _, v in pairs])
        return asked

    def found(self, asked: dict[str, Any], ids: set[str] | None = None) -> set[str]:
        """The ids that a query must return in the end."""
        if "vector" in asked:
            return set(self.world.records) if ids is None else ids
        return {name for name, _ in self.world.sparse_ranking(pairs_of(asked), False, ids)}

    @property
    def stable(self) -> bool:
        """See `is_stable`."""
        return is_stable(self.world.type, self.form)


def pairs_of(asked: dict[str, Any]) -> Pairs:
    return list(zip(*asked["sparse_vector"], strict=True))


def ids(hits: list[QueryResult]) -> list[str]:
    return [hit.id for hit in hits]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], SparseWorld]]:
    """Made once: not to be written to."""
    made: dict[tuple[str, str], SparseWorld] = {}

    def world(kind: str, type: str) -> SparseWorld:
        if (kind, type) not in made:
            where = tmp_path_factory.mktemp("world") if kind == "directory" else None
            made[kind, type] = make_sparse_world(where, type, remote=kind == "remote")
        return made[kind, type]

    yield world
    for one in made.values():
        one.index.close()


@pytest.fixture(params=CASES, ids="-".join)
def asking(request: pytest.FixtureRequest, worlds: Callable[[str, str], SparseWorld]) -> Asking:
    kind, type, form = request.param
    return Asking(worlds(kind, type), form)


@pytest.fixture(params=CASES, ids="-".join)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """One that a test may write to."""
    kind, type, form = request.param
    where = tmp_path_factory.mktemp("own") if kind == "directory" else None
    world = make_sparse_world(where, type, 200, remote=kind == "remote")
    yield Asking(world, form)
    world.index.close()


@over("asking", is_stable)
def test_p1_batches_are_slices_of_one_ranking(asking: Asking, rng: random.Random) -> None:
    asked = asking.some(rng)
    whole = asking.index.resumable_query(**asked, top_k=1000)
    with whole:
        ranking = [(hit.id, hit.score) for hit in whole.start()]
    for largest in (3, 50):
        batches = read(asking.index.resumable_query(**asked, top_k=rng.randint(1, largest)), rng, largest)
        assert [(hit.id, hit.score) for hit in flat(batches)] == ranking
    assert ids(asking.index.query(**asked, top_k=15)) == [id for id, _ in ranking[:15]]


def test_p2_and_p3_every_match_comes_exactly_once(asking: Asking, rng: random.Random) -> None:
    for filter, share in (("", None), ("part < 50", 50), ("part < 3", 3), ("part < 0", 0)):
        asked = asking.some(rng)
        admitted = None if share is None else asking.world.matching(share)
        query = asking.index.resumable_query(**asked, top_k=rng.randint(1, 9), filter=filter)
        found = ids(flat(read(query, rng, 60)))
        assert len(found) == len(set(found))
        assert set(found) == asking.found(asked, admitted)


def test_p4_later_writes_change_neither_ids_nor_records(own: Asking, rng: random.Random) -> None:
    asked, world = own.some(rng), own.world
    before = {name: (kept.sparse, kept.metadata) for name, kept in world.records.items()}
    expected = own.found(asked)
    query = own.index.resumable_query(**asked, top_k=5, **EVERYTHING)
    hits = query.start()
    for turn in range(3):
        world.delete(rng.sample(sorted(world.records), 30))
        world.upsert(fresh(rng, [*rng.sample(sorted(world.records), 20), f"new{turn}"]))
        world.update(rng.choice(sorted(world.records)), {"part": 0})
        hits += query.fetch_next(20)
    hits += list(query)
    query.stop()
    assert sorted(ids(hits)) == sorted(expected)
    for hit in hits:
        sparse, metadata = before[hit.id]
        assert (hit.sparse_vector.indices, hit.metadata) == ([i for i, _ in sparse], metadata)
        assert np.array_equal(np.float32(hit.sparse_vector.values), np.float32([v for _, v in sparse]))
        assert ("vector" in hit) == (world.type == "HYBRID")


@over("own", lambda type, form: form == "idf")
def test_p4_weights_are_those_of_the_start(own: Asking, rng: random.Random) -> None:
    asked, world = own.some(rng), own.world
    ranking = world.sparse_ranking(pairs_of(asked), True)
    query = own.index.resumable_query(**asked, top_k=1)
    hits = query.start()
    world.upsert(fresh(rng, [f"more{i}" for i in range(300)]))
    world.delete(rng.sample(sorted(world.records), 100))
    hits += list(query)
    query.stop()
    assert [(hit.id, np.float32(hit.score)) for hit in hits] == [(n, np.float32(s)) for n, s in ranking]


def test_p5_scores_never_increase(asking: Asking, rng: random.Random) -> None:
    batches = read(asking.index.resumable_query(**asking.some(rng), top_k=7), rng, 40)
    for batch in batches:
        assert all(a.score >= b.score for a, b in pairwise(batch))
    if asking.stable:
        assert all(a.score >= b.score for a, b in pairwise(flat(batches)))


@over("asking", lambda type, form: type == "SPARSE")
def test_p5_a_sparse_query_ranks_as_a_plain_loop_does(asking: Asking, rng: random.Random) -> None:
    for filter, share in (("", None), ("part < 20", 20)):
        asked = asking.some(rng)
        admitted = None if share is None else asking.world.matching(share)
        ranking = asking.world.sparse_ranking(pairs_of(asked), asking.form == "idf", admitted)
        hits = flat(read(asking.index.resumable_query(**asked, top_k=3, filter=filter), rng, 30))
        assert [(hit.id, np.float32(hit.score)) for hit in hits] == [(n, np.float32(s)) for n, s in ranking]
        once = asking.index.query(**asked, top_k=12, filter=filter)
        assert [(hit.id, hit.score) for hit in once] == [(hit.id, hit.score) for hit in hits[:12]]


def test_p6_only_the_last_batch_is_short(asking: Asking, rng: random.Random) -> None:
    for filter, share in (("", None), ("part < 30", 30)):
        asked = asking.some(rng)
        left = len(asking.found(asked, None if share is None else asking.world.matching(share)))
        wanted = rng.randint(1, 12)
        query = asking.index.resumable_query(**asked, top_k=wanted, filter=filter)
        batch = query.start()
        while batch:
            assert len(batch) == min(wanted, left)
            left -= len(batch)
            wanted = rng.randint(1, 60)
            batch = query.fetch_next(wanted)
        query.stop()
        assert left == 0


def test_p9_reset_and_stop_end_a_query_and_say_so(own: Asking, rng: random.Random) -> None:
    stopped, dropped = (own.index.resumable_query(**own.some(rng), top_k=1) for _ in range(2))
    stopped.start()
    dropped.start()
    stopped.stop()
    with pytest.raises(QueryNotActive, match="stopped"):
        stopped.fetch_next(1)
    own.index.reset()
    with pytest.raises(QueryNotActive, match=r"(?i)reset"):
        dropped.fetch_next(1)
    assert own.index.query(**own.some(rng)) == []


@pytest.mark.parametrize(("type", "form"), [(t, f) for t, forms in FORMS.items() for f in forms])
def test_p10_a_query_goes_on_after_a_restart(
    type: str, form: str, tmp_path: Path, rng: random.Random
) -> None:
    world = make_sparse_world(tmp_path, type, 200)
    own = Asking(world, form)
    asked, expected = own.some(rng), None
    if own.stable:
        with own.index.resumable_query(**asked, top_k=1000) as whole:
            expected = [(hit.id, hit.score) for hit in whole.start()]
    wanted = own.found(asked)
    query = own.index.resumable_query(**asked, top_k=5)
    hits = query.start() + query.fetch_next(6)
    world.delete(rng.sample(sorted(world.records), 40))
    world.upsert(fresh(rng, [*rng.sample(sorted(world.records), 20), "new"]))
    world.index.close()
    with open_index(tmp_path) as again:
        query._call = again._call  # the same uuid, asked of the index that was opened anew
        hits += query.fetch_next(7)
        again.delete(rng.sample(sorted(world.records), 40))
        hits += list(query)
        query.stop()
    assert len(hits) == len(wanted)
    assert set(ids(hits)) == wanted
    if expected is not None:
        assert [(hit.id, hit.score) for hit in hits] == expected


@pytest.mark.parametrize(("type", "form"), [(t, f) for t, forms in FORMS.items() for f in forms])
def test_p8_a_query_whose_cache_was_dropped_goes_on(type: str, form: str, rng: random.Random) -> None:
    world = make_sparse_world(None, type, 200, stream_bytes_max=0)
    own = Asking(world, form)
    queries = []
    for _ in range(4):
        asked = own.some(rng)
        query = own.index.resumable_query(**asked, top_k=4)
        queries.append((query, own.found(asked), query.start()))
    world.delete(rng.sample(sorted(world.records), 30))
    while any(len(hits) < len(wanted) for _, wanted, hits in queries):
        for query, _, hits in queries:
            hits += query.fetch_next(rng.randint(1, 40))
    for query, wanted, hits in queries:
        assert query.fetch_next(1) == []
        assert sorted(ids(hits)) == sorted(wanted)
        if own.stable:
            assert all(a.score >= b.score for a, b in pairwise(hits))
    world.index.close()


def test_p12_threads_that_share_a_query_get_every_result_once(asking: Asking, rng: random.Random) -> None:
    asked = asking.some(rng)
    query = asking.index.resumable_query(**asked, top_k=3)
    found = ids(query.start())

    def take(size: int) -> list[str]:
        mine: list[str] = []
        while batch := query.fetch_next(size):
            mine += ids(batch)
        return mine

    with ThreadPoolExecutor(4) as pool:
        for mine in pool.map(take, [2, 5, 20, 1]):
            found += mine
    query.stop()
    assert sorted(found) == sorted(asking.found(asked))


def test_p12_a_batch_of_writes_is_seen_whole_or_not_at_all(own: Asking, rng: random.Random) -> None:
    world, asked = own.world, own.some(rng)
    world.index.reset()
    names = [str(i) for i in range(40)]
    forms = {name: (pairs, vector) for name, (pairs, vector, _) in fresh(rng, names).items()}

    def write(turn: int) -> None:
        own.index.upsert([world.form(n, [*p, (1, 1.0)], v, {"turn": turn}) for n, (p, v) in forms.items()])

    write(0)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write(turn) for turn in range(1, 13)])
        while not writing.done():
            hits = own.index.query(**asked, top_k=100, include_metadata=True)
            assert len(hits) == 40
            assert len({hit.metadata["turn"] for hit in hits}) == 1
        writing.result()


def test_every_other_call_carries_sparse_vectors(own: Asking, rng: random.Random) -> None:
    index, world = own.index, own.world
    [name, other] = rng.sample(sorted(world.records), 2)
    fetched = index.fetch([name, "gone"], include_vectors=True)
    kept = world.records[name]
    assert fetched[0].sparse_vector.indices == [i for i, _ in kept.sparse]
    assert ("vector" in fetched[0]) == (world.type == "HYBRID")
    assert fetched[1] is None
    assert "sparse_vector" in index.random()
    assert len(index.range(limit=7, include_vectors=True).vectors[6].sparse_vector.values) > 0
    half = {"vector": some_vector(rng)} if world.type == "HYBRID" else {}
    assert index.update(other, sparse_vector=([7, -7], [1.0, 2.0]), **half)
    assert index.fetch(other, include_vectors=True)[0].sparse_vector.indices == [7, -7]
    asked = [own.some(rng), own.some(rng)]
    answers = index.query_many([{**one, "top_k": 4} for one in asked])
    assert answers == [index.query(**one, top_k=4) for one in asked]
    info = index.info()
    assert (info.index_type, info.vector_count) == (world.type, len(world.records))
    assert info.sparse_index is not None
    assert (info.dense_index is None) == (world.type == "SPARSE")


def refusals(type: str) -> list[tuple[Any, str]]:
    """Calls of an index that it must refuse, and what it says."""
    dense, sparse = np.ones(8), ([1, 2], [0.5, 0.5])
    many = (list(range(1001)), [1.0] * 1001)
    both = {"vector": dense, "sparse_vector": sparse}
    good = both if type == "HYBRID" else {"sparse_vector": sparse}
    wrong = [
        (lambda i: i.upsert([("x", dense)]), "sparse vectors"),
        (lambda i: i.query(**{**good, "sparse_vector": ([1], [0.5, 0.5])}), "as many indices as values"),
        (lambda i: i.query(**{**good, "sparse_vector": ([], [])}), "sparse_vector.values"),
        (lambda i: i.query(**{**good, "sparse_vector": many}), "1001 entries|1001 indices"),
        (lambda i: i.query(**{**good, "sparse_vector": ([2**31], [1.0])}), "32-bit"),
        (lambda i: i.query(**{**good, "sparse_vector": ([1.5], [1.0])}), "sparse_vector.indices"),
        (lambda i: i.query(**{**good, "sparse_vector": ([1], [float("nan")])}), "finite"),
        (lambda i: i.query(**{**good, "sparse_vector": ([1], [1e39])}), "finite"),
        (lambda i: i.query(data="text"), "embedding model"),
        (lambda i: i.query(**good, dense_weight=1.5), "dense_weight"),
        (lambda i: i.query(**good, fusion_window=0), "fusion_window"),
        (lambda i: i.upsert_arrays(["x"], [dense]), "sparse vectors|dense vectors"),
        (lambda i: i.upsert([{"id": "x", **good, "metadata": {"t": "x" * 50_000}}]), "metadata"),
        (lambda i: i.upsert([{"id": "ok", **good}, {"id": "x", **good, "sparse_vector": many}]), "1001"),
    ]
    if type == "SPARSE":
        wrong += [
            (lambda i: i.query(vector=dense), "requires sparse vectors"),
            (lambda i: i.query(**both), "does not support dense vectors"),
            (lambda i: i.upsert([("x", dense, sparse)]), "does not support dense vectors"),
        ]
    else:
        wrong += [
            (
                lambda i: i.query(vector=np.ones(7), sparse_vector=sparse),
                "Invalid vector dimension: 7, expected: 8",
            ),
            (lambda i: i.upsert([("x", sparse)]), "requires dense vectors"),
            (lambda i: i.update("v0", sparse_vector=sparse), "requires dense vectors"),
            (lambda i: i.update("v0", vector=dense), "requires sparse vectors"),
            (lambda i: i.query(**both, fusion_window=10_001), "fusion_window"),
        ]
    return wrong


@pytest.mark.parametrize("type", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_refused_and_changes_nothing(
    kind: str, type: str, worlds: Callable[[str, str], SparseWorld]
) -> None:
    index = worlds(kind, type).index
    before = index.range(limit=1000, include_vectors=True, include_metadata=True)
    for call, message in refusals(type):
        with pytest.raises(ClientError, match=message):
            call(index)
    assert index.range(limit=1000, include_vectors=True, include_metadata=True) == before


def test_a_resumable_query_keeps_the_vectors_it_was_made_with(asking: Asking, rng: random.Random) -> None:
    asked = asking.some(rng)
    expected = asking.index.resumable_query(**asked, top_k=20)
    with expected:
        wanted = ids(expected.start())
    if "sparse_vector" in asked:
        asked["sparse_vector"] = tuple(map(list, asked["sparse_vector"]))
    query: ResumableQuery = asking.index.resumable_query(**asked, top_k=20)
    for part in asked.get("sparse_vector", ()):
        part[:] = [9] * len(part)
    with query:
        assert ids(query.start()) == wanted
