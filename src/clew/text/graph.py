"""The ONNX graph of a BERT, built from its configuration; the weights stay where they are.

Texts are run without padding, so there is neither a mask nor a token type but 0. The structure is that of
Devlin et al., "BERT" (2019); XLM-RoBERTa differs in where positions begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClientError
from clew.text import onnx_bytes
from clew.text.onnx_bytes import FLOAT, INT64

Weights = dict[str, NDArray[np.float32]]

FUSED = "com.microsoft"  # operators of onnxruntime
OPSETS = {"": 17, FUSED: 1}
# The oldest that holds these operators, so that older runtimes read it too.
IR_VERSION = 9
OUTPUT = "last_hidden_state"
FAMILIES = ("bert", "roberta", "xlm-roberta")
# What a checkpoint may have before the names of its weights, by what it was trained for.
PREFIXES = ("", "bert.", "roberta.", "model.")


@dataclass(frozen=True, slots=True)
class Shape:
    """What `config.json` says of a model."""

    layers: int
    heads: int
    hidden: int
    epsilon: float
    first_position: int  # positions count from here
    positions: int  # as many tokens may a text have

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """Raises ClientError for a model of another family."""
        family, activation = config.get("model_type"), config.get("hidden_act", "gelu")
        if family not in FAMILIES or activation != "gelu":
            known = ", ".join(FAMILIES)
            raise ClientError(
                f"the model is of the type {family!r} with {activation!r}; expected {known} with 'gelu', "
                "or a model.onnx beside it"
            )
        first = 0 if family == "bert" else int(config.get("pad_token_id", 1)) + 1
        return cls(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            hidden=config["hidden_size"],
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            first_position=first,
            positions=config["max_position_embeddings"] - first,
        )


def arranged(stored: Mapping[str, NDArray[Any]], shape: Shape) -> Weights:
    """The weights as the graph names them: (in, out) for each product, query, key and value side by side."""
    prefix = next((p for p in PREFIXES if f"{p}embeddings.word_embeddings.weight" in stored), None)
    if prefix is None:
        raise ClientError("the weights have no embeddings.word_embeddings.weight; expected those of a BERT")

    def get(name: str) -> NDArray[np.float32]:
        return np.asarray(stored[prefix + name], dtype=np.float32)

    def linear(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.ascontiguousarray(get(f"{name}.weight").T), get(f"{name}.bias")

    weights = {
        "words": get("embeddings.word_embeddings.weight"),
        # Every token is of type 0 and has a position, so both are added beforehand.
        "positions": get("embeddings.position_embeddings.weight")[shape.first_position :]
        + get("embeddings.token_type_embeddings.weight")[0],
        "norm.weight": get("embeddings.LayerNorm.weight"),
        "norm.bias": get("embeddings.LayerNorm.bias"),
    }
    for i in range(shape.layers):
        layer = f"encoder.layer.{i}"
        parts = [linear(f"{layer}.attention.self.{part}") for part in ("query", "key", "value")]
        weights[f"{i}.qkv.weight"] = np.ascontiguousarray(np.concatenate([w for w, _ in parts], axis=1))
        weights[f"{i}.qkv.bias"] = np.concatenate([b for _, b in parts])
        for ours, theirs in (("mix", "attention.output"), ("up", "intermediate"), ("down", "output")):
            weights[f"{i}.{ours}.weight"], weights[f"{i}.{ours}.bias"] = linear(f"{layer}.{theirs}.dense")
        for ours, theirs in (("mixed", "attention.output"), ("out", "output")):
            for part in ("weight", "bias"):
                weights[f"{i}.{ours}.{part}"] = get(f"{layer}.{theirs}.LayerNorm.{part}")
    return weights


def build(shape: Shape, weights: Weights) -> bytes:
    """The model: `input_ids` (n, length) int64 to `last_hidden_state` (n, length, hidden) float32.

    Its weights are named and left out: whoever loads it hands them over.
    """
    nodes = [*_embedding(shape)]
    state = "embedded.state"
    for i in range(shape.layers):
        after = f"{i}.state" if i + 1 < shape.layers else OUTPUT
        nodes += _layer(shape, str(i), state, after)
        state = after
    constants = [onnx_bytes.constant(name, [number]) for name, number in (("zero", 0), ("one", 1))]
    graph = onnx_bytes.graph(
        "bert",
        nodes,
        constants + [onnx_bytes.elsewhere(name, w.shape, w.nbytes) for name, w in weights.items()],
        [onnx_bytes.value("input_ids", INT64, ["n", "length"])],
        [onnx_bytes.value(OUTPUT, FLOAT, ["n", "length", shape.hidden])],
    )
    return onnx_bytes.model(graph, OPSETS, IR_VERSION)


def _embedding(shape: Shape) -> Iterable[bytes]:
    node = onnx_bytes.node
    yield node("Gather", ["words", "input_ids"], "word")
    yield node("Shape", ["input_ids"], "length", start=1, end=2)
    yield node("Slice", ["positions", "zero", "length", "zero"], "position")
    yield node("Add", ["word", "position"], "embedded")
    normed = ["embedded", "norm.weight", "norm.bias"]
    yield node("LayerNormalization", normed, "embedded.state", epsilon=shape.epsilon)


def _layer(shape: Shape, i: str, state: str, after: str) -> list[bytes]:
    """From one state to the one after it: attention, then two products with GELU between.

    Each is added to what came in, and normalised.

    Fused operators of onnxruntime: what its optimiser would make of the plain ones, loaded quicker.
    """

    def node(kind: str, inputs: list[str], output: str, **attributes: float) -> bytes:
        return onnx_bytes.node(kind, inputs, output, "" if kind == "MatMul" else FUSED, **attributes)

    def name(part: str) -> str:
        return f"{i}.{part}"

    return [
        node(
            "Attention", [state, name("qkv.weight"), name("qkv.bias")], name("heads"), num_heads=shape.heads
        ),
        node("MatMul", [name("heads"), name("mix.weight")], name("mix")),
        node(
            "SkipLayerNormalization",
            [name("mix"), state, name("mixed.weight"), name("mixed.bias"), name("mix.bias")],
            name("mixed"),
            epsilon=shape.epsilon,
        ),
        node("MatMul", [name("mixed"), name("up.weight")], name("up")),
        node("BiasGelu", [name("up"), name("up.bias")], name("gelu")),
        node("MatMul", [name("gelu"), name("down.weight")], name("down")),
        node(
            "SkipLayerNormalization",
            [name("down"), name("mixed"), name("out.weight"), name("out.bias"), name("down.bias")],
            after,
            epsilon=shape.epsilon,
        ),
    ]
