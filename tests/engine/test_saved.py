"""The file of open queries: what moves is committed, its log stays short, and many threads share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clew.commands import Query
from clew.engine.saved import Place, SavedQuery
from clew.engine.snapshot import Snapshot
from clew.engine.sqlite_file import LOOK_EVERY
from clew.engine.sqlite_queries import QUERIES_FILE, SqliteQueries, opened_queries
from clew.errors import ClientError
from clew.types import Durability

MANY = 8


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[SqliteQueries]:
    saved = opened(tmp_path)
    yield saved
    saved.close()


def opened(tmp_path: Path) -> SqliteQueries:
    """Queries 1 to MANY are open."""
    saved = SqliteQueries(tmp_path, Durability.NORMAL)
    for number in range(1, MANY + 1):
        asked = Query(np.ones(4, np.float32), top_k=3)
        name = f"00000000-0000-0000-0000-{number:012}"
        saved.begin(SavedQuery(number, name, 1, Snapshot(0, 9), 60.0, asked, Place(0.0, 0, b"")))
    return saved


def log_bytes(directory: Path) -> int:
    return (directory / f"{QUERIES_FILE}-wal").stat().st_size


def places(directory: Path) -> list[Place]:
    """What another process would find."""
    saved, active = opened_queries(directory, Durability.NORMAL)
    saved.close()
    return [query.place for query in active]


def test_every_move_is_on_the_disk_when_it_returns(saved: SqliteQueries, tmp_path: Path) -> None:
    for batch in range(1, 3 * LOOK_EVERY):
        place = Place(float(batch), batch, b"last", b"tail" * (batch % 9))
        saved.move(2, place)
        if batch % 7 == 0:
            assert places(tmp_path)[1] == place


def test_many_threads_move_their_queries_at_once(saved: SqliteQueries, tmp_path: Path) -> None:
    def work(number: int) -> None:
        for batch in range(1, 200):
            place = Place(0.0, batch, bytes([number]))
            if batch % 50:
                saved.move(number, place)
            else:
                saved.regroup(number, place, 0, [bytes([number])])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, MANY + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places(tmp_path) == [Place(0.0, 199, bytes([number])) for number in range(1, MANY + 1)]
    assert [saved.parts(number) for number in (1, MANY)] == [[b"\x01"], [bytes([MANY])]]


def test_the_log_is_begun_anew_while_queries_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.engine.checkpointer.CHECKPOINT_BYTES", 1 << 18)
    monkeypatch.setattr("clew.engine.checkpointer.RESTART_BYTES", 1 << 19)
    saved, longest = opened(tmp_path), 0
    checkpointer = saved.file._checkpointer
    assert checkpointer is not None
    until = time.monotonic() + 20
    while time.monotonic() < until and checkpointer._bytes >= longest:
        longest = checkpointer._bytes
        for batch in range(LOOK_EVERY):
            saved.move(1 + batch % MANY, Place(0.0, batch, b"x" * 300))
    assert checkpointer._bytes < longest
    assert longest > 1 << 18
    saved.close()


def test_queries_move_beside_settlements(saved: SqliteQueries, tmp_path: Path) -> None:
    done = threading.Event()

    def settle() -> None:
        while not done.is_set():
            saved.settle()

    settling = threading.Thread(target=settle)
    settling.start()
    try:
        for batch in range(1, 3_000):
            saved.move(1 + batch % MANY, Place(0.0, batch, b"x"))
            if batch % 99 == 0:
                saved.regroup(1, Place(0.0, batch, b"x"), 0, [b"x"])
    finally:
        done.set()
        settling.join()
    assert max(place.batch for place in places(tmp_path)) == 2_999


def test_after_a_settlement_there_is_no_log(saved: SqliteQueries, tmp_path: Path) -> None:
    for batch in range(2 * LOOK_EVERY):
        saved.move(1, Place(0.0, batch, b"x"))
    assert log_bytes(tmp_path) > 0
    saved.settle()
    assert log_bytes(tmp_path) == 0
    saved.move(1, Place(0.0, 99, b"x"))
    assert places(tmp_path)[0].batch == 99


def test_what_moves_while_the_file_is_closed_is_an_error(saved: SqliteQueries, tmp_path: Path) -> None:
    moved, failed = [0], []

    def work() -> None:
        try:
            while True:
                saved.move(1, Place(0.0, moved[0] + 1, b"x"))
                moved[0] += 1
        except ClientError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while moved[0] < 2 * LOOK_EVERY:
        time.sleep(0.001)
    saved.close()
    thread.join()
    assert list(map(str, failed)) == ["the index is closed"]
    assert places(tmp_path)[0].batch == moved[0]
