from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clew.commands import Fetch, Include, Info, Record, Update, Upsert, UpsertArrays
from clew.engine.engine import Engine
from clew.engine.metadata import DATA_BYTES_MAX, METADATA_BYTES_MAX
from clew.errors import ClientError
from clew.types import MetadataUpdateMode
from engine_calls import upsert, vector

# {"k":"..."} takes eight bytes beside the text.
LONGEST = {"k": "x" * (METADATA_BYTES_MAX - 8)}
TOO_LONG = {"k": "x" * (METADATA_BYTES_MAX - 7)}
WIDE = {"k": "é" * (METADATA_BYTES_MAX // 2)}  # two bytes each


def test_the_longest_metadata_and_data_are_kept(engine: Engine) -> None:
    upsert(
        engine, ("a", [1.0], LONGEST, "x" * DATA_BYTES_MAX), ("b", [1.0], None, "é" * (DATA_BYTES_MAX // 2))
    )
    a, b = engine.execute(Fetch(ids=("a", "b"), include=Include(metadata=True, data=True)))
    assert a is not None
    assert b is not None
    assert (a.metadata, len(a.data or ""), len(b.data or "")) == (
        LONGEST,
        DATA_BYTES_MAX,
        DATA_BYTES_MAX // 2,
    )


@pytest.mark.parametrize(
    ("metadata", "data", "what"),
    [
        (
            TOO_LONG,
            None,
            f"metadata of id 'b' has {METADATA_BYTES_MAX + 1} bytes, at most {METADATA_BYTES_MAX}",
        ),
        (WIDE, None, f"metadata of id 'b' has {METADATA_BYTES_MAX + 8} bytes"),
        (
            None,
            "x" * (DATA_BYTES_MAX + 1),
            f"data of id 'b' has {DATA_BYTES_MAX + 1} bytes, at most {DATA_BYTES_MAX}",
        ),
        (None, "é" * (DATA_BYTES_MAX // 2 + 1), f"data of id 'b' has {DATA_BYTES_MAX + 2} bytes"),
    ],
    ids=["metadata", "wide metadata", "data", "wide data"],
)
def test_more_is_refused_and_changes_nothing(engine: Engine, metadata: Any, data: Any, what: str) -> None:
    records = (Record("a", vector(1.0)), Record("b", vector(2.0), metadata=metadata, data=data))
    with pytest.raises(ClientError, match=what):
        engine.execute(Upsert(records))
    with pytest.raises(ClientError, match=what):
        engine.execute(UpsertArrays(("a", "b"), np.ones((2, 1), np.float32), (None, metadata), (None, data)))
    assert engine.execute(Info()).vector_count == 0
    upsert(engine, ("b", [1.0]))
    with pytest.raises(ClientError, match=what):
        engine.execute(Update(Record("b", metadata=metadata, data=data)))
    [kept] = engine.execute(Fetch(ids=("b",), include=Include(metadata=True, data=True)))
    assert kept is not None
    assert (kept.metadata, kept.data) == (None, None)


def test_a_patch_is_refused_where_the_whole_becomes_too_long(engine: Engine) -> None:
    upsert(engine, ("a", [1.0], LONGEST))
    with pytest.raises(ClientError, match="metadata of id 'a' has"):
        engine.execute(Update(Record("a", metadata={"more": 1}), MetadataUpdateMode.PATCH))
    [kept] = engine.execute(Fetch(ids=("a",), include=Include(metadata=True)))
    assert kept is not None
    assert kept.metadata == LONGEST
