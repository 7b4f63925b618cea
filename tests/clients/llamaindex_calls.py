"""LlamaIndex's store over the official `upstash-vector`: URL and TOKEN follow."""

import sys

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.vector_stores.upstash import UpstashVectorStore

URL, TOKEN = sys.argv[1:]
TEXTS = {"red apple": [1.0, 0.0, 1.0], "green apple": [0.0, 0.1, 1.0], "blue sea": [0.0, 1.0, 0.0]}


def nodes():
    return [
        TextNode(id_=f"node{i}", text=text, embedding=vector, metadata={"words": 2, "first": text.split()[0]})
        for i, (text, vector) in enumerate(TEXTS.items())
    ]


for namespace in ("", "ns"):
    store = UpstashVectorStore(url=URL, token=TOKEN, batch_size=2, namespace=namespace)
    assert store.add(nodes()) == ["node0", "node1", "node2"]
    found = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0, 1.0], similarity_top_k=2))
    assert (found.ids, found.similarities[0]) == (["node0", "node1"], 1.0)
    assert (found.nodes[0].text, found.nodes[0].metadata["first"]) == ("red apple", "red")
    assert found.nodes[0].embedding == [1.0, 0.0, 1.0]
    only = MetadataFilters(filters=[MetadataFilter(key="first", value="blue")])
    asked = VectorStoreQuery(query_embedding=[1.0, 0.0, 1.0], similarity_top_k=3, filters=only)
    assert store.query(asked).ids == ["node2"]
    assert store.client.info().vector_count in (3, 6)
print("every call answered")
