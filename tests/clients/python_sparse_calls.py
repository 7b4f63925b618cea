"""Sparse and hybrid calls of the official `upstash-vector`: URL of the server and the two TOKENs follow."""

import asyncio
import sys

from upstash_vector import AsyncIndex, Index, Vector
from upstash_vector.errors import UpstashError
from upstash_vector.types import FusionAlgorithm, SparseVector, WeightingStrategy

URL, SPARSE_TOKEN, HYBRID_TOKEN = sys.argv[1:]
IDF, DBSF = WeightingStrategy.IDF, FusionAlgorithm.DBSF
ALL = {"include_vectors": True, "include_metadata": True, "include_data": True}
SIDES = [
    ("id0", [0.1, 0.2], SparseVector([0, 1], [0.1, 0.2]), None, None),
    ("id1", [0.2, 0.3], SparseVector([1, 2], [0.2, 0.3]), {"key": "value"}, None),
    ("id2", [0.3, 0.4], SparseVector([2, 3], [0.3, 0.4]), {"key": "value"}, "data"),
]


def vectors(dense):
    return [Vector(id, vector if dense else None, metadata, data, sparse)
            for id, vector, sparse, metadata, data in SIDES]  # fmt: skip


def refused(call, text):
    try:
        call()
    except UpstashError as error:
        said = str(error)
    else:
        said = "no error"
    assert text in said, said


def scored(hits):
    return [(hit.id, hit.score) for hit in hits]


def sparse():
    index = Index(url=f"{URL}/sparse", token=SPARSE_TOKEN)
    for namespace in ("", "ns"):
        assert index.upsert(vectors(False), namespace=namespace) == "Success"
        hits = index.query(sparse_vector=SparseVector([0, 1], [0.1, 0.2]), top_k=5, weighting_strategy=IDF,
                           fusion_algorithm=DBSF, namespace=namespace, **ALL)  # fmt: skip
        assert scored(hits) == [("id0", 0.028608438), ("id1", 0.018800145)]
        assert (hits[0].vector, hits[0].sparse_vector) == (None, SparseVector([0, 1], [0.1, 0.2]))
        [one] = index.fetch("id2", namespace=namespace, **ALL)
        assert (one.sparse_vector, one.data) == (SparseVector([2, 3], [0.3, 0.4]), "data")
        assert index.update("id2", sparse_vector=SparseVector([9, -9], [0.5, 0.25]), namespace=namespace)
        page = index.range(limit=3, namespace=namespace, include_vectors=True)
        assert [one.sparse_vector.indices for one in page.vectors] == [[0, 1], [1, 2], [9, -9]]
        asked = [{"sparse_vector": SparseVector([0], [0.1])}, {"sparse_vector": ([1, 2], [0.1, 0.2])},
                 {"sparse_vector": ([-9], [1.0])}]  # fmt: skip
        assert [len(found) for found in index.query_many(queries=asked, namespace=namespace)] == [1, 2, 1]
        first, query = index.resumable_query(sparse_vector=SparseVector([0, 1], [0.1, 0.2]), top_k=1,
                                             weighting_strategy=IDF, namespace=namespace)  # fmt: skip
        with query:
            assert [hit.id for hit in first + query.fetch_next(5)] == ["id0", "id1"]
            assert query.fetch_next(5) == []
    info = index.info()
    assert (info.vector_count, info.dimension, info.dense_index) == (6, 0, None)
    assert info.sparse_index.embedding_model == ""
    refused(lambda: index.upsert([("x", [0.1, 0.2])]), "This index requires sparse vectors")
    refused(lambda: index.query(data="text"), "Embedding data for this index is not allowed")


def hybrid():
    index = Index(url=f"{URL}/hybrid", token=HYBRID_TOKEN)
    assert index.upsert(vectors(True)) == "Success"
    one = index.query(sparse_vector=SparseVector([2, 3], [0.5, 0.5]), top_k=1, weighting_strategy=IDF,
                      fusion_algorithm=DBSF)  # fmt: skip
    assert scored(one) == [("id2", 0.26666638)]
    assert scored(index.query([0.1, 0.1], top_k=1)) == [("id2", 0.9949748)]
    both = index.query([0.1, 0.1], sparse_vector=SparseVector([3, 4], [0.1, 0.2]), top_k=1, **ALL)
    assert scored(both) == [("id2", 0.033333335)]
    assert (both[0].vector, both[0].sparse_vector) == ([0.3, 0.4], SparseVector([2, 3], [0.3, 0.4]))
    assert scored(index.query([0.5, 0.1], sparse_vector=([0, 1], [0.5, 0.1]), top_k=1)) == [
        ("id0", 0.032795697)
    ]
    first, query = index.resumable_query(vector=[0.1, 0.1], sparse_vector=([0], [0.1]), top_k=2,
                                         weighting_strategy=IDF, fusion_algorithm=DBSF)  # fmt: skip
    with query:
        assert scored(first) == [("id2", 0.617851), ("id0", 0.5)]
        assert scored(query.fetch_next(1)) == [("id1", 0.5)]
        assert query.fetch_next(5) == []
    info = index.info()
    assert (info.dimension, info.dense_index.dimension, info.sparse_index.embedding_model) == (2, 2, "")
    refused(lambda: index.upsert([("x", [0.1, 0.2])]), "This index requires sparse vectors")
    refused(lambda: index.upsert([("x", SparseVector([0], [0.1]))]), "This index requires dense vectors")


async def awaited():
    index = AsyncIndex(url=f"{URL}/hybrid", token=HYBRID_TOKEN)
    both = await index.query([0.1, 0.1], sparse_vector=SparseVector([3, 4], [0.1, 0.2]), top_k=1)
    assert scored(both) == [("id2", 0.033333335)]
    first, query = await index.resumable_query(vector=[0.1, 0.1], sparse_vector=([0], [0.1]), top_k=1)
    async with query:
        assert len(first + await query.fetch_next(5)) == 3


sparse()
hybrid()
asyncio.run(awaited())
print("every call answered")
