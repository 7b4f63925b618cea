"""A batch that is asked for by its number."""

from __future__ import annotations

from typing import Any

import pytest

from clew.commands import Delete, FetchNext
from clew.engine.engine import Engine
from clew.errors import ClientError
from engine_calls import ALL, NAMES, fetch_ids, fill, start, upsert


def test_a_batch_asked_again_by_its_number_is_the_same_and_the_next_goes_on(engine: Engine) -> None:
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=3, include=ALL)
    first = engine.execute(FetchNext(uuid, 4, 1))
    assert [hit.id for hit in first] == NAMES[3:7]
    assert engine.execute(FetchNext(uuid, 9, 1)) == first
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 2, 2))] == NAMES[7:9]
    assert fetch_ids(engine, uuid, 1) == NAMES[9:10]
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 5, 3))] == NAMES[9:10]


@pytest.mark.parametrize("batch", [-1, 0, 1, 4, 100])
def test_another_batch_number_is_an_error_that_says_which_there_are(engine: Engine, batch: int) -> None:
    fill(engine)
    uuid = start(engine, 1.0, 0.0)
    fetch_ids(engine, uuid, 1)
    fetch_ids(engine, uuid, 1)
    with pytest.raises(ClientError, match=f"batch must be 2 .* or 3 .*, got {batch}"):
        engine.execute(FetchNext(uuid, 1, batch))
    assert fetch_ids(engine, uuid, 1) == NAMES[3:4]


def test_an_exhausted_query_gives_its_empty_batch_again(engine: Engine) -> None:
    upsert(engine, ("a", [1.0, 0.0]))
    uuid = start(engine, 1.0, 0.0)
    assert engine.execute(FetchNext(uuid, 5, 1)) == []
    assert engine.execute(FetchNext(uuid, 5, 1)) == []
    assert engine.execute(FetchNext(uuid, 5, 2)) == []


def test_the_last_batch_is_there_after_a_restart(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    uuid = start(engine, 1.0, 0.0, top_k=3, include=ALL)
    first = engine.execute(FetchNext(uuid, 4))
    engine.execute(Delete(ids=(NAMES[4], NAMES[8])))
    upsert(engine, (NAMES[5], [0.0, 1.0], {"i": -1}))
    engine = reopen()
    assert engine.execute(FetchNext(uuid, 4, 1)) == first
    engine = reopen()
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 4, 2))] == NAMES[7:11]
    assert [hit.id for hit in engine.execute(FetchNext(uuid, 4, 2))] == NAMES[7:11]
