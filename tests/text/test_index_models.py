"""Which models an index may have, and that it keeps them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clew import ClientError, Data, DimensionMismatch, Index, Vector
from clew.text import embedder
from opening import KINDS, open_index
from tiny_bert import HIDDEN, make_model

TEXT = "the capital of France is Paris"


class Vowels:
    """A model of somebody's own: as many of each vowel as a text has."""

    name = "vowels"
    dimension = 5

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[text.count(c) for c in "aeiou"] for text in texts], dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.embed_documents([text])[0]


def test_a_directory_keeps_its_model(tmp_path: Path) -> None:
    with Index(tmp_path / "i", embedding_model="builtin/hashing", dimension=96) as index:
        index.upsert([("a", TEXT)])
    for same in (None, "builtin/hashing"):
        with Index(tmp_path / "i", embedding_model=same) as index:
            assert index.query(data=TEXT)[0].score == 1
            info = index.info()
            assert info.dimension == 96
            assert info.dense_index is not None
            assert info.dense_index.embedding_model == "builtin/hashing"


def test_another_model_than_that_of_the_directory_is_refused(tmp_path: Path) -> None:
    Index(tmp_path / "with", embedding_model="builtin/hashing").close()
    Index(tmp_path / "without", dimension=5).close()
    with pytest.raises(ClientError, match="is 'vowels', and the index was created with 'builtin/hashing'"):
        Index(tmp_path / "with", embedding_model=Vowels())
    with pytest.raises(ClientError, match="is 'vowels', and the index was created without a model"):
        Index(tmp_path / "without", embedding_model=Vowels())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_ones_own_may_be_given(kind: str, tmp_path: Path) -> None:
    where = tmp_path / "i" if kind == "directory" else None
    with open_index(where, remote=kind == "remote", embedding_model=Vowels()) as index:
        index.upsert([("a", "banana"), ("o", "octopoda"), ("both", "baobao")])
        assert [hit.id for hit in index.query(data="oo", top_k=3)] == ["o", "both", "a"]
        info = index.info()
        assert info.dimension == 5
        assert info.dense_index is not None
        assert info.dense_index.embedding_model == "vowels"


def test_a_model_of_ones_own_must_be_given_again_for_texts_alone(tmp_path: Path) -> None:
    with Index(tmp_path / "i", embedding_model=Vowels()) as index:
        index.upsert([("a", "banana")])
    with Index(tmp_path / "i") as index:
        assert index.query(vector=[1, 0, 0, 0, 0])[0].id == "a"
        with pytest.raises(ClientError, match="embedding_model is 'vowels'; expected builtin/hashing"):
            index.query(data="banana")
    with Index(tmp_path / "i", embedding_model=Vowels()) as index:
        assert index.query(data="banana")[0].score == 1


def test_weights_that_are_gone_stop_texts_and_nothing_else(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    with Index(tmp_path / "i", embedding_model=str(model)) as index:
        index.upsert([("a", TEXT)])
        [kept] = index.fetch("a", include_vectors=True)
        assert kept is not None
        assert kept.vector is not None
        assert len(kept.vector) == HIDDEN
    shutil.rmtree(model)
    embedder.cache_clear()
    with Index(tmp_path / "i") as index:
        assert index.query(vector=kept.vector)[0].score == 1
        with pytest.raises(ClientError, match=f"there is no directory {model};"):
            index.upsert([("b", TEXT)])
        assert index.info().vector_count == 1
    make_model(tmp_path / "model")
    with Index(tmp_path / "i") as index:
        assert index.query(data=TEXT)[0].score == 1


def test_a_dimension_that_is_not_the_models_is_refused(tmp_path: Path) -> None:
    for model, made in ((Vowels(), 5), (str(make_model(tmp_path / "model")), HIDDEN)):
        with pytest.raises(
            DimensionMismatch, match=f"makes vectors of {made} dimensions.* holds vectors of 7"
        ):
            Index(tmp_path / "i", embedding_model=model, dimension=7)
        assert not (tmp_path / "i" / "clew.sqlite").exists()


def test_a_model_that_cannot_be_had_makes_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEW_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with pytest.raises(ClientError, match="run `hf download BAAI/bge-small-en-v1.5`"):
        Index(tmp_path / "i", embedding_model="BGE_SMALL_EN_V1_5")
    assert not (tmp_path / "i" / "clew.sqlite").exists()


@pytest.mark.parametrize("model", ["", 7, b"builtin/hashing", ["builtin/hashing"]])
def test_a_model_is_a_name_or_an_object_that_embeds(model: Any) -> None:
    with pytest.raises(
        ClientError, match=r"embedding_model is .*; expected the name of a model, or an object"
    ):
        Index(embedding_model=model)
    with pytest.raises(ClientError, match=r"sparse_embedding_model is .*; expected the name of a model"):
        Index(sparse_embedding_model=model)


def test_a_model_for_a_half_that_the_index_lacks_is_refused() -> None:
    with pytest.raises(
        ClientError, match="sparse_embedding_model is 'BM25'; expected a type of SPARSE or HYBRID"
    ):
        Index(embedding_model="builtin/hashing", sparse_embedding_model="BM25")
    with pytest.raises(ClientError, match="embedding_model is 'vowels'; expected a type of DENSE or HYBRID"):
        Index(type="SPARSE", embedding_model=Vowels())


def test_the_index_of_a_server_has_its_models_from_its_creation() -> None:
    with pytest.raises(ClientError, match="is a server, and the index there has .*models from its creation"):
        Index("http://127.0.0.1:9/index", embedding_model="builtin/hashing")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((1, 4)), r"vowels gave vectors of shape \(1, 4\), not \(1, 5\)"),
        (np.zeros((2, 5)), r"vowels gave vectors of shape \(2, 5\), not \(1, 5\)"),
        (np.full((1, 5), np.nan), "vowels gave a vector with a number that is not finite"),
    ],
)
def test_a_model_that_does_not_keep_its_word_changes_nothing(rows: Any, said: str) -> None:
    class Wrong(Vowels):
        def embed_documents(self, texts: Sequence[str]) -> Any:
            return rows

    with Index(embedding_model=Wrong()) as index:
        with pytest.raises(ClientError, match=said):
            index.upsert([("a", TEXT)])
        assert index.info().vector_count == 0


def test_others_write_while_a_text_is_embedded() -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(Vowels):
        def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            began.set()
            assert go_on.wait(20)
            return super().embed_documents(texts)

    with Index(embedding_model=Slow()) as index:
        writer = threading.Thread(target=lambda: index.upsert([Data("slow", "banana")]))
        writer.start()
        assert began.wait(20)
        index.upsert([Vector("quick", [1, 2, 3, 4, 5])])
        assert index.info().vector_count == 1
        go_on.set()
        writer.join()
        assert index.info().vector_count == 2
