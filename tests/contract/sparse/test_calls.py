"""What else is asked of sparse and hybrid indexes, and what they refuse."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clew import ClientError, ResumableQuery
from opening import KINDS
from sparse_asking import FORMS, Asking, ids
from sparse_worlds import SparseWorld, some_vector


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
            (lambda i: i.query(**both, fusion_window=10_001), "^fusion_window must"),
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
