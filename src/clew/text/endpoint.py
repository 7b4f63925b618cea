"""Embeddings from a server: any with the endpoint `/v1/embeddings` of OpenAI."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from clew.errors import ClientError, ServerError, TransportError

# Not in the name of the model: that is written down with the index, and shown by `info`.
KEY_VARIABLE = "CLEW_EMBEDDING_KEY"
TEXTS_PER_REQUEST = 256
TIMEOUT_S = 60.0
# A server that cannot be reached at once is not going to be.
CONNECT_TIMEOUT_S = 5.0
# What a server answers is told in an error; this many characters of it.
SHOWN_MAX = 200


class _Row(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Row]


_ANSWER = msgspec.json.Decoder(_Answer)


class EndpointEmbedder:
    """Asks a server: `https://host/v1/embeddings#model`. The key is in `CLEW_EMBEDDING_KEY`, if it wants one.

    dimension: of its vectors; None asks for one to see.
    Raises ClientError (no httpx, no model named), TransportError where it cannot be reached, at once and
    without another try, ServerError for an answer that is none.
    """

    def __init__(self, name: str, dimension: int | None = None) -> None:
        self.name = name
        self._url, _, self._model = name.partition("#")
        if not self._model:
            raise ClientError(f"embedding_model is {name!r}; name the model behind a #, as in {name}#MODEL")
        try:
            import httpx
        except ImportError as error:
            raise ClientError(f"{name} needs httpx, which is missing: pip install 'clew[client]'") from error
        key = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._http = httpx.Client(headers=headers, timeout=timeout)
        self._failed = httpx.TransportError
        self.dimension = dimension or len(self._ask(["dimension"])[0])

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of `texts`: shape (len(texts), dimension), float32."""
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for first in range(0, len(texts), TEXTS_PER_REQUEST):
            part = list(texts[first : first + TEXTS_PER_REQUEST])
            rows = self._ask(part)
            if any(len(row) != self.dimension for row in rows):
                wrong = next(len(row) for row in rows if len(row) != self.dimension)
                raise ServerError(f"{self.name} sent {wrong} dimensions, not {self.dimension}", 502)
            vectors[first : first + len(part)] = rows
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of `text`, shape (dimension,): the same as that of a document."""
        vector: NDArray[np.float32] = self.embed_documents([text])[0]
        return vector

    def _ask(self, texts: list[str]) -> list[list[float]]:
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        try:
            reply = self._http.post(self._url, json=body)
        except self._failed as error:
            raise TransportError(
                f"{self.name}: {type(error).__name__}: {error}", retry_is_safe=True
            ) from error
        if reply.status_code != 200:
            raise ServerError(f"{self.name} answered {reply.status_code}: {reply.text[:SHOWN_MAX]}", 502)
        try:
            rows = sorted(_ANSWER.decode(reply.content).data, key=lambda row: row.index)
        except msgspec.MsgspecError as error:
            raise ServerError(f"{self.name} sent no embeddings: {error}", 502) from error
        if [row.index for row in rows] != list(range(len(texts))):
            raise ServerError(f"{self.name} sent {len(rows)} embeddings for {len(texts)} texts", 502)
        return [row.embedding for row in rows]
