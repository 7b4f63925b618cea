from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from clew.engine.metadata import decode_metadata, encode_metadata, partial_decoder
from clew.engine.records import IndexSettings, NewRecords, Texts
from clew.engine.sqlite import RECORDS_FILE, SqliteRecords
from clew.engine.sqlite_file import CHUNK_ROWS
from clew.engine.sqlite_reads import PREFIX_SORT_MAX
from clew.errors import ClientError, Corruption, StorageError
from clew.types import Metric

SETTINGS = IndexSettings(2, Metric.COSINE)


@pytest.fixture(params=["memory", "directory"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteRecords]:
    made = SqliteRecords(None if request.param == "memory" else tmp_path, SETTINGS)
    yield made
    made.close()


def new(*ids: str, metadata: str | None = None) -> NewRecords:
    n = len(ids)
    return NewRecords(ids, np.arange(2 * n, dtype=np.float32).reshape(n, 2), [metadata] * n, [None] * n)


def add(records: SqliteRecords, *ids: str, metadata: str | None = None) -> int:
    """Add records to the default namespace, after those that are there."""
    [namespace] = records.namespaces()
    start, n = namespace.next_position, len(ids)
    with records.writing(records.seq + 1):
        return records.add(1, new(*ids, metadata=metadata), range(start, start + n), start + n)


def listed(records: SqliteRecords, prefix: str = "", seq: int | None = None) -> list[str]:
    seq = records.seq if seq is None else seq
    return [record.id for record in records.stretch(1, seq, prefix=prefix)]


def test_a_new_store_holds_the_default_namespace_and_nothing_else(records: SqliteRecords) -> None:
    assert [(one.name, one.next_position) for one in records.namespaces()] == [("", 0)]
    assert list(records.live()) == []
    assert records.seq == 0
    assert records.bytes() > 0


def test_rows_are_read_back_as_they_were_written(records: SqliteRecords) -> None:
    first = add(records, "a", "b", metadata='{"x":1}')
    assert records.texts([first, first + 1], metadata=True, data=True) == {
        first: Texts('{"x":1}', None),
        first + 1: Texts('{"x":1}', None),
    }
    assert records.texts([first, 999], metadata=False, data=True) == {first: Texts(None, None)}
    vectors = [np.frombuffer(one.vector, "<f4").tolist() for one in records.live()]
    assert vectors == [[0.0, 1.0], [2.0, 3.0]]


def test_metadata_is_read_in_order_with_none_for_what_is_not_there(records: SqliteRecords) -> None:
    with_some = [add(records, f"n{i}", metadata=f'{{"i":{i}}}') for i in range(40)]
    without = add(records, "without")
    assert records.metadata([]) == []
    assert records.metadata(with_some[:3]) == ['{"i":0}', '{"i":1}', '{"i":2}']
    assert records.metadata([with_some[0], with_some[39]]) == ['{"i":0}', '{"i":39}']  # far apart
    assert records.metadata([with_some[38], without, without + 1]) == ['{"i":38}', None, None]


def test_a_partial_decoder_gives_only_the_keys_asked_for() -> None:
    decode = partial_decoder(frozenset({"a", "", "class x"}))
    assert decode('{"b":[1,{"a":2}],"a":{"c":[null]},"":1.0}') == {"a": {"c": [None]}, "": 1.0}
    assert decode('{"b":1}') == {}
    assert partial_decoder(frozenset())('{"b":1}') == {}


def test_a_removed_row_is_seen_by_older_readers_until_it_is_purged(records: SqliteRecords) -> None:
    first = add(records, "a", "b")
    with records.writing(2):
        records.remove([first])
    assert listed(records) == ["b"]
    assert listed(records, seq=1) == ["a", "b"]
    assert [one.id for one in records.live()] == ["b"]
    assert first in records.texts([first], metadata=True, data=True)
    with records.writing(3):
        assert records.purge(1, 1, 10) == 0
    assert first in records.texts([first], metadata=True, data=True)
    with records.writing(4):
        assert records.purge(1, 2, 10) == 1
    assert first not in records.texts([first], metadata=True, data=True)
    assert listed(records, seq=1) == ["b"]


def test_a_row_number_is_never_used_twice(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path, SETTINGS)
    last = add(records, "a", "b") + 1
    with records.writing(2):
        records.empty_namespace(1)
    records.close()
    records = SqliteRecords(tmp_path, SETTINGS)
    assert add(records, "c") > last
    records.close()


def test_what_fails_inside_a_transaction_leaves_no_trace(records: SqliteRecords) -> None:
    add(records, "a")

    def fail_half_way() -> None:
        with records.writing(2):
            records.add(1, new("b"), [1], 2)
            records.add_namespace("ns")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert listed(records, seq=99) == ["a"]
    assert [one.next_position for one in records.namespaces()] == [1]
    assert records.seq == 1
    assert add(records, "c") == 2


def test_a_failing_store_is_a_storage_error_and_rolls_back(records: SqliteRecords) -> None:
    add(records, "a")
    records.file.connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.vectors WHEN NEW.row > 2"
        " BEGIN SELECT RAISE(ABORT, 'on fire'); END"
    )
    with pytest.raises(StorageError, match="on fire"):
        add(records, "b", "c")
    assert listed(records, seq=99) == ["a"]
    records.file.connection.execute("DROP TRIGGER broken")
    add(records, "b", "c")
    assert listed(records) == ["a", "b", "c"]


