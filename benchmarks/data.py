"""Data sets with exact truth: made here from a seed, read from a folder, or real ones beside the checkout.

Names:
  synth-SIZE-DIMENSION   made here and cached, e.g. synth-50k-128, synth-1m-96 (see `clustered`)
  fashion-mnist-784      real pictures, when ../shared/data (or CLEW_BENCH_SHARED) has them
  file:PATH[@METRIC]     PATH.base.npy, PATH.query.npy and, when there, PATH.gt.npy (rows, int)
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.truth import Floats, Rows, nearest

HOME = Path(__file__).resolve().parent
CACHE = HOME / "data"
TRUTH_K = 100
QUERIES = 500
RECIPE = 1  # part of the names of cached files: raise it when `clustered` changes


@dataclass(frozen=True, slots=True)
class Dataset:
    """Vectors (n, dimension), held-out queries (m, dimension) and the rows of their nearest (m, k)."""

    name: str
    metric: str
    base: Floats
    queries: Floats
    truth: Rows
    source: str  # what `load` was given

    @property
    def size(self) -> int:
        """How many vectors."""
        return len(self.base)

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        return int(self.base.shape[1])

    @property
    def key(self) -> str:
        """The name as a part of file names."""
        return re.sub(r"[^A-Za-z0-9.-]+", "_", self.name)

    def fingerprint(self) -> str:
        """Tells whether two runs measured the same vectors."""
        return hashlib.sha256(self.base[:: max(1, self.size // 997)].tobytes()).hexdigest()[:16]

    def column(self) -> Rows:
        """A number from 0 to 999 for each vector, drawn at random: what filters ask about."""
        return np.random.default_rng(77).integers(0, 1000, self.size)


def load(name: str) -> Dataset:
    """The data set called `name`; ValueError when there is none."""
    if name.startswith("file:"):
        return _from_files(name)
    if name == "fashion-mnist-784":
        return _fashion_mnist()
    made = re.fullmatch(r"synth-(\d+)([km])-(\d+)", name)
    if made is None:
        raise ValueError(f"no data set {name!r}: use synth-50k-128, fashion-mnist-784 or file:PATH")
    size = int(made[1]) * {"k": 1_000, "m": 1_000_000}[made[2]]
    return _made(name, size, int(made[3]))


def clustered(size: int, dimension: int, seed: int, *, unit: bool) -> Floats:
    """Vectors as embeddings lie: overlapping clusters on a low-dimensional sheet, `size` rows.

    Centres come from a 24-dimensional latent space of decaying spread; each cluster spreads over a
    16-dimensional subspace of its own; sizes follow a Pareto law; a quarter of the spread is noise in
    every direction; the mean is not zero. Intrinsic dimension (at 100 neighbours) about 13 to 20.
    """
    rng = np.random.default_rng(seed)
    clusters, inner, latent = max(20, min(2_000, size // 100)), min(16, dimension), min(24, dimension)
    sheet = _directions(rng, dimension, latent)
    spread = np.arange(1, latent + 1, dtype=np.float32) ** np.float32(-0.4)
    centres = (rng.standard_normal((clusters, latent), np.float32) * spread) @ sheet.T
    weights = rng.pareto(1.5, clusters) + 0.2
    members = rng.multinomial(size, weights / weights.sum())
    within = np.arange(1, inner + 1, dtype=np.float32) ** np.float32(-0.5)
    rows = np.empty((size, dimension), np.float32)
    start = 0
    for centre, count in zip(centres, members, strict=True):
        spread_of = rng.standard_normal((count, inner), np.float32) * within
        rows[start : start + count] = centre + spread_of @ _directions(rng, dimension, inner).T
        start += count
    noise = np.float32(0.25 * np.sqrt(inner / dimension))
    mean = sheet @ (rng.standard_normal(latent, np.float32) * np.float32(0.5))
    for start in range(0, size, 65_536):
        block = rows[start : start + 65_536]
        block += rng.standard_normal(block.shape, np.float32) * noise + mean
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[rng.permutation(size)]


def intrinsic_dimension(dataset: Dataset) -> float:
    """Median local intrinsic dimension at the queries: how hard the set is, whatever its width."""
    found = []
    for query, rows in zip(dataset.queries[:200], dataset.truth[:, :TRUTH_K], strict=False):
        apart = np.linalg.norm(dataset.base[rows].astype(np.float64) - query, axis=1)
        apart = np.maximum(apart, 1e-9)
        found.append(-1.0 / min(-1e-9, float(np.mean(np.log(apart[:-1] / apart.max())))))
    return float(np.median(found))


def _directions(rng: np.random.Generator, dimension: int, count: int) -> Floats:
    return np.linalg.qr(rng.standard_normal((dimension, count)))[0].astype(np.float32)


def _made(name: str, size: int, dimension: int) -> Dataset:
    metric = "COSINE" if dimension >= 256 else "EUCLIDEAN"
    folder = CACHE / f"{name}.{RECIPE}"
    parts = [folder / f"{part}.npy" for part in ("base", "queries", "truth")]
    if not all(part.exists() for part in parts):
        folder.mkdir(parents=True, exist_ok=True)
        rows = clustered(size + QUERIES, dimension, seed=size + dimension, unit=metric == "COSINE")
        base, queries = rows[:size], rows[size:]
        np.save(parts[0], base)
        np.save(parts[1], queries)
        np.save(parts[2], nearest(base, queries, TRUTH_K, metric))
    return Dataset(name, metric, np.load(parts[0]), np.load(parts[1]), np.load(parts[2]), name)


def _from_files(name: str) -> Dataset:
    path, _, metric = name.removeprefix("file:").partition("@")
    metric = metric or "EUCLIDEAN"
    base = np.ascontiguousarray(np.load(f"{path}.base.npy"), np.float32)
    queries = np.ascontiguousarray(np.load(f"{path}.query.npy"), np.float32)
    known = Path(f"{path}.gt.npy")
    truth = np.load(known).astype(np.int64) if known.exists() else nearest(base, queries, TRUTH_K, metric)
    return Dataset(f"{Path(path).name}@{metric}", metric, base, queries, truth, name)


def shared() -> Path:
    """The folder of real data sets."""
    return Path(os.environ.get("CLEW_BENCH_SHARED", HOME.parent.parent / "shared" / "data"))


def _fashion_mnist() -> Dataset:
    folder = shared() / "fashion-mnist-784"
    if not folder.exists():
        raise ValueError(
            f"fashion-mnist-784 is not in {shared()}; set CLEW_BENCH_SHARED to its parent folder"
        )
    truth = np.load(folder / "gt_l2.ids.i32.npy")[:QUERIES].astype(np.int64)
    base = np.load(folder / "base.u8.npy").astype(np.float32)
    queries = np.load(folder / "queries.u8.npy")[:QUERIES].astype(np.float32)
    return Dataset("fashion-mnist-784", "EUCLIDEAN", base, queries, truth, "fashion-mnist-784")
