"""LangChain's store over the official `upstash-vector`, with an embedder: URL and TOKEN follow."""

import asyncio
import sys

from langchain_community.vectorstores.upstash import UpstashVectorStore
from langchain_core.embeddings import Embeddings

URL, TOKEN = sys.argv[1:]
TEXTS = ["red apple", "green apple", "blue sea", "red sea", "green field"]
WORDS = ["red", "green", "blue", "apple", "sea", "field"]
METADATA = [{"words": len(text.split()), "first": text.split()[0]} for text in TEXTS]


class Counting(Embeddings):
    """A text as the counts of known words."""

    def embed_query(self, text):
        return [float(text.split().count(word)) for word in WORDS]

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


def store(namespace):
    return UpstashVectorStore(embedding=Counting(), index_url=URL, index_token=TOKEN, namespace=namespace)


def texts(documents):
    return [document.page_content for document in documents]


def sync():
    index = store("")
    ids = index.add_texts(TEXTS, metadatas=METADATA, batch_size=2)
    assert len(set(ids)) == len(TEXTS)
    assert texts(index.similarity_search("red apple", k=1)) == ["red apple"]
    [(document, score)] = index.similarity_search_with_score("blue sea", k=1)
    assert document.page_content == "blue sea"
    assert abs(score - 1) < 1e-6
    assert document.metadata["first"] == "blue"
    assert set(texts(index.similarity_search("sea", k=5, filter="first = 'red'"))) == {"red apple", "red sea"}
    assert len(index.max_marginal_relevance_search("red apple", k=3, fetch_k=5)) == 3
    assert len(index.similarity_search_with_relevance_scores("sea", k=2)) == 2
    retriever = index.as_retriever(search_kwargs={"k": 2})
    assert set(texts(retriever.invoke("sea"))) == {"blue sea", "red sea"}
    assert index.info().vector_count == len(TEXTS)
    index.delete(ids=ids[:2])
    assert index.info().vector_count == len(TEXTS) - 2
    index.delete(delete_all=True)
    assert index.info().vector_count == 0


async def awaited():
    index = store("ns")
    ids = await index.aadd_texts(TEXTS, metadatas=METADATA)
    assert texts(await index.asimilarity_search("green field", k=1)) == ["green field"]
    assert len(await index.amax_marginal_relevance_search("red apple", k=3)) == 3
    assert (await index.ainfo()).namespaces["ns"].vector_count == len(TEXTS)
    await index.adelete(ids=ids)
    assert (await index.ainfo()).vector_count == 0


sync()
asyncio.run(awaited())
print("every call answered")