def test_a_full_disk_says_so(records: SqliteRecords) -> None:
    [(pages,)] = records.file.connection.execute("PRAGMA page_count")
    records.file.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="disk is full"):
        add(records, *map(str, range(5_000)))
    assert listed(records, seq=99) == []


def test_a_prefix_is_compared_by_code_points(records: SqliteRecords) -> None:
    names = [
        "a",
        "a\0b",
        "a\0c",
        "aé",
        "é",
        "\ud7ff",
        "\ud7ffx",
        "\ue000",
        "\U0010ffff",
        "\U0010ffff!",
        "a%",
        "A",
        "",
    ]
    add(records, *names)
    for prefix in (*names, "\0", "b", "a\0"):
        assert listed(records, prefix) == [name for name in names if name.startswith(prefix)]


def test_a_prefix_of_very_many_ids_gives_the_first_in_order_of_insertion(records: SqliteRecords) -> None:
    names = [f"n{(i * 7919) % 20_011}" for i in range(PREFIX_SORT_MAX + 500)]
    add(records, *names)
    found = records.stretch(1, records.seq, start=100, prefix="n", limit=50)
    assert [record.id for record in found] == names[100:150]


def test_readers_see_a_whole_write_or_nothing_of_it(records: SqliteRecords) -> None:
    names = [str(i) for i in range(CHUNK_ROWS * 3)]
    sizes: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            sizes.add(len(records.stretch(1, records.seq)))

    reader = threading.Thread(target=read)
    reader.start()
    add(records, *names)
    add(records, *names)
    stop.set()
    reader.join()
    assert sizes <= {0, len(names), 2 * len(names)}


def test_settings_are_those_of_the_directory(tmp_path: Path) -> None:
    SqliteRecords(tmp_path, IndexSettings(None, Metric.EUCLIDEAN)).close()
    records = SqliteRecords(tmp_path, SETTINGS)
    assert records.settings == IndexSettings(None, Metric.EUCLIDEAN)
    with records.writing(1):
        records.fix_dimension(7)
    records.close()
    records = SqliteRecords(tmp_path, SETTINGS)
    assert records.settings.dimension == 7
    records.close()


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / RECORDS_FILE
    file.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(Corruption, match=RECORDS_FILE):
        SqliteRecords(tmp_path, SETTINGS)
    file.unlink()
    other = apsw.Connection(str(file))
    other.execute("CREATE TABLE recipes (name)")
    other.close()
    with pytest.raises(Corruption, match="another SQLite database"):
        SqliteRecords(tmp_path, SETTINGS)


