"""Sources that are arrays: NumPy's .npy and .npz, and HDF5 as ann-benchmarks has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clew.errors import ClientError
from clew.tools.extra import needs
from clew.tools.files import identity_of
from clew.tools.rows import ROWS_PER_STRETCH, About, ImportedRows, SourcePlace, finite
from clew.types import Metric

# The names of ann-benchmarks for what is a metric here. Its others (jaccard, hamming) are of other spaces.
_METRICS = {
    "angular": Metric.COSINE,
    "cosine": Metric.COSINE,
    "euclidean": Metric.EUCLIDEAN,
    "dot": Metric.DOT_PRODUCT,
    "ip": Metric.DOT_PRODUCT,
}


class ArraySource:
    """Rows of a matrix, that may be larger than memory where its file can be mapped or read in parts.

    ids: of the rows; None numbers them from 0. where: names the matrix for errors.
    """

    def __init__(
        self,
        path: Path,
        where: str,
        matrix: Any,
        *,
        ids: Sequence[str | int] | None = None,
        metric: Metric | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        if len(matrix.shape) != 2 or matrix.shape[1] < 1:
            raise ClientError(f"{where} has shape {tuple(matrix.shape)}; expected (rows, dimension)")
        if ids is not None and len(ids) != matrix.shape[0]:
            raise ClientError(f"{where} has {matrix.shape[0]} rows; ids has {len(ids)}")
        self.name = str(path)
        self.identity = identity_of(path) | {"matrix": where}
        self.about = About(int(matrix.shape[1]), metric, int(matrix.shape[0]))
        self._where, self._matrix, self._ids, self._close = where, matrix, ids, close

    def stretches(self, place: SourcePlace | None) -> Iterator[ImportedRows]:
        """From row `place["row"]` on."""
        start = place["row"] if place else 0
        for first in range(start, self.about.rows, ROWS_PER_STRETCH):
            stop = min(first + ROWS_PER_STRETCH, self.about.rows)

            def row(i: int, first: int = first) -> str:
                return f"row {first + i}"

            ids = range(first, stop) if self._ids is None else self._ids[first:stop]
            vectors = finite(np.asarray(self._matrix[first:stop]), self._where, row)
            yield ImportedRows(ids, vectors, {"row": stop}, row)

    def close(self) -> None:
        """Close the file."""
        self._close()


def npy(path: Path) -> ArraySource:
    """One matrix; its rows get their numbers for ids."""
    return ArraySource(path, str(path), _load(path, mmap_mode="r"))


def npz(path: Path) -> ArraySource:
    """The matrix `vectors`, or the only one there is; `ids`, where there are any."""
    arrays = _load(path)
    try:
        matrices = [name for name in arrays.files if name != "ids"]
        name = "vectors" if "vectors" in matrices else matrices[0] if len(matrices) == 1 else None
        if name is None:
            found = ", ".join(map(repr, arrays.files)) or "nothing"
            raise ClientError(f"{path} holds {found}; expected an array 'vectors', and perhaps 'ids'")
        ids = _ids(path, _member(path, arrays, "ids")) if "ids" in arrays.files else None
        return ArraySource(path, f"{path}, {name!r}", _member(path, arrays, name), ids=ids)
    finally:
        arrays.close()


def hdf5(path: Path, dataset: str = "train") -> ArraySource:
    """One dataset of a file; its attribute `distance`, where there is one, says the metric."""
    h5py = needs("h5py", f"to read {path}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ClientError(f"{path} is no HDF5 file: {error}") from error
    try:
        matrix = file.get(dataset)
        if not isinstance(matrix, h5py.Dataset):
            found = ", ".join(map(repr, file)) or "nothing"
            raise ClientError(f"{path} holds {found}; expected {dataset!r}, or name one with --dataset")
        metric = _metric(path, file.attrs.get("distance"))
        return ArraySource(path, f"{path}, {dataset!r}", matrix, metric=metric, close=file.close)
    except BaseException:
        file.close()
        raise


def _metric(path: Path, distance: object) -> Metric | None:
    if distance is None:
        return None
    name = distance.decode() if isinstance(distance, bytes) else str(distance)
    if name not in _METRICS:
        raise ClientError(f"{path} is for distance {name!r}; expected one of {', '.join(sorted(_METRICS))}")
    return _METRICS[name]


def _load(path: Path, mmap_mode: Any = None) -> Any:
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ClientError(f"{path} cannot be read as {path.suffix}: {error}") from error


def _member(path: Path, arrays: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = arrays[name]
    except ValueError as error:  # objects would have to be unpickled, which runs whatever the file says
        raise ClientError(f"{path}, {name!r} holds Python objects; expected numbers or text") from error
    return array


def _ids(path: Path, ids: NDArray[Any]) -> list[str | int]:
    if ids.ndim != 1 or ids.dtype.kind not in "Uiu":
        raise ClientError(
            f"{path}, 'ids' is {ids.dtype} of shape {ids.shape}; expected text or integers, (rows,)"
        )
    listed: list[str | int] = ids.tolist()
    return listed
