"""What can be imported: arrays, tables, lines, and servers."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clew import Index
from clew.tools import arrays, jsonl, parquet, server
from clew.tools.importing import Imported, import_into
from clew.tools.parquet import Columns
from clew.tools.server import ServerSource
from clew.tools.sources import SourceOptions, open_source
from held import held, served
from opening import TOKEN
from vectors import clustered


def imported(file: Path, to: Path, asked: SourceOptions | None = None, **options: Any) -> Imported:
    with closing(open_source(str(file), asked)) as source:
        return import_into(to, source, **options)


def records(directory: Path, namespace: str = "") -> list[Any]:
    with Index(directory) as index:
        return dict(held(index)["namespaces"])[namespace]


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int32", "uint8", ">f4"])
def test_rows_of_a_npy_file_are_named_by_their_number(kind: str, tmp_path: Path) -> None:
    vectors = np.arange(12).reshape(4, 3).astype(kind)
    np.save(tmp_path / "v.npy", vectors)
    assert imported(tmp_path / "v.npy", tmp_path / "to") == Imported(records=4, held=4)
    assert [(id, vector) for id, vector, *_ in records(tmp_path / "to")] == [
        (str(i), row.tolist()) for i, row in enumerate(vectors.astype(np.float32))
    ]


@pytest.mark.parametrize("ids", [np.array(["ä", "b"]), np.array([7, 2**60])])
@pytest.mark.parametrize("name", ["vectors", "anything"])
def test_a_npz_file_may_name_its_rows(ids: Any, name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", **{name: np.eye(2), "ids": ids})
    imported(tmp_path / "v.npz", tmp_path / "to")
    assert [id for id, *_ in records(tmp_path / "to")] == [str(id) for id in ids.tolist()]


@pytest.mark.parametrize(
    ("distance", "metric"),
    [("angular", "COSINE"), ("euclidean", "EUCLIDEAN"), ("dot", "DOT_PRODUCT"), (None, "COSINE")],
)
def test_a_file_of_ann_benchmarks_says_its_metric(distance: str | None, metric: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.hdf5", "w") as file:
        if distance:
            file.attrs["distance"] = distance
        file["train"], file["test"] = np.eye(3), np.ones((1, 3))
    imported(tmp_path / "v.hdf5", tmp_path / "to")
    imported(tmp_path / "v.hdf5", tmp_path / "tests", SourceOptions(dataset="test"))
    with Index(tmp_path / "to") as index:
        assert (index.info().similarity_function, index.info().vector_count) == (metric, 3)
    assert len(records(tmp_path / "tests")) == 1


def test_what_is_asked_for_wins_over_what_a_file_says_of_its_metric(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"] = np.eye(3)
    from clew import Metric

    imported(tmp_path / "v.hdf5", tmp_path / "to", metric=Metric.EUCLIDEAN)
    with Index(tmp_path / "to") as index:
        assert index.info().similarity_function == "EUCLIDEAN"


def test_columns_of_a_table_become_fields_of_the_metadata(tmp_path: Path) -> None:
    table = pa.table(
        {
            "key": [1, 2],
            "emb": [[1.0, 0.0], [0.0, 1.0]],
            "title": ["one", None],
            "year": [1999, 2001],
            "left": [0, 0],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    columns = Columns(id="key", vector="emb", metadata=("title", "year"))
    imported(tmp_path / "t.parquet", tmp_path / "to", SourceOptions(columns=columns))
    assert records(tmp_path / "to") == [
        ("1", [1.0, 0.0], None, {"title": "one", "year": 1999}, None),
        ("2", [0.0, 1.0], None, {"year": 2001}, None),
    ]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float16()), pa.list_(pa.int8(), 2)]
)
def test_a_table_may_hold_vectors_as_any_lists_and_metadata_as_structs(kind: Any, tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["a", "b"],
            "vector": pa.array([[1, 0], [0, 1]], pa.list_(pa.int8())).cast(kind),
            "metadata": [{"n": 1}, None],
            "data": ["text", None],
            "namespace": ["x", None],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    imported(tmp_path / "t.parquet", tmp_path / "to")
    assert records(tmp_path / "to", "x") == [("a", [1.0, 0.0], None, {"n": 1}, "text")]
    assert records(tmp_path / "to") == [("b", [0.0, 1.0], None, None, None)]


def test_lines_may_come_without_a_header_and_with_empty_lines(tmp_path: Path) -> None:
    lines = [
        {"id": 1, "vector": [1, 0.1], "metadata": {"n": 1}},
        {"id": "b", "vector": [0, 1], "data": "ü", "namespace": "x"},
    ]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, lines)), "utf-8")
    imported(tmp_path / "t.jsonl", tmp_path / "to")
    assert records(tmp_path / "to") == [("1", [1.0, 0.1], None, {"n": 1}, None)]
    assert records(tmp_path / "to", "x") == [("b", [0.0, 1.0], None, None, "ü")]


def test_records_that_say_no_namespace_go_where_they_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(2))
    imported(tmp_path / "v.npy", tmp_path / "to", namespace="n")
    assert len(records(tmp_path / "to", "n")) == 2


def test_records_of_interleaved_namespaces_keep_their_order(tmp_path: Path) -> None:
    lines = [{"id": str(i), "vector": [1, i], "namespace": "ab"[i % 2]} for i in range(6)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    imported(tmp_path / "t.jsonl", tmp_path / "to")
    assert [id for id, *_ in records(tmp_path / "to", "a")] == ["0", "2", "4"]


def test_importing_adds_to_what_is_there_and_replaces_what_has_the_same_id(tmp_path: Path) -> None:
    with Index(tmp_path / "to") as index:
        index.upsert([("0", [5.0, 5.0], {"old": True}), ("kept", [1.0, 1.0])])
    np.save(tmp_path / "v.npy", np.eye(2))
    assert imported(tmp_path / "v.npy", tmp_path / "to") == Imported(records=2, held=3)
    assert records(tmp_path / "to")[0] == ("0", [1.0, 0.0], None, None, None)


@pytest.mark.parametrize("page", [7, 1000])
def test_a_server_is_moved_whole(page: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ROWS_PER_STRETCH", 20)
    Index(tmp_path / "from", similarity_function="EUCLIDEAN").close()
    with served(tmp_path / "from") as (url, there):
        vectors = clustered(50, 4, seed=1)
        there.upsert_arrays(
            [f"id{i}" for i in range(50)], vectors, metadata=[{"i": i} if i % 2 else None for i in range(50)]
        )
        there.upsert([("x", [1, 2, 3, 4], None, "text")], namespace="b c/ü")
        there.upsert([("x", [1, 2, 3, 4])], namespace="empty")
        there.delete("x", namespace="empty")
        with closing(ServerSource(url, TOKEN, page=page)) as source:
            assert import_into(tmp_path / "to", source) == Imported(records=51, held=51)
        with Index(tmp_path / "to") as index:
            assert held(index) == held(there)


def test_stretches_of_every_source_begin_where_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From each place on, a source gives what it gave after that place the first time."""
    for module in (arrays, jsonl, parquet):
        monkeypatch.setattr(module, "ROWS_PER_STRETCH", 40)
    n = 220
    np.save(tmp_path / "v.npy", np.arange(2 * n).reshape(n, 2))
    imported(tmp_path / "v.npy", tmp_path / "a")
    from clew.tools.exporting import export_to

    for form in ("parquet", "jsonl"):
        export_to(tmp_path / "a", tmp_path / f"a.{form}", form)
    for file in ("v.npy", "a.parquet", "a.jsonl"):
        with closing(open_source(str(tmp_path / file))) as source:
            whole = [(list(map(str, part.ids)), part.next) for part in source.stretches(None)]
            assert len(whole) == 6
            assert [id for ids, _ in whole for id in ids] == list(map(str, range(n)))
            for i, (_, place) in enumerate(whole):
                again = [list(map(str, part.ids)) for part in source.stretches(place)]
                assert [id for ids in again for id in ids] == [id for ids, _ in whole[i + 1 :] for id in ids]
