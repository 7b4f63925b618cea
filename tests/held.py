"""What an index holds, to be compared; and an index that is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clew import Index
from clew.engine.engine import Engine
from opening import TOKEN, server


@contextmanager
def served(directory: Path | None) -> Iterator[tuple[str, Index]]:
    """The URL where the index in `directory`, or in memory (None), is served; and the index at that URL."""
    hosted = server().host(Engine.open(directory))
    url = f"{server().url}/{hosted.name}"
    try:
        with Index(url, TOKEN) as index:
            yield url, index
    finally:
        server().stop(hosted)


def held(index: Index) -> dict[str, Any]:
    """Everything that users can see of it, in order."""
    info = index.info()
    return {
        "type": info.index_type,
        "models": (
            info.dense_index.embedding_model if info.dense_index else "",
            info.sparse_index.embedding_model if info.sparse_index else "",
        ),
        "dimension": info.dimension,
        "metric": info.similarity_function,
        "namespaces": [(name, _records(index, name)) for name in index.list_namespaces()],
    }


def _records(index: Index, namespace: str) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        page = index.range(cursor, 1000, True, True, namespace, True)
        found += [(r.id, r.vector, r.sparse_vector, r.metadata, r.data) for r in page.vectors]
        cursor = page.next_cursor
        if not cursor:
            return found
