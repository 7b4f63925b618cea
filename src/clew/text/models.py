"""From the name of a model to what embeds texts with it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from clew.errors import ClientError
from clew.text import bm25, hashing
from clew.text.places import directory_of
from clew.types import Embedder, SparseEncoder

# Indexes with one model share it while at least one of the last so many asked for it.
MODELS_MAX = 8


class HostedModel(NamedTuple):
    """A model that the hosted service has a name for."""

    hub_name: str
    dimension: int
    tokens_max: int


HOSTED = {
    "BGE_SMALL_EN_V1_5": HostedModel("BAAI/bge-small-en-v1.5", 384, 512),
    "BGE_BASE_EN_V1_5": HostedModel("BAAI/bge-base-en-v1.5", 768, 512),
    "BGE_LARGE_EN_V1_5": HostedModel("BAAI/bge-large-en-v1.5", 1024, 512),
    "BGE_M3": HostedModel("BAAI/bge-m3", 1024, 8192),
}


@lru_cache(maxsize=MODELS_MAX)
def embedder(name: str, dimension: int | None = None) -> Embedder:
    """The dense model called `name`.

    builtin/hashing                      nothing to download; vectors of `dimension`, by default 1,024
    BGE_SMALL_EN_V1_5 and such           the names of the hosted service, see `HOSTED`
    a directory, or a name on the hub    tokenizer.json with model.onnx or model.safetensors
    LIBRARY:MODEL                        by sentence-transformers, fastembed or model2vec
    https://host/v1/embeddings#MODEL     any server with that endpoint

    Raises ClientError, at once and in one line, for a name that stands for nothing on this machine.
    """
    if name == hashing.NAME:
        return hashing.HashingEmbedder(dimension or hashing.DIMENSION_DEFAULT)
    if name.startswith(("http://", "https://")):
        from clew.text.endpoint import EndpointEmbedder

        return EndpointEmbedder(name, dimension)
    from clew.text.libraries import LIBRARIES, LibraryEmbedder
    from clew.text.transformer import DirectoryEmbedder, Recipe

    if name.partition(":")[0] in LIBRARIES:
        return LibraryEmbedder(name)
    if name in HOSTED:
        hosted = HOSTED[name]
        recipe = Recipe(pooling="cls", tokens_max=hosted.tokens_max)
        return DirectoryEmbedder(directory_of(name, hosted.hub_name), name, recipe)
    if "/" not in name:
        known = ", ".join((hashing.NAME, *HOSTED))
        raise ClientError(f"embedding_model is {name!r}; expected {known}, a directory or a URL")
    return DirectoryEmbedder(directory_of(name), name)


@lru_cache(maxsize=MODELS_MAX)
def sparse_encoder(name: str) -> SparseEncoder:
    """The sparse model called `name`: "BM25", or "BM25/LANGUAGE" with a language of Snowball.

    Raises ClientError for any other name.
    """
    kind, _, language = name.partition("/")
    if kind != bm25.NAME:
        raise ClientError(
            f"sparse_embedding_model is {name!r}; expected {bm25.NAME}, or {bm25.NAME}/LANGUAGE as in "
            f"{bm25.NAME}/german"
        )
    return bm25.Bm25Encoder(language or bm25.LANGUAGE_DEFAULT)
