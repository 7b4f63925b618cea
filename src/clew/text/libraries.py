"""Embedders of other libraries, where they are installed and have the weights on this machine."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClientError

Encode = Callable[[list[str]], Any]


class LibraryEmbedder:
    """A model of another library behind Clew's protocol; see `LIBRARIES` for which.

    name: "LIBRARY:MODEL", e.g. "model2vec:minishlab/potion-base-8M". Only weights that are on this machine
    are used. Raises ClientError, at once, where library or weights are missing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        library, _, model = name.partition(":")
        module, load = LIBRARIES[library]
        try:
            found = importlib.import_module(module)
        except ImportError as error:
            raise ClientError(f"{name} needs {library} ({error}): pip install {library}") from error
        try:
            self._documents, self._query = load(found, model)
            self.dimension = len(self.embed_query("dimension"))
        except Exception as error:  # each library has errors of its own for what is not there
            said = str(error).partition("\n")[0]
            raise ClientError(
                f"{library} cannot load {model} from this machine ({said}): put it there, or load it once by "
                f"{library} itself where there is a network"
            ) from error

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of `texts`: shape (len(texts), dimension), float32."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return _floats(self._documents(list(texts)))

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of `text` as that of a question: shape (dimension,), float32."""
        vector: NDArray[np.float32] = _floats(self._query([text]))[0]
        return vector


def _floats(rows: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.stack([np.asarray(row, dtype=np.float32) for row in rows]))


def _sentence_transformers(library: Any, model: str) -> tuple[Encode, Encode]:
    # It puts prompts before texts only where it is told which.
    from clew.text.transformer import prefixes_of

    loaded = library.SentenceTransformer(model, local_files_only=True)
    query, document = prefixes_of(loaded.prompts or {}, model.split("/"))
    return (
        lambda texts: loaded.encode([document + text for text in texts]),
        lambda texts: loaded.encode([query + text for text in texts]),
    )


def _fastembed(library: Any, model: str) -> tuple[Encode, Encode]:
    embedding = library.TextEmbedding(model, local_files_only=True)
    return embedding.passage_embed, embedding.query_embed


def _model2vec(library: Any, model: str) -> tuple[Encode, Encode]:
    # It takes no word that it must stay on this machine, so the weights are found for it.
    from clew.text.places import directory_of

    encode = library.StaticModel.from_pretrained(str(directory_of(model))).encode
    return encode, encode


LIBRARIES: dict[str, tuple[str, Callable[[Any, str], tuple[Encode, Encode]]]] = {
    "sentence-transformers": ("sentence_transformers", _sentence_transformers),
    "fastembed": ("fastembed", _fastembed),
    "model2vec": ("model2vec", _model2vec),
}
"""By the name before the colon: the module, and how it loads a model to encode documents and queries."""
