"""Tombstones go, what nobody sees is dropped, and space is given back, while others read and write."""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from clew.commands import (
    Compact,
    Delete,
    EndQuery,
    Fetch,
    FetchNext,
    Include,
    Query,
    Range,
    Record,
    StartQuery,
    Upsert,
    UpsertArrays,
)
from clew.engine.engine import Engine
from clew.engine.generation import Generation
from clew.types import IndexType, SparseVector
from engine_calls import NAMES as FILLED
from engine_calls import fetch_ids, fill, start

N = 4_400
NAMES = tuple(f"n{i}" for i in range(N))
ROWS = np.random.default_rng(0).standard_normal((N, 8)).astype(np.float32)


class Writer(threading.Thread):
    """Replaces and deletes until it is stopped; knows what there must be, and how long it waited."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.model = dict(zip(NAMES, range(N), strict=True))
        self.longest_s = 0.0
        self.writes = 0
        self.done = threading.Event()

    def run(self) -> None:
        draw = random.Random(0)
        while not self.done.is_set():
            began = time.perf_counter()
            ids = [f"n{draw.randrange(N + 500)}" for _ in range(8)]
            if draw.random() < 0.3:
                self.engine.execute(Delete(ids=tuple(ids)))
                for id in ids:
                    self.model.pop(id, None)
            else:
                rows = [draw.randrange(N) for _ in ids]
                self.engine.execute(
                    Upsert(tuple(Record(id, ROWS[row]) for id, row in zip(ids, rows, strict=True)))
                )
                self.model.update(zip(ids, rows, strict=True))
            self.longest_s = max(self.longest_s, time.perf_counter() - began)
            self.writes += 1


def test_what_is_written_during_a_compaction_is_in_what_it_makes(make_engine: Any) -> None:
    engine = make_engine()
    engine.execute(UpsertArrays(NAMES, ROWS))
    before = start(engine, *ROWS[0].tolist(), top_k=10)
    writer = Writer(engine)
    writer.start()
    try:
        for _ in range(4):
            at = writer.writes
            engine.execute(Compact())
            until = time.monotonic() + 10
            while writer.writes < at + 20 and time.monotonic() < until:
                time.sleep(0.001)
    finally:
        writer.done.set()
        writer.join()
    engine.execute(Compact())
    generation = engine._catalog.namespaces[""].generation
    assert generation.graph.size == generation.graph.live == len(writer.model)
    assert set(generation.ids) == set(writer.model)
    found = engine.execute(Fetch(ids=tuple(list(writer.model)[:500]), include=Include(vectors=True)))
    for record in found:
        assert record is not None
        assert np.array_equal(np.array(record.vector, np.float32), ROWS[writer.model[record.id]])
    uuid = start(engine, *ROWS[0].tolist(), top_k=10)
    seen = [hit.id for hit in engine.execute(Query(ROWS[0], top_k=10))]
    while batch := fetch_ids(engine, uuid):
        seen += batch
    assert sorted(seen) == sorted(writer.model)
    listed, cursor = [], ""
    while True:
        page = engine.execute(Range(cursor, 1000))
        listed += [record.id for record in page.vectors]
        cursor = page.next_cursor
        if not cursor:
            break
    assert sorted(listed) == sorted(writer.model)
    old = [hit for _ in range(6) for hit in fetch_ids(engine, before)]
    assert len(old) == len(set(old)) == N - 10


def test_the_index_compacts_by_itself_once_half_of_it_is_tombstones(make_engine: Any) -> None:
    engine = make_engine()
    engine.execute(UpsertArrays(NAMES, ROWS))
    engine.execute(Delete(ids=NAMES[: N // 2 + 1000]))
    until = time.monotonic() + 20
    while engine._catalog.namespaces[""].generation.graph.size > N // 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert engine._catalog.namespaces[""].generation.graph.size == N // 2 - 1000
    assert len(fetch_ids(engine, start(engine, *ROWS[-1].tolist()))) == 1000


def texts(first: int, n: int) -> tuple[Record, ...]:
    return tuple(
        Record(f"n{i}", ROWS[i], SparseVector([i % 50, 50 + i % 7], [1.0, 2.0]))
        for i in range(first, first + n)
    )


@pytest.mark.parametrize("type", list(IndexType))
def test_nobody_who_writes_waits_for_a_compaction(
    type: IndexType, make_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(type=type)
    halves = {IndexType.DENSE: {"sparse_vector": None}, IndexType.SPARSE: {"vector": None}}.get(type, {})

    def put(first: int, n: int) -> None:
        engine.execute(Upsert(tuple(replace(one, **halves) for one in texts(first, n))))

    put(0, 2600)
    engine.execute(Delete(ids=NAMES[:300]))
    compacted = Generation.compacted

    def write() -> None:
        put(2600, 300)
        engine.execute(Delete(ids=NAMES[2500:2700]))

    def meanwhile(self: Generation, threads: int) -> Any:
        made = compacted(self, threads)
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(20)
        assert not writer.is_alive()
        return made

    monkeypatch.setattr(Generation, "compacted", meanwhile)
    engine.execute(Compact())
    generation = engine._catalog.namespaces[""].generation
    expected = {*NAMES[300:2500], *NAMES[2700:2900]}
    assert set(generation.slots) == expected
    assert generation.graph.live == len(expected)
    asked = Query(vector=ROWS[2800], sparse_vector=SparseVector([0, 50], [1.0, 1.0]), top_k=1000)
    uuid, hits = engine.execute(StartQuery(replace(asked, **halves)))
    while batch := engine.execute(FetchNext(uuid, 1000)):
        hits += batch
    found = {hit.id for hit in hits}
    assert len(found) == len(hits) > 0
    assert found <= expected if type is IndexType.SPARSE else found == expected


def test_a_close_does_not_wait_for_a_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.open(tmp_path)
    engine.execute(UpsertArrays(NAMES, ROWS))
    compacted, begun = Generation.compacted, threading.Event()

    def late(self: Generation, threads: int) -> Any:
        begun.set()
        until = time.monotonic() + 10
        while not engine._parts.upkeep._background.closed and time.monotonic() < until:
            time.sleep(0.001)
        return compacted(self, threads)

    monkeypatch.setattr(Generation, "compacted", late)
    engine.execute(Delete(ids=NAMES[: N // 2 + 100]))
    assert begun.wait(10)
    generation = engine._catalog.namespaces[""].generation
    engine.close()
    assert engine._catalog.namespaces[""].generation is generation
    monkeypatch.undo()
    with closing(Engine.open(tmp_path)) as engine:
        until = time.monotonic() + 20
        while engine._catalog.namespaces[""].generation.graph.size > N // 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert set(engine._catalog.namespaces[""].generation.slots) == set(NAMES[N // 2 + 100 :])


def test_a_compaction_gives_space_back_to_the_system(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    rows = np.random.default_rng(0).standard_normal((2500, 64)).astype(np.float32)
    engine.execute(UpsertArrays(tuple(map(str, range(2500))), rows))
    engine.execute(Compact())
    file = tmp_path / "clew.sqlite"
    before = file.stat().st_size
    engine.execute(Delete(ids=tuple(map(str, range(2400)))))
    assert engine.execute(Compact()) > before / 2
    assert file.stat().st_size < before / 4
    assert engine.execute(Compact()) == 0
    uuid = start(engine, *rows[2450].tolist(), top_k=1)
    assert len(fetch_ids(engine, uuid)) == 99
    engine.close()


def test_what_an_earlier_process_left_removed_is_purged(reopen: Any) -> None:
    engine = reopen()
    fill(engine)
    engine.execute(Delete(ids=tuple(FILLED[:50])))
    engine = reopen()
    records = engine._catalog.records
    until = time.monotonic() + 10
    while records.removed_count(1, 0, 1000) and time.monotonic() < until:
        time.sleep(0.01)
    assert records.removed_count(1, 0, 1000) == 0


def test_batches_are_saved_beside_a_compaction(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path, durability="normal")
    fill(engine)
    done, failed = threading.Event(), []

    def compact() -> None:
        while not done.is_set():
            try:
                engine.execute(Compact())
            except Exception as error:
                failed.append(error)
                return

    compacting = threading.Thread(target=compact)
    compacting.start()
    try:
        for _ in range(4):
            uuid = start(engine, 1.0, 0.0)
            returned = FILLED[:1]
            while batch := fetch_ids(engine, uuid, 5):
                returned += batch
            assert returned == FILLED
            engine.execute(EndQuery(uuid))
    finally:
        done.set()
        compacting.join()
    assert failed == []
    engine.close()
