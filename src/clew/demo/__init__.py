"""The sample data that ships with Clew, and the demonstration that runs over it."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from clew.types import Metadata


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """8,807 films and series. Row i of `vectors`, (8807, 256) float32 of unit length, is that of `ids[i]`."""

    ids: list[str]
    vectors: NDArray[np.float32]
    metadata: list[Metadata]  # title, type, year, rating, countries, genres
    data: list[str]  # a sentence or two about the title

    def vector_of(self, title: str) -> NDArray[np.float32]:
        """The vector of a title, compared without regard to case; LookupError where there is none."""
        for row, metadata in enumerate(self.metadata):
            if metadata["title"].casefold() == title.casefold():
                vector: NDArray[np.float32] = self.vectors[row]
                return vector
        raise LookupError(f"no title {title!r} in the sample")


def load() -> Sample:
    """Read the sample from the package: about a tenth of a second."""
    folder = files(__name__)
    with (folder / "vectors.npz").open("rb") as file:
        vectors = np.load(file)["codes"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    text = gzip.decompress((folder / "titles.jsonl.gz").read_bytes()).decode()
    rows = [json.loads(line) for line in text.split("\n")]
    return Sample(
        ids=[row["id"] for row in rows],
        vectors=vectors,
        metadata=[{"title": row["title"], **row["metadata"]} for row in rows],
        data=[row["text"] for row in rows],
    )
