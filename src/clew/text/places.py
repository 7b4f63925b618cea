"""Where the files of a model are on this machine. Nothing is ever downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from clew.errors import ClientError

# The folder that has a folder of files for each model, by its name.
MODELS_VARIABLE = "CLEW_MODELS"
MODELS_DEFAULT = "~/.cache/clew/models"


def directory_of(model: str, hub_name: str | None = None) -> Path:
    """The directory of `model`: itself one, or a folder of that name among the models, or in the hub's cache.

    hub_name: what the model is called on the Hugging Face hub; None: the same.
    Raises ClientError that says where to put the files, or that a place is none.
    """
    hub_name = hub_name or model
    home = Path(os.environ.get(MODELS_VARIABLE) or MODELS_DEFAULT).expanduser()
    named = model.startswith((".", "/", "~"))  # a place on this machine, and no name on the hub
    itself = [_expanded(model)] if named or "/" in model else []
    for place in (*itself, home / model, *_snapshots(hub_name)):
        if place.is_dir():
            return place
    if named:
        raise ClientError(
            f"there is no directory {model}; expected one with tokenizer.json and the weights of a model"
        )
    raise ClientError(
        f"no weights of {model} are on this machine: run `hf download {hub_name}`, "
        f"or put tokenizer.json and model.safetensors into {home / model}"
    )


def _expanded(path: str) -> Path:
    """With the home of whom it names; as it is where nobody has that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _snapshots(hub_name: str) -> list[Path]:
    """What the hub's own tools have downloaded, the newest first."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    found = cache.glob(f"models--{hub_name.replace('/', '--')}/snapshots/*/")
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)