@pytest.mark.parametrize("version", [0, 99])
@pytest.mark.parametrize("read_only", [True, False])
def test_another_format_is_refused(version: int, read_only: bool, tmp_path: Path) -> None:
    SqliteRecords(tmp_path, SETTINGS).close()
    file = apsw.Connection(str(tmp_path / RECORDS_FILE))
    file.execute(f"PRAGMA user_version = {version}")
    file.close()
    with pytest.raises(StorageError, match=f"format version {version}, and this program knows version 1"):
        SqliteRecords(tmp_path, SETTINGS, read_only=read_only)


def test_metadata_keeps_order_numbers_and_unicode() -> None:
    metadata = {"z": 1, "a": [1.5, 10**30, True, None, "é\0𝄞"], "m": {"y": -0.0, "b": {}}}
    text = encode_metadata("id", metadata)
    assert text is not None
    assert "é" in text
    assert repr(decode_metadata(text)) == repr(metadata)
    assert encode_metadata("id", None) is None


LOOP: dict[str, object] = {}
LOOP["self"] = LOOP


NO_JSON: list[Any] = [
    {"a": float("nan")},
    {"a": [float("inf")]},
    {"a": {1, 2}},
    {"a": object()},
    {"a": "\ud800"},
    {"\udfff": 1},
    LOOP,
    [1],
    "text",
]


@pytest.mark.parametrize("metadata", NO_JSON)
def test_metadata_that_json_cannot_hold_is_refused_by_id(metadata: Any) -> None:
    with pytest.raises(ClientError, match="metadata of id 'seven'"):
        encode_metadata("seven", metadata)


def test_removed_rows_are_read_until_they_are_purged(records: SqliteRecords) -> None:
    first = add(records, "a", "b", "c")
    for seq, row in ((2, first + 1), (3, first)):
        with records.writing(seq):
            records.remove([row])
    assert [(one.id, one.deleted_seq) for one in records.removed(1, 0, 3)] == [("a", 3), ("b", 2)]
    assert [one.id for one in records.removed(1, 2, 3)] == ["a"]
    assert [one.id for one in records.removed(1, 0, 2)] == ["b"]
    assert records.removed_count(1, 0, first + 1) == 1
    assert records.removed_count(1, 2, first) == 0
    assert records.removed_bytes(1, 0, 3) == 2 * (8 + 1)
    for seq, limit in ((4, 1), (5, 9)):
        with records.writing(seq):
            assert records.purge(1, 3, limit) == 1
    assert records.removed(1, 0, 3) == []
    assert records.namespaces()[0].purged_seq == 3


def test_the_log_is_checkpointed_by_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.engine.checkpointer.CHECKPOINT_BYTES", 1 << 16)
    records = SqliteRecords(tmp_path, SETTINGS)
    before = (tmp_path / RECORDS_FILE).stat().st_size
    add(records, *map(str, range(2000)))
    until = time.monotonic() + 10
    while (tmp_path / RECORDS_FILE).stat().st_size == before and time.monotonic() < until:
        time.sleep(0.01)
    assert (tmp_path / RECORDS_FILE).stat().st_size > before
    records.close()
    assert not [one for one in threading.enumerate() if one.name == "clew-checkpoint"]


def test_the_log_of_many_small_writes_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.engine.checkpointer.CHECKPOINT_BYTES", 1 << 18)
    monkeypatch.setattr("clew.engine.checkpointer.RESTART_BYTES", 1 << 20)
    records = SqliteRecords(tmp_path, SETTINGS)
    reader = SqliteRecords(tmp_path, SETTINGS, read_only=True)
    for i in range(60):
        add(records, f"held{i}")
    held = (tmp_path / f"{RECORDS_FILE}-wal").stat().st_size
    assert held > 1 << 20
    reader.close()
    checkpointer = records.file._checkpointer
    assert checkpointer is not None
    until = time.monotonic() + 10
    while checkpointer._bytes > 1 << 19 and time.monotonic() < until:
        add(records, f"n{records.seq}")
    assert checkpointer._bytes <= 1 << 19
    records.close()
