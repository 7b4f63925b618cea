"""A directory with a tokenizer and weights embeds exactly what its model computes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from clew import ClientError
from clew.text import embedder
from clew.text.transformer import DirectoryEmbedder, Recipe
from tiny_bert import HIDDEN, POSITIONS, WORDS, Array, make_model, reference

TEXTS = [
    "the capital of France is Paris",
    "cats sleep",
    "a",
    "",
    "the capital of Japan is somewhere unknown",
    "dogs sleep",
]


def expected(directory: Path, text: str, pooling: str = "mean", normalize: bool = True) -> Array:
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    states = reference(directory, tokenizer.encode(text).ids)
    pooled = states[0] if pooling == "cls" else states.mean(axis=0)
    return pooled / np.linalg.norm(pooled) if normalize else pooled


def write(directory: Path, name: str, said: Any) -> None:
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("family", "prefix"),
    [("bert", ""), ("bert", "bert."), ("roberta", "roberta."), ("xlm-roberta", "roberta.")],
)
def test_vectors_are_those_of_the_model_in_float64(tmp_path: Path, family: str, prefix: str) -> None:
    model = make_model(tmp_path / "model", family=family, prefix=prefix)
    made = embedder(str(model))
    assert made.dimension == HIDDEN
    vectors = made.embed_documents(TEXTS)
    assert vectors.dtype == np.float32
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector == pytest.approx(expected(model, text), abs=2e-6)


def test_a_text_has_the_same_bits_in_any_company(tmp_path: Path) -> None:
    rng = random.Random(2)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(0, 12))) for _ in range(120)]
    made = embedder(str(make_model(tmp_path / "model")))
    together = made.embed_documents(texts)
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(made.embed_query(text), row)


def test_the_files_of_sentence_transformers_say_how_to_pool(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    write(model, "1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    write(model, "modules.json", [{"type": "Transformer"}, {"type": "Pooling"}])
    vector = embedder(str(model)).embed_query(TEXTS[0])
    assert vector == pytest.approx(expected(model, TEXTS[0], "cls", normalize=False), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("model", {"query": "query: ", "passage": "passage: "}),
        ("e5-small", None),
        ("e5-small", {"query": "", "document": ""}),  # as newer sentence-transformers write it
    ],
)
def test_e5_has_its_prefixes_said_or_not(tmp_path: Path, name: str, prompts: dict[str, str] | None) -> None:
    model = make_model(tmp_path / name)
    if prompts is not None:
        write(model, "config_sentence_transformers.json", {"prompts": prompts})
    made = embedder(str(model))
    assert made.embed_query("cats sleep") == pytest.approx(expected(model, "query: cats sleep"), abs=2e-6)
    [document] = made.embed_documents(["cats sleep"])
    assert document == pytest.approx(expected(model, "passage: cats sleep"), abs=2e-6)


def test_a_text_longer_than_the_model_takes_is_cut(tmp_path: Path) -> None:
    for family, most in (("bert", POSITIONS), ("roberta", POSITIONS - 2)):
        made = embedder(str(make_model(tmp_path / family, family=family)))
        words = (WORDS * 5)[: most - 2]  # and two tokens for the ends
        assert np.array_equal(made.embed_query(" ".join(words)), made.embed_query(" ".join([*words, "cats"])))
        assert not np.array_equal(
            made.embed_query(" ".join(words)), made.embed_query(" ".join([*words[:-1], "cats"]))
        )


def test_an_onnx_file_is_run_as_it_is(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (model / "model.safetensors").unlink()
    table = np.random.default_rng(3).normal(size=(25, 6)).astype(np.float32)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    nodes = [
        helper.make_node("Sub", ["attention_mask", "token_type_ids"], ["ones"]),
        helper.make_node("Mul", ["input_ids", "ones"], ["ids"]),
        helper.make_node("Gather", ["table", "ids"], ["last_hidden_state"]),
    ]
    out = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "length", 6])]
    graph = helper.make_graph(nodes, "g", inputs, out, [onnx.numpy_helper.from_array(table, "table")])
    opset = [helper.make_opsetid("", 17)]
    (model / "onnx").mkdir()
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), model / "onnx" / "model.onnx")
    made = DirectoryEmbedder(model, "mine", Recipe(normalize=False))
    assert made.name == "mine"
    assert made.dimension == 6
    ids = [3, 5 + WORDS.index("cats"), 4]
    assert made.embed_query("cats") == pytest.approx(table[ids].mean(axis=0), abs=1e-6)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (model / "tokenizer.json").rename(tmp_path / "aside")
    with pytest.raises(ClientError, match=r"model has no tokenizer\.json: put it there"):
        embedder(str(model))
    (tmp_path / "aside").rename(model / "tokenizer.json")
    (model / "model.safetensors").rename(tmp_path / "aside")
    with pytest.raises(ClientError, match=r"has no weights: put model\.onnx or .*model\.safetensors there"):
        embedder(str(model))
    (model / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ClientError, match="cannot load .*model.safetensors"):
        embedder(str(model))


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", family="llama")
    with pytest.raises(ClientError, match="of the type 'llama'.*expected bert, roberta, xlm-roberta"):
        embedder(str(model))


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", prefix="vision_tower.")
    with pytest.raises(ClientError, match="expected those of a BERT"):
        embedder(str(model))
