"""P7: the work of a batch does not depend on how many came before it.

Counted, not timed: a query opens one cursor, goes on with it for every batch, and asks it for each
result once. That the work of the cursor itself is flat is the core's to show, and the benchmarks'.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from clew import _core
from worlds import World, read, some_query


class Counted:
    """A cursor, and how much it was asked for."""

    def __init__(self, cursor: Any, count: dict[str, int]) -> None:
        self._cursor = cursor
        self._count = count

    def next(self, n: int) -> Any:
        self._count["asked"] += n
        return self._cursor.next(n)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    count = {"cursors": 0, "asked": 0, "searches": 0}
    plain_cursor, plain_search = _core.Graph.cursor, _core.Graph.search

    def cursor(graph: Any, *args: Any, **kwargs: Any) -> Counted:
        count["cursors"] += 1
        return Counted(plain_cursor(graph, *args, **kwargs), count)

    def search(graph: Any, *args: Any, **kwargs: Any) -> Any:
        count["searches"] += 1
        return plain_search(graph, *args, **kwargs)

    monkeypatch.setattr(_core.Graph, "cursor", cursor)
    monkeypatch.setattr(_core.Graph, "search", search)
    return count


@pytest.mark.parametrize("filter", ["", "part < 400"])
def test_all_batches_together_ask_one_cursor_for_every_result_once(
    world: World, rng: random.Random, count: dict[str, int], filter: str
) -> None:
    batches = read(world.index.resumable_query(some_query(world, rng), top_k=10, filter=filter), rng, 40)
    results = sum(map(len, batches))
    assert len(batches) > results / 40
    assert count["cursors"] == 1
    assert count["searches"] == 0
    # The last batch asks once more for what it lacks, and then one finds nothing.
    assert count["asked"] <= results + 3 * 40
