"""Every call of the official `upstash-vector`, made by an interpreter that has it: URL and TOKEN follow."""

import asyncio
import sys

from upstash_vector import AsyncIndex, Index, Vector
from upstash_vector.errors import UpstashError
from upstash_vector.types import MetadataUpdateMode

URL, TOKEN = sys.argv[1:]
RECORDS = [
    ("id1", [0.1, 0.2], {"n": 1, "tag": "a"}),
    {"id": "id2", "vector": [0.3, 0.4], "metadata": {"n": 2}},
    Vector(id="id3", vector=[0.5, 0.6], data="text"),
]
MORE = [(f"more{i:02}", [1.0, i / 10]) for i in range(17)]
ALL = {"include_vectors": True, "include_metadata": True, "include_data": True}


def raises(call):
    try:
        call()
    except UpstashError as error:
        return str(error)
    raise AssertionError("no error")


def sync():
    index = Index(url=URL, token=TOKEN)
    for namespace in ("", "ns"):
        assert index.reset(namespace=namespace) == "Success"
        assert index.upsert(RECORDS, namespace=namespace) == "Success"
        found = index.fetch(["id1", "gone", "id3"], namespace=namespace, **ALL)
        assert (found[0].vector, found[0].metadata, found[1], found[2].data) == (
            [0.1, 0.2], {"n": 1, "tag": "a"}, None, "text")  # fmt: skip
        assert [one.id for one in index.fetch(prefix="id", namespace=namespace)] == ["id1", "id2", "id3"]
        hits = index.query([0.1, 0.2], top_k=2, namespace=namespace, **ALL)
        assert (hits[0].id, hits[0].score, hits[0].vector) == ("id1", 1.0, [0.1, 0.2])
        assert [hit.id for hit in index.query([0.1, 0.2], filter="n = 2", namespace=namespace)] == ["id2"]
        asked = [{"vector": [0.1, 0.2], "top_k": 1}, {"vector": [0.5, 0.6], "top_k": 1}]
        for n in (1, 2):
            assert [len(one) for one in index.query_many(queries=asked[:n], namespace=namespace)] == [1] * n
        assert index.update("id1", metadata={"m": 1}, namespace=namespace,
                            metadata_update_mode=MetadataUpdateMode.PATCH)  # fmt: skip
        assert not index.update("gone", vector=[1.0, 1.0], namespace=namespace)
        page = index.range(limit=2, namespace=namespace, include_vectors=True)
        assert [one.id for one in page.vectors] == ["id1", "id2"]
        assert index.range(cursor=page.next_cursor, limit=5, namespace=namespace).next_cursor == ""
        assert index.delete(["id3", "gone"], namespace=namespace).deleted == 1
        assert index.delete(filter="n = 2", namespace=namespace).deleted == 1
        assert index.delete(prefix="id", namespace=namespace).deleted == 1
    assert index.list_namespaces() == ["", "ns"]
    index.upsert(RECORDS + MORE)
    info = index.info()
    assert (info.vector_count, info.dimension, info.similarity_function, info.dense_index.dimension) == (
        20, 2, "COSINE", 2)  # fmt: skip
    first, query = index.resumable_query(vector=[0.1, 0.2], top_k=3, include_metadata=True)
    ids = [hit.id for hit in first]
    with query:
        while batch := query.fetch_next(4):
            ids += [hit.id for hit in batch]
    assert sorted(ids) == sorted(["id1", "id2", "id3", *(id for id, _ in MORE)])
    assert len(set(ids)) == 20
    raises(lambda: query.fetch_next(1))
    raises(query.stop)
    first, none = index.resumable_query(vector=[0.1, 0.2], namespace="missing")
    assert first == []
    assert none.fetch_next(5) == []
    assert "Invalid vector dimension: 3, expected: 2" in raises(lambda: index.query([1.0, 2.0, 3.0]))
    assert "Embedding data for this index is not allowed" in raises(lambda: index.query(data="text"))
    assert "Embedding data for this index" in raises(lambda: index.upsert([("a", "text")]))
    assert "Unauthorized" in raises(Index(url=URL, token="wrong").info)
    index.delete_namespace("ns")
    assert "does not exist" in raises(lambda: index.delete_namespace("ns"))
    assert index.reset(all=True) == "Success"


async def awaited():
    index = AsyncIndex(url=URL, token=TOKEN)
    assert await index.upsert(RECORDS + MORE, namespace="ns") == "Success"
    assert (await index.fetch("id1", namespace="ns", **ALL))[0].vector == [0.1, 0.2]
    assert [hit.id for hit in await index.query([0.1, 0.2], top_k=1, namespace="ns")] == ["id1"]
    both = await index.query_many(queries=[{"vector": [0.1, 0.2]}, {"vector": [1.0, 0.0]}], namespace="ns")
    assert [len(one) for one in both] == [10, 10]
    assert await index.update("id1", data="new", namespace="ns")
    assert len((await index.range(limit=7, namespace="ns")).vectors) == 7
    first, query = await index.resumable_query(vector=[0.1, 0.2], top_k=3, namespace="ns")
    ids = [hit.id for hit in first]
    async with query:
        while batch := await query.fetch_next(4):
            ids += [hit.id for hit in batch]
    assert len(set(ids)) == len(ids) == 20
    assert (await index.delete("id1", namespace="ns")).deleted == 1
    assert await index.list_namespaces() == ["", "ns"]
    assert (await index.info()).vector_count == 19
    await index.delete_namespace("ns")
    await index.reset()


sync()
asyncio.run(awaited())
print("every call answered")
