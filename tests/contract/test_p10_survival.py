"""P10: in a directory, an active query goes on after a restart: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew.commands import Compact, EndQuery, FetchNext, Include, Query, StartQuery
from clew.engine.engine import Engine
from clew.errors import QueryNotActive
from worlds import DIMENSION, World, crowd, make_world, some_query

FILTERS = {"": 1000, "part < 300": 300, "part < 20": 20}


# A graph takes a second to be made again, so only one of its cases is a fast one.
CASES = [
    pytest.param(size, metric, filter, marks=[pytest.mark.slow] if size == "graph" and filter else [])
    for size, metric in (("exact", "COSINE"), ("exact", "DOT_PRODUCT"), ("graph", "EUCLIDEAN"))
    for filter in FILTERS
]


def disturb(engine: Engine, world: World, rng: random.Random) -> None:
    """Writes that no open query may see."""
    from clew import Index
    from clew.backends.embedded import EmbeddedBackend

    index = Index.over(EmbeddedBackend(engine))
    ids = rng.sample(sorted(world.vectors), 150)
    index.delete(ids[:60])
    for name in ids[60:70]:
        index.update(name, metadata={"part": 1, "later": True})
    index.upsert(
        [
            (name, row, {"part": 0})
            for name, row in zip(ids[70:], crowd(80, np.random.default_rng(3)), strict=True)
        ]
    )
    index.upsert([(f"new{i}", row, {"part": 0}) for i, row in enumerate(crowd(40, np.random.default_rng(4)))])


@pytest.mark.parametrize(("size", "metric", "filter"), CASES)
def test_a_query_goes_on_after_any_number_of_restarts(
    tmp_path: Path, rng: random.Random, size: str, metric: str, filter: str
) -> None:
    kept = make_world(tmp_path, size, metric)
    kept.index.close()
    asked = Query(some_query(kept, rng), top_k=3, filter=filter, include=Include(vectors=True, metadata=True))
    engine = Engine.open(tmp_path, threads=1)
    uuid, hits = engine.execute(StartQuery(asked))
    batches: list[Any] = [hits]
    while True:
        wanted = rng.choice([1, 7, 40, 900])
        if rng.random() < 0.5:
            disturb(engine, kept, rng)
        if rng.random() < 0.3:
            engine.execute(Compact())
        if len(batches) in (1, 2, 5):
            engine.close()
            engine = Engine.open(tmp_path, threads=1)
        batch = engine.execute(FetchNext(uuid, wanted))
        if not batch:
            break
        batches.append(batch)
        scores = [hit.score for hit in batch]
        assert scores == sorted(scores, reverse=True)
        assert len(batch) == wanted or not engine.execute(FetchNext(uuid, 1))
    found = [hit for batch in batches for hit in batch]
    expected = kept.matching(FILTERS[filter]) if filter else set(kept.vectors)
    assert len(found) == len({hit.id for hit in found}) == len(expected)
    assert {hit.id for hit in found} == expected
    for hit in found:
        assert hit.metadata == kept.metadata[hit.id]
        assert np.array_equal(np.array(hit.vector, np.float32), kept.vectors[hit.id])
    if kept.exact:
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)
    engine.execute(EndQuery(uuid))
    engine.close()
    with_ended = Engine.open(tmp_path, threads=1)
    with pytest.raises(QueryNotActive):
        with_ended.execute(FetchNext(uuid, 1))
    with_ended.close()


def test_a_restart_does_not_change_the_ranking(tmp_path: Path) -> None:
    world = make_world(tmp_path, "exact", "EUCLIDEAN")
    world.index.close()
    asked = Query(np.ones(DIMENSION, np.float32), top_k=10)
    engine = Engine.open(tmp_path)
    whole = [hit.id for hit in engine.execute(Query(asked.vector, top_k=250))]
    uuid, hits = engine.execute(StartQuery(asked))
    found = [hit.id for hit in hits]
    for _ in range(24):
        engine.close()
        engine = Engine.open(tmp_path)
        found += [hit.id for hit in engine.execute(FetchNext(uuid, 10))]
    assert found == whole[: len(found)]
    engine.close()
