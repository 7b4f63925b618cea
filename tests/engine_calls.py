"""Short ways to make the commands that engine tests execute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clew.commands import FetchNext, Floats, Include, Query, Record, StartQuery, Upsert
from clew.engine.engine import Engine
from clew.errors import QueryNotActive

ALL = Include(vectors=True, metadata=True, data=True)
NAMES = [f"n{i}" for i in range(200)]


def vector(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)


def upsert(engine: Engine, *records: Any, namespace: str = "") -> None:
    """Records as (id, components[, metadata[, data]])."""
    made = [Record(id, vector(*values), None, *rest) for id, values, *rest in records]
    assert engine.execute(Upsert(tuple(made), namespace)) == "Success"


def ids(
    engine: Engine, *values: float, top_k: int = 1000, filter: str = "", namespace: str = ""
) -> list[str]:
    """Of the nearest neighbours."""
    query = Query(vector(*values), top_k=top_k, filter=filter, namespace=namespace)
    return [result.id for result in engine.execute(query)]


def start(engine: Engine, *values: float, top_k: int = 1, max_idle_s: float = 60.0, **query: Any) -> str:
    """The uuid of a resumable query whose first batch is taken."""
    asked = Query(vector(*values), top_k=top_k, **query)
    return engine.execute(StartQuery(asked, max_idle_s))[0]


def fetch_ids(engine: Engine, uuid: str, n: int = 1000) -> list[str]:
    """The ids of the next batch."""
    return [result.id for result in engine.execute(FetchNext(uuid, n))]


def fill(engine: Engine, namespace: str = "") -> None:
    """Their distance from (1, 0) grows with their number."""
    upsert(engine, *[(name, [1.0, i / 100], {"i": i}) for i, name in enumerate(NAMES)], namespace=namespace)


def gone(engine: Engine, uuid: str) -> str:
    with pytest.raises(QueryNotActive) as raised:
        engine.execute(FetchNext(uuid, 1))
    return str(raised.value)
