"""What cannot be imported or exported is refused with a message that names file, row and column."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clew import ClewError, Index, StorageError
from clew.tools.backup import backup
from clew.tools.exporting import export_to
from clew.tools.importing import import_into
from clew.tools.parquet import Columns
from clew.tools.sources import SourceOptions, open_source

NAN, INF = float("nan"), float("inf")


def write(path: Path, content: Any) -> None:
    """A file of the kind that its ending says."""
    kind = path.suffix
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif kind == ".npy":
        np.save(path, content)
    elif kind == ".npz":
        np.savez(path, **content)
    elif kind == ".parquet":
        pq.write_table(pa.table(content), path)
    elif kind == ".hdf5":
        with h5py.File(path, "w") as file:
            file.attrs["distance"] = content.pop("distance", "angular")
            for name, values in content.items():
                file[name] = values
    else:
        lines = [line if isinstance(line, str) else json.dumps(line) for line in content]
        path.write_text("\n".join(lines))


def table(**columns: Any) -> dict[str, Any]:
    return {"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]], **columns}


def line(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "vector": [1.0, 2.0], **fields}


ROW_3 = [[1.0, 2.0]] * 3
REFUSED: list[tuple[str, Any, str]] = [
    ("f.npy", [*ROW_3, [1.0, NAN]], "row 3: [1] is nan; expected a finite number in float32"),
    ("f.npy", [*ROW_3, [1e39, 1.0]], "row 3: [0] is 1e+39; expected a finite number"),
    ("f.npy", [1.0, 2.0], "has shape (2,); expected (rows, dimension)"),
    ("f.npy", [["a"]], "holds <U1; expected numbers"),
    ("f.npy", b"nothing of the kind", "cannot be read as .npy"),
    ("f.npz", b"nothing of the kind", "cannot be read as .npz"),
    ("f.npz", {"a": np.eye(2), "b": np.eye(2)}, "holds 'a', 'b'; expected an array 'vectors'"),
    ("f.npz", {"vectors": np.eye(2), "ids": ["a"]}, "'vectors' has 2 rows; ids has 1"),
    ("f.npz", {"vectors": np.eye(2), "ids": [0.5, 1]}, "'ids' is float64 of shape (2,); expected text"),
    ("f.npz", {"vectors": np.eye(2), "ids": np.array([1, "a"], object)}, "'ids' holds Python objects"),
    ("f.hdf5", b"nothing of the kind", "is no HDF5 file"),
    ("f.hdf5", {"test": np.eye(2)}, "holds 'test'; expected 'train', or name one with --dataset"),
    ("f.hdf5", {"train": np.eye(2), "distance": "jaccard"}, "is for distance 'jaccard'; expected one of"),
    ("f.hdf5", {"train": [*ROW_3, [INF, 0]]}, "'train', row 3: [0] is inf"),
    ("f.parquet", b"nothing of the kind", "is no Parquet file"),
    ("f.parquet", {"vector": ROW_3}, "no column 'id'; name one with --id-column (its columns: vector)"),
    ("f.parquet", {"id": ["a"]}, "no column 'vector'; name one with --vector-column (its columns: id)"),
    ("f.parquet", table(title=["x", "y"]), "the column 'title', which a record does not have"),
    ("f.parquet", table(id=[0.5, 1.5]), "double in column 'id'; expected text or integers"),
    ("f.parquet", table(vector=["a", "b"]), "string in column 'vector'; expected lists of numbers"),
    ("f.parquet", table(vector=[["a"], ["b"]]), "'vector' holds object; expected numbers"),
    ("f.parquet", table(data=[1, 2]), "int64 in column 'data'; expected text"),
    ("f.parquet", table(id=["a", None]), "row 1: 'id' is null"),
    ("f.parquet", table(vector=[[1.0], None]), "row 1: 'vector' is null"),
    ("f.parquet", table(vector=[[1.0, 2.0], [1.0]]), "'vector', row 1: 1 dimensions; expected 2"),
    ("f.parquet", table(vector=[[], []]), "row 0: 0 dimensions; expected at least 1"),
    ("f.parquet", table(vector=[[1.0, 2.0], [NAN, 1.0]]), "'vector', row 1: [0] is nan"),
    ("f.parquet", table(vector=[[1.0, 2.0], [None, 1.0]]), "'vector', row 1: [0] is nan"),
    ("f.parquet", table(metadata=["{}", "{"]), "row 1: 'metadata' is no JSON object"),
    ("f.parquet", table(metadata=["{}", "[1]"]), "row 1: 'metadata' is no JSON object"),
    ("f.parquet", table(metadata=[{"n": 1.0}, {"n": NAN}]), "row 1: metadata['n'] is nan"),
    ("f.jsonl", [line(), '{"id": "b", "vector": [NaN, 1]}'], "line 2: JSON is malformed"),
    ("f.jsonl", [line(), line(vector=[1e39, 1])], "line 2: [0] is 1e+39"),
    ("f.jsonl", [line(), line(vector=[1])], "line 2: a vector of 1 dimensions; expected 2"),
    ("f.jsonl", [line(), {"id": "b"}], "line 2: no vector; expected the vectors of a DENSE index"),
    ("f.jsonl", [{"id": "b"}], "line 1: no vector; expected the vectors of a DENSE index"),
    (
        "f.jsonl",
        [line(), line(sparse_vector={"indices": [1], "values": [1]})],
        "line 2: the vectors of a HYBRID index; expected the vectors of a DENSE index",
    ),
    (
        "f.jsonl",
        [{"id": "a", "sparse_vector": {"indices": [1, 2], "values": [1]}}],
        "sparse_vector of id 'a' has 2 indices and 1 values",
    ),
    (
        "f.parquet",
        {"id": ["a", "b"], "sparse_indices": [[1], [1]], "sparse_values": [[1.0], []]},
        "row 1: 'sparse_indices' and 'sparse_values'; expected as many indices as values",
    ),
    ("f.jsonl", [line(), line(id=None)], "line 2: Expected `int | str`, got `null` - at `$.id`"),
    ("f.jsonl", [line(), line(title="x")], "line 2: Object contains unknown field `title`"),
    ("f.jsonl", [line(metadata=[1])], "line 1: Expected `object | null`, got `array` - at `$.metadata`"),
    ("f.jsonl", [line(), line(metadata={"n": 2**70})], "line 2: metadata['n'] is"),
    ("f.jsonl", [line(), line(data="x" * 1_100_000)], "data of id 'a' has 1100000 bytes, at most 1048576"),
    ("f.jsonl", ['{"clew": {"format": 9}}'], "line 1 is an export of format 9; expected 1"),
    ("f.jsonl", ['{"clew": {"format": 1}}'], "line 1 is not what an export says of its index"),
    ("f.jsonl", b"\xff\xfe", "line 1: "),
    ("f.csv", b"a,b", "is no URL, and does not end in .parquet, .jsonl"),
]


@pytest.mark.parametrize(("name", "content", "message"), REFUSED)
def test_what_cannot_be_imported_is_refused(name: str, content: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / name
    write(file, content)
    with pytest.raises(ClewError) as refused, closing(open_source(str(file))) as source:
        import_into(tmp_path / "to", source)
    assert str(file) in str(refused.value)
    assert message in str(refused.value)


def test_a_refused_import_can_be_mended_and_run_again(tmp_path: Path) -> None:
    for number in (NAN, 0.0):
        write(tmp_path / "f.npy", [*ROW_3, [1.0, number]])
        source = open_source(str(tmp_path / "f.npy"))
        if number != 0:
            with pytest.raises(ClewError, match="row 3"):
                import_into(tmp_path / "to", source)
        else:
            assert import_into(tmp_path / "to", source).records == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimension": 3}, r"f\.npy does not fit: .*to holds vectors of 3 dimensions, not 2"),
    ],
)
def test_an_index_of_another_kind_is_left_as_it_was(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    Index(tmp_path / "to", **settings).close()
    write(tmp_path / "f.npy", ROW_3)
    with pytest.raises(ClewError, match=message):
        import_into(tmp_path / "to", open_source(str(tmp_path / "f.npy")))
    with Index(tmp_path / "to") as index:
        assert index.info().vector_count == 0


def test_an_index_of_another_metric_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Index(tmp_path / "to", similarity_function="DOT_PRODUCT").close()
    write(tmp_path / "f.hdf5", {"train": np.eye(2), "distance": "euclidean"})
    message = "created with DOT_PRODUCT, not EUCLIDEAN; --similarity-function says which to use"
    with closing(open_source(str(tmp_path / "f.hdf5"))) as source, pytest.raises(ClewError, match=message):
        import_into(tmp_path / "to", source)


def test_namespaces_are_not_thrown_together(tmp_path: Path) -> None:
    write(tmp_path / "f.jsonl", [line(), line(namespace="x")])
    with pytest.raises(ClewError, match=r"line 2 is in namespace 'x', so --namespace 'y' cannot hold"):
        import_into(tmp_path / "to", open_source(str(tmp_path / "f.jsonl")), namespace="y")
    with Index(tmp_path / "a") as index:
        index.upsert([("a", [1.0])], namespace="x")
    export_to(tmp_path / "a", tmp_path / "a.jsonl", "jsonl")
    with pytest.raises(ClewError, match="has namespaces of its own, so --namespace 'y' cannot hold"):
        import_into(tmp_path / "b", open_source(str(tmp_path / "a.jsonl")), namespace="y")
    assert not (tmp_path / "b").exists()


def test_a_column_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    write(tmp_path / "f.parquet", table())
    with pytest.raises(ClewError, match="no column 'year', which --metadata-columns names"):
        open_source(str(tmp_path / "f.parquet"), SourceOptions(columns=Columns(metadata=("year",))))


@pytest.mark.parametrize(("name", "module"), [("f.parquet", "pyarrow.parquet"), ("f.hdf5", "h5py")])
def test_what_is_not_installed_is_named_with_how_to_install_it(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / name, table() if name == "f.parquet" else {"train": np.eye(2)})
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ClewError) as refused:
        open_source(str(tmp_path / name))
    assert str(refused.value) == (f"{module} is missing to read {tmp_path / name}: pip install 'clew[tools]'")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClewError, match=r"no file nowhere\.npy"):
        open_source("nowhere.npy")


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.backends.remote.time.sleep", lambda seconds: None)
    with pytest.raises(ClewError, match=r"http://127\.0\.0\.1:9/x: "):
        open_source("http://127.0.0.1:9/x", SourceOptions(token="t"))


def test_an_export_replaces_no_file(tmp_path: Path) -> None:
    Index(tmp_path / "a").close()
    (tmp_path / "f.jsonl").write_text("precious")
    with pytest.raises(ClewError, match="exists already: remove it, or name another with --output"):
        export_to(tmp_path / "a", tmp_path / "f.jsonl", "jsonl")
    assert (tmp_path / "f.jsonl").read_text() == "precious"


@pytest.mark.parametrize("there", [True, False])
def test_an_export_needs_an_index(there: bool, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    if there:
        (tmp_path / "a" / "clew.sqlite").write_text("nothing of the kind" * 100)
    with pytest.raises(ClewError, match="not a database" if there else "holds no index"):
        export_to(tmp_path / "a", tmp_path / "f.jsonl", "jsonl")
    assert not (tmp_path / "f.jsonl.unfinished").exists()


def test_an_import_that_a_bad_record_stopped_says_what_is_there_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tools.jsonl.ROWS_PER_STRETCH", 4)
    records = [line(id=f"n{i}") for i in range(11)]
    good = records[9]
    records[9] = line(id="n9", vector=[1.0, 2.0, 3.0])
    write(tmp_path / "f.jsonl", records)
    told = "line 10.*; 8 records before it are in .*to: mend it, and import again with --restart"
    for restart in (False, False, True):
        with closing(open_source(str(tmp_path / "f.jsonl"), SourceOptions())) as source:  # noqa: SIM117
            with pytest.raises(ClewError, match=told):
                import_into(tmp_path / "to", source, restart=restart)
    records[9] = good
    write(tmp_path / "f.jsonl", records)
    with closing(open_source(str(tmp_path / "f.jsonl"), SourceOptions())) as source:
        assert import_into(tmp_path / "to", source, restart=True).held == 11
    write(tmp_path / "g.jsonl", [line(), line(id="b", vector=[1.0])])
    with closing(open_source(str(tmp_path / "g.jsonl"), SourceOptions())) as source:  # noqa: SIM117
        with pytest.raises(ClewError, match="line 2.*; nothing was imported: mend it, and import again"):
            import_into(tmp_path / "other", source)


def test_an_import_that_got_nowhere_leaves_no_directory_whose_dimension_is_that_of_the_mistake(
    tmp_path: Path,
) -> None:
    write(tmp_path / "f.jsonl", [line(vector=[1.0, 2.0]), line(id="b", vector=[1.0, 2.0, 3.0])])
    with closing(open_source(str(tmp_path / "f.jsonl"), SourceOptions())) as source:  # noqa: SIM117
        with pytest.raises(ClewError, match="nothing was imported"):
            import_into(tmp_path / "to", source)
    assert not (tmp_path / "to").exists()
    write(tmp_path / "f.jsonl", [line(vector=[1.0, 2.0, 3.0])])
    with closing(open_source(str(tmp_path / "f.jsonl"), SourceOptions())) as source:
        assert import_into(tmp_path / "to", source).held == 1


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file grows beyond 64 KiB meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def index_of_128_kib(tmp_path: Path) -> Path:
    with Index(tmp_path / "index", durability="normal") as index:
        index.upsert_arrays(range(500), np.ones((500, 64), np.float32))
    return tmp_path / "index"


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_an_export_that_the_disk_refuses_names_the_file_and_goes_on_once_there_is_room(
    form: str, index_of_128_kib: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / f"f.{form}"
    request.getfixturevalue("small_disk")
    with pytest.raises(StorageError, match=f"{file} cannot be written: .*; {file}.unfinished holds what"):
        export_to(index_of_128_kib, file, form)
    assert not file.exists()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    assert export_to(index_of_128_kib, file, form) == 500


def test_a_backup_that_the_disk_refuses_names_the_copy_and_leaves_nothing_of_it(
    index_of_128_kib: Path, tmp_path: Path, small_disk: None
) -> None:
    with pytest.raises(StorageError, match=r"copy\.unfinished"):
        backup(index_of_128_kib, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
