"""Models by name; where one cannot be had, one line says at once what to do."""

from __future__ import annotations

import shutil
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew import ClientError
from clew.text import embedder, sparse_encoder
from clew.text.libraries import LibraryEmbedder
from clew.text.models import HOSTED
from tiny_bert import make_model


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEW_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    embedder.cache_clear()


def test_hashing_takes_the_dimension_of_its_index() -> None:
    assert embedder("builtin/hashing", 300).dimension == 300
    assert embedder("builtin/hashing").dimension == 1024
    assert embedder("builtin/hashing").name == "builtin/hashing"


@pytest.mark.parametrize("name", list(HOSTED))
def test_a_hosted_name_without_weights_says_where_to_put_them(name: str, tmp_path: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(ClientError) as raised:
        embedder(name)
    assert time.perf_counter() - started < 2  # nobody is asked over the network
    said = str(raised.value)
    assert f"run `hf download {HOSTED[name].hub_name}`" in said
    assert str(tmp_path / "models" / name) in said
    assert "\n" not in said


@pytest.mark.parametrize("name", list(HOSTED))
def test_a_hosted_name_stands_for_the_files_put_there(name: str, tmp_path: Path) -> None:
    model = make_model(tmp_path / "models" / name)
    made = embedder(name)
    assert made.name == name
    first = made.embed_query("the capital of france")
    # The first token stands for the text, as BGE was trained, whether or not files say so.
    (tmp_path / "aside").mkdir()
    shutil.copytree(model, tmp_path / "aside" / "mean")
    assert not np.allclose(
        first, embedder(str(tmp_path / "aside" / "mean")).embed_query("the capital of france")
    )
    assert np.array_equal(first, made.embed_documents(["the capital of france"])[0])


def test_what_the_tools_of_the_hub_have_downloaded_is_found(tmp_path: Path) -> None:
    make_model(tmp_path / "hub" / "hub" / "models--intfloat--e5-small-v2" / "snapshots" / "abc")
    made = embedder("intfloat/e5-small-v2")
    assert not np.array_equal(made.embed_query("cats"), made.embed_documents(["cats"])[0])
    make_model(tmp_path / "hub" / "hub" / "models--BAAI--bge-small-en-v1.5" / "snapshots" / "def")
    assert embedder("BGE_SMALL_EN_V1_5").name == "BGE_SMALL_EN_V1_5"


def test_two_indexes_with_one_model_share_it(tmp_path: Path) -> None:
    name = str(make_model(tmp_path / "model"))
    assert embedder(name) is embedder(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", r"embedding_model is ''; expected builtin/hashing, BGE_SMALL_EN_V1_5"),
        ("bge_small", r"embedding_model is 'bge_small'; expected builtin/hashing"),
        ("no/such/place", r"no weights of no/such/place .* run `hf download no/such/place`"),
        ("./no/place", r"^there is no directory \./no/place; expected one with tokenizer\.json"),
        ("../no", r"^there is no directory \.\./no;"),
        ("/no/such/place", r"^there is no directory /no/such/place;"),
        ("~/no/such/place", r"^there is no directory ~/no/such/place;"),
        ("~nobody-by-that-name/place", r"^there is no directory ~nobody-by-that-name/place;"),
        ("http://127.0.0.1:9/v1/embeddings", r"name the model behind a #"),
        ("sentence-transformers:nothing-by-that-name", r"sentence-transformers"),
        ("fastembed:nothing-by-that-name", r"fastembed"),
        ("model2vec:nothing/by-that-name", r"model2vec"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(ClientError, match=said) as raised:
        embedder(name)
    assert "\n" not in str(raised.value)


def test_a_model_of_another_library_is_embedded_with_by_it(tmp_path: Path) -> None:
    library = pytest.importorskip("model2vec", reason="model2vec is not installed")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(make_model(tmp_path / "bert") / "tokenizer.json"))
    table = np.random.default_rng(1).normal(size=(tokenizer.get_vocab_size(), 8)).astype(np.float32)
    library.StaticModel(table, tokenizer).save_pretrained(str(tmp_path / "static"))
    made = embedder(f"model2vec:{tmp_path / 'static'}")
    assert made.dimension == 8
    assert made.embed_documents([]).shape == (0, 8)
    rows = made.embed_documents(["cats sleep", "dogs"])
    assert rows.dtype == np.float32
    assert np.array_equal(made.embed_query("dogs"), rows[1])


@pytest.mark.parametrize(
    ("name", "prompts", "before_query", "before_document"),
    [
        ("some/model", {"query": "q: ", "document": "d: "}, "q: ", "d: "),
        ("some/model", {"query": "q: ", "document": ""}, "", ""),
        ("some/model", {}, "", ""),
        ("intfloat/e5-small-v2", {"query": "", "document": ""}, "query: ", "passage: "),
        ("intfloat/multilingual-e5-base", {}, "query: ", "passage: "),
    ],
)
def test_sentence_transformers_gets_the_prompts_of_its_model(
    name: str,
    prompts: dict[str, str],
    before_query: str,
    before_document: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[str] = []

    class Model:
        def __init__(self, model: str, *, local_files_only: bool) -> None:
            assert (model, local_files_only) == (name, True)
            self.prompts = prompts

        def encode(self, texts: list[str]) -> Any:
            encoded.extend(texts)
            return np.ones((len(texts), 3))

    library: Any = types.ModuleType("sentence_transformers")
    library.SentenceTransformer = Model
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    made = LibraryEmbedder(f"sentence-transformers:{name}")
    encoded.clear()
    made.embed_query("what")
    made.embed_documents(["this", "that"])
    assert encoded == [before_query + "what", before_document + "this", before_document + "that"]


def test_sparse_models_are_bm25_in_a_language() -> None:
    assert sparse_encoder("BM25").name == "BM25"
    assert sparse_encoder("BM25/english").name == "BM25"
    assert sparse_encoder("BM25/german").name == "BM25/german"


@pytest.mark.parametrize("name", ["", "bm25", "BGE_M3", "SPLADE", "BM25/klingon"])
def test_another_sparse_model_is_refused(name: str) -> None:
    with pytest.raises(ClientError, match="expected (BM25|one of)"):
        sparse_encoder(name)
