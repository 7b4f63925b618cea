"""A directory with a tokenizer and weights, run by onnxruntime: BERT and its family, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClientError
from clew.limits import processors

MISSING = "running a model needs {what}, which is missing: pip install 'clew[text]'"
WEIGHTS = ("model.onnx", "onnx/model.onnx", "model.safetensors")
# As many tokens of a text are read where nothing about the model says otherwise.
TOKENS_DEFAULT = 512
# Texts of one length that are run together: more are not quicker, and a batch stays some megabytes.
BATCH = 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done around the model: which token stands for the text, and what goes before texts."""

    pooling: str = "mean"  # or "cls": the first token
    query_prefix: str = ""
    document_prefix: str = ""
    normalize: bool = True
    tokens_max: int = TOKENS_DEFAULT


class DirectoryEmbedder:
    """Embeds with the model in `directory`: tokenizer.json, and model.onnx or model.safetensors.

    Texts are run without padding, only those of one length together: so that a text has the same vector,
    bit for bit, whatever it is embedded with. The recipe is read from the files of sentence-transformers
    where the directory has them. Raises ClientError where something is missing, at once.
    """

    def __init__(self, directory: Path, name: str, recipe: Recipe | None = None) -> None:
        self.name = name
        self._recipe = recipe or recipe_of(directory)
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ClientError(MISSING.format(what="tokenizers")) from error
        # The session reads weights where they are, so they are kept.
        self._session, self._weights, positions = _opened(directory)
        self.dimension = int(self._session.get_outputs()[0].shape[-1])
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._tokenizer = Tokenizer.from_file(str(_required(directory, "tokenizer.json")))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(self._recipe.tokens_max, positions))
        self._threads = ThreadPoolExecutor(processors(), thread_name_prefix="clew-embed")

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of `texts`: shape (len(texts), dimension), float32."""
        return self._embedded([self._recipe.document_prefix + text for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of `text` as that of a question: shape (dimension,), float32."""
        vector: NDArray[np.float32] = self._embedded([self._recipe.query_prefix + text])[0]
        return vector

    def _embedded(self, texts: list[str]) -> NDArray[np.float32]:
        tokens = [one.ids for one in self._tokenizer.encode_batch_fast(texts)]
        by_length: dict[int, list[int]] = {}
        for row, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(row)
        batches = [
            rows[first : first + BATCH]
            for _, rows in sorted(by_length.items(), reverse=True)  # the longest last would be waited for
            for first in range(0, len(rows), BATCH)
        ]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)

        def run(rows: list[int]) -> None:
            vectors[rows] = self._run(np.array([tokens[row] for row in rows], dtype=np.int64))

        if len(batches) == 1:
            run(batches[0])
        else:
            list(self._threads.map(run, batches))
        return vectors

    def _run(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        pooled = states[:, 0] if self._recipe.pooling == "cls" else states.mean(axis=1)
        if self._recipe.normalize:
            pooled = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return np.asarray(pooled, dtype=np.float32)


def recipe_of(directory: Path) -> Recipe:
    """What the files of sentence-transformers say, else what the family is known for."""
    pooling = _json(directory / "1_Pooling" / "config.json")
    modules = (directory / "modules.json").exists()
    length = _json(directory / "sentence_bert_config.json").get("max_seq_length")
    said = _json(directory / "config_sentence_transformers.json").get("prompts") or {}
    # The name of a model is that of its directory or, in a cache, of one above.
    query, document = prefixes_of(said, directory.parts[-3:])
    return Recipe(
        pooling="cls" if pooling.get("pooling_mode_cls_token") else "mean",
        query_prefix=query,
        document_prefix=document,
        normalize="Normalize" in (directory / "modules.json").read_text("utf-8") if modules else True,
        tokens_max=length or TOKENS_DEFAULT,
    )


def prefixes_of(prompts: Mapping[str, str], names: Sequence[str]) -> tuple[str, str]:
    """What goes before the text of a query, and before that of a document.

    prompts: those of the model; names: what it is called. E5 wants "query: " and "passage: ". A model that
    has a prompt for queries alone, as BGE has, is asked without: it was trained to work so too, and a text
    then is nearest to itself.
    """
    # Newer sentence-transformers write empty ones down for a model that has none.
    if not any(prompts.values()) and any(
        name.startswith("e5-") or "-e5-" in name for name in names
    ):  # e.g. e5-small-v2
        return "query: ", "passage: "
    document = prompts.get("document") or prompts.get("passage") or ""
    return (prompts.get("query") or "") if document else "", document


def _opened(directory: Path) -> tuple[Any, list[Any], int]:
    """A session of onnxruntime, the weights that it reads from elsewhere, and how many tokens it takes."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ClientError(MISSING.format(what="onnxruntime")) from error
    options = onnxruntime.SessionOptions()
    # One thread for a batch and several batches at once: no thread waits for another, and what a text
    # becomes does not depend on how many there are.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    config = _json(directory / "config.json")
    found = next((directory / name for name in WEIGHTS if (directory / name).exists()), None)
    if found is None:
        raise ClientError(f"{directory} has no weights: put {' or '.join(WEIGHTS)} there")
    model: str | bytes = str(found)
    weights: list[Any] = []
    positions = int(config.get("max_position_embeddings", TOKENS_DEFAULT))
    try:
        if found.suffix == ".safetensors":
            model, weights, positions = _from_safetensors(found, config, options, onnxruntime)
        elif config.get("model_type") in ("roberta", "xlm-roberta"):
            positions -= int(config.get("pad_token_id", 1)) + 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except ClientError:
        raise
    except Exception as error:  # onnxruntime raises a class of its own for each thing that may be wrong
        raise ClientError(f"cannot load {found}: {error}") from error
    return session, weights, positions


def _from_safetensors(
    file: Path, config: dict[str, Any], options: Any, onnxruntime: Any
) -> tuple[bytes, list[Any], int]:
    """The graph of the model, and its weights, which are given to `options`."""
    try:
        from safetensors.numpy import load_file

        from clew.text import graph
    except ImportError as error:
        raise ClientError(MISSING.format(what=error.name)) from error
    shape = graph.Shape.of(config)
    weights = graph.arranged(load_file(file), shape)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in weights.values()]
    options.add_external_initializers(list(weights), values)
    return graph.build(shape, weights), values, shape.positions


def _required(directory: Path, name: str) -> Path:
    if not (directory / name).exists():
        raise ClientError(f"{directory} has no {name}: put it there beside the weights")
    return directory / name


def _json(file: Path) -> dict[str, Any]:
    """What a file says; nothing where there is none."""
    try:
        said = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ClientError(f"{file} is not JSON: {error}") from error
    return said if isinstance(said, dict) else {}
