"""Calls with texts of the official `upstash-vector`: URL of the server and a TOKEN of its index "text"."""

import asyncio
import sys

from upstash_vector import AsyncIndex, Index, Vector
from upstash_vector.errors import UpstashError
from upstash_vector.types import Data, QueryMode, WeightingStrategy

URL, TOKEN = sys.argv[1:]
PARIS, TOKYO = "The capital of France is Paris", "The capital of Japan is Tokyo"
TEXTS = [
    ("paris", PARIS, {"continent": "EU"}),
    {"id": "tokyo", "data": TOKYO, "metadata": {"continent": "AS"}},
    Data(id="lima", data="Lima lies by the sea", metadata={"continent": "SA"}),
]
ALL = {"include_vectors": True, "include_metadata": True, "include_data": True}


def ids(hits):
    return [hit.id for hit in hits]


def sync():
    index = Index(url=f"{URL}/text", token=TOKEN)
    for namespace in ("", "ns"):
        assert index.upsert(TEXTS, namespace=namespace) == "Success"
        [hit] = index.query(data=TOKYO, top_k=1, query_mode=QueryMode.DENSE, namespace=namespace, **ALL)
        assert (hit.id, hit.score, hit.data, hit.metadata) == ("tokyo", 1, TOKYO, {"continent": "AS"})
        found = index.query(data="by the sea", query_mode=QueryMode.SPARSE, namespace=namespace,
                            weighting_strategy=WeightingStrategy.IDF)  # fmt: skip
        assert ids(found) == ["lima"]
        assert ids(index.query(data="What is the capital of France?", namespace=namespace))[0] == "paris"
        assert ids(index.query(data=TOKYO, filter="continent = 'EU'", namespace=namespace)) == ["paris"]
        asked = [{"data": PARIS, "top_k": 1}, {"data": TOKYO, "top_k": 1, "include_data": True}]
        for n in (1, 2):
            found = index.query_many(queries=asked[:n], namespace=namespace)
            assert [ids(one) for one in found] == [["paris"], ["tokyo"]][:n]
        first, query = index.resumable_query(data=TOKYO, top_k=1, namespace=namespace, **ALL)
        with query:
            assert (ids(first), first[0].data) == (["tokyo"], TOKYO)
            assert sorted(ids(query.fetch_next(5))) == ["lima", "paris"]
            assert query.fetch_next(5) == []
        [before] = index.fetch("lima", include_vectors=True, namespace=namespace)
        assert index.update("lima", data="Quito lies high", namespace=namespace)
        [after] = index.fetch("lima", namespace=namespace, **ALL)
        assert after.vector != before.vector
        assert (after.data, after.metadata) == ("Quito lies high", {"continent": "SA"})
    info = index.info()
    assert (info.dense_index.embedding_model, info.sparse_index.embedding_model) == (
        "builtin/hashing",
        "BM25",
    )
    try:
        index.upsert([Vector(id="x", vector=[1.0, 2.0], data="text")])
    except UpstashError as error:
        said = str(error)
    else:
        said = "no error"
    assert "This index requires sparse vectors" in said, said


async def awaited():
    index = AsyncIndex(url=f"{URL}/text", token=TOKEN)
    assert await index.upsert(TEXTS, namespace="awaited") == "Success"
    assert ids(await index.query(data=TOKYO, top_k=1, namespace="awaited")) == ["tokyo"]
    first, query = await index.resumable_query(data=TOKYO, top_k=1, namespace="awaited")
    async with query:
        assert sorted(ids(first + await query.fetch_next(5))) == ["lima", "paris", "tokyo"]


sync()
asyncio.run(awaited())
print("every call answered")
