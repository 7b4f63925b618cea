"""A tiny model of the family of BERT with random weights, and what it computes, by NumPy in float64."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HIDDEN, INNER, LAYERS, HEADS, POSITIONS = 24, 48, 2, 4, 20
WORDS = ["the", "capital", "of", "france", "japan", "is", "paris", "tokyo", "cats", "dogs", "sleep"]
WORDS += ["query", "passage", *"abcdefg"]

Array = NDArray[np.float64]


def make_model(directory: Path, *, family: str = "bert", prefix: str = "", seed: int = 11) -> Path:
    """Write a model as it is found on the hub: config.json, tokenizer.json, model.safetensors."""
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: i for i, word in enumerate(["<pad>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    tokenizer.enable_padding(length=16)  # as many a tokenizer.json has it; it must not matter
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "model_type": family,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "hidden_size": HIDDEN,
        "layer_norm_eps": 1e-6,
        "hidden_act": "gelu",
        "pad_token_id": 1,
        "max_position_embeddings": POSITIONS,
    }
    (directory / "config.json").write_text(json.dumps(config))
    save_file(_weights(len(vocabulary), prefix, seed), directory / "model.safetensors")
    return directory


def reference(directory: Path, ids: list[int]) -> Array:
    """The last states of the model for tokens `ids`, shape (len(ids), HIDDEN)."""
    config = json.loads((directory / "config.json").read_text())
    stored = load_file(directory / "model.safetensors")
    prefix = "" if "embeddings.LayerNorm.bias" in stored else next(iter(stored)).split(".")[0] + "."
    w = {name.removeprefix(prefix): value.astype(np.float64) for name, value in stored.items()}
    first = 0 if config["model_type"] == "bert" else config["pad_token_id"] + 1

    def linear(name: str, x: Array) -> Array:
        return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])

    def norm(name: str, x: Array) -> Array:
        apart = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((apart**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return np.asarray(apart / spread * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"])

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings", x + w["embeddings.position_embeddings.weight"][first : first + len(ids)])
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        q, k, v = (_heads(linear(f"{layer}.attention.self.{n}", x)) for n in ("query", "key", "value"))
        near = q @ k.transpose(0, 2, 1) / math.sqrt(HIDDEN // HEADS)
        near = np.exp(near - near.max(-1, keepdims=True))
        mixed = (near / near.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        x = norm(f"{layer}.attention.output", x + linear(f"{layer}.attention.output.dense", mixed))
        up = linear(f"{layer}.intermediate.dense", x)
        up = up * (1 + np.vectorize(math.erf)(up / math.sqrt(2))) / 2
        x = norm(f"{layer}.output", x + linear(f"{layer}.output.dense", up))
    return np.asarray(x)


def _heads(x: Array) -> Array:
    return x.reshape(len(x), HEADS, -1).transpose(1, 0, 2)


def _weights(vocabulary: int, prefix: str, seed: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {}

    def draw(name: str, *shape: int) -> None:
        made[prefix + name] = rng.normal(0, 0.5, shape).astype(np.float32)

    for name, rows in (("word", vocabulary), ("position", POSITIONS), ("token_type", 2)):
        draw(f"embeddings.{name}_embeddings.weight", rows, HIDDEN)
    norms = ["embeddings"]
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        norms += [f"{layer}.attention.output", f"{layer}.output"]
        for name, out, into in [
            *((f"attention.self.{part}", HIDDEN, HIDDEN) for part in ("query", "key", "value")),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN),
            ("output.dense", HIDDEN, INNER),
        ]:
            draw(f"{layer}.{name}.weight", out, into)
            draw(f"{layer}.{name}.bias", out)
    for name in norms:
        draw(f"{name}.LayerNorm.weight", HIDDEN)
        draw(f"{name}.LayerNorm.bias", HIDDEN)
    return made
