from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clew.commands import (
    Command,
    Delete,
    DeleteNamespace,
    Fetch,
    Info,
    ListNamespaces,
    Query,
    QueryArrays,
    QueryMany,
    Range,
    Record,
    RenameNamespace,
    Reset,
    Update,
    Upsert,
    UpsertArrays,
)
from clew.engine.engine import Engine
from clew.errors import (
    ClientError,
    DimensionMismatch,
    InvalidFilter,
    NamespaceNotFound,
    Poisoned,
    StorageError,
)
from clew.types import MetadataUpdateMode, Metric, SparseVector
from engine_calls import ALL, ids, start, upsert, vector

SPARSE = SparseVector([1], [1.0])
V = vector(1.0, 0.0)
NO_TEXT: Any = 7
PAIR = np.eye(2, dtype=np.float32)


@pytest.fixture
def two(engine: Engine) -> Engine:
    upsert(engine, ("a", [1.0, 0.0], {"v": 1}, "text"), ("b", [0.0, 1.0]))
    upsert(engine, ("c", [1.0, 1.0]), namespace="ns")
    return engine


def state(engine: Engine) -> Any:
    """Everything that can be seen of a small index."""
    names = engine.execute(ListNamespaces())
    return [(name, engine.execute(Range(limit=1000, include=ALL, namespace=name))) for name in names]


REFUSED: list[tuple[Command[Any], type[ClientError], str]] = [
    (Upsert((Record("x", vector(1.0)),)), DimensionMismatch, "Invalid vector dimension: 1, expected: 2"),
    (Upsert((Record("x", V), Record("y"))), ClientError, "This index requires dense vectors"),
    (Upsert((Record("x", data="text"),)), ClientError, "Embedding data for this index is not allowed"),
    (Upsert((Record("x", sparse_vector=SPARSE),)), ClientError, "This index requires dense vectors"),
    (Upsert((Record("x", V, SPARSE),)), ClientError, "This index does not support sparse vectors"),
    (
        Upsert((Record("x", V), Record("y", V, metadata={"v": float("nan")}))),
        ClientError,
        "metadata of id 'y'",
    ),
    (Upsert((Record("x\ud800", V),)), ClientError, "id is not valid unicode"),
    (Upsert((Record("x", V, data="\udfff"),)), ClientError, "data is not valid unicode"),
    (Upsert((Record(NO_TEXT, V),)), ClientError, "id must be a string, got int"),
    (Upsert((Record("x", V),), "\ud800"), ClientError, "namespace is not valid unicode"),
    (UpsertArrays(("x",), PAIR), ClientError, "1 ids need vectors of shape"),
    (UpsertArrays(("x", "y"), PAIR, ({},)), ClientError, "2 ids need"),
    (UpsertArrays(("x",), np.ones((1, 3), np.float32)), DimensionMismatch, "dimension: 3, expected: 2"),
    (Update(Record("a", vector(1.0))), DimensionMismatch, "Invalid vector dimension: 1, expected: 2"),
    (Update(Record("a", sparse_vector=SPARSE)), ClientError, "does not support sparse vectors"),
    (Update(Record("a", metadata={"v": {1}})), ClientError, "metadata of id 'a'"),
    (Update(Record("a", data="\ud800")), ClientError, "data is not valid unicode"),
    (Query(), ClientError, "This index requires dense vectors"),
    (Query(sparse_vector=SPARSE), ClientError, "This index requires dense vectors"),
    (Query(V, SPARSE), ClientError, "This index does not support sparse vectors"),
    (Query(data="text"), ClientError, "Embedding data for this index is not allowed. The index must be"),
    (Query(vector(1.0)), DimensionMismatch, "Invalid vector dimension: 1, expected: 2"),
    (Query(V, top_k=0), ClientError, "top_k must be an integer from 1 to 1000, got 0"),
    (Query(V, top_k=1001), ClientError, "top_k"),
    (Query(V, filter="v = "), InvalidFilter, "Invalid filter"),
    (Query(V, filter="v = ", namespace="none"), InvalidFilter, "Invalid filter"),
    (QueryMany((Query(V), Query(V, top_k=-1))), ClientError, "top_k"),
    (QueryArrays(V), ClientError, "shape"),
    (QueryArrays(np.ones((2, 3), np.float32)), DimensionMismatch, "dimension: 3"),
    (QueryArrays(PAIR, top_k=0), ClientError, "top_k"),
    (Fetch(), ClientError, "Only one of ids or prefix must be provided."),
    (Fetch(ids=("a",), prefix="a"), ClientError, "Only one of ids or prefix must be provided."),
    (Fetch(ids=("a",) * 1001), ClientError, "at most 1000"),
    (Fetch(prefix="\ud800"), ClientError, "prefix is not valid unicode"),
    (Delete(), ClientError, "Only and only one of the ids, prefix, or filter must be provided."),
    (Delete(ids=("a",), filter="v = 1"), ClientError, "Only and only one"),
    (Delete(filter=" "), ClientError, "Only and only one"),
    (Delete(filter="v ="), InvalidFilter, "Invalid filter"),
    (Delete(prefix="\ud800"), ClientError, "prefix is not valid unicode"),
    (Range(limit=0), ClientError, "limit"),
    (Range(limit=1001), ClientError, "limit"),
    (Range(cursor="next"), ClientError, "cursor must be a decimal number"),
    (Range(cursor="9" * 40), ClientError, "cursor must be a decimal number"),
    (DeleteNamespace(""), ClientError, "The default namespace cannot be deleted"),
    (DeleteNamespace("none"), NamespaceNotFound, "Namespace none for the index .* does not exist"),
    (RenameNamespace("", "new"), ClientError, "The default namespace cannot be renamed"),
    (RenameNamespace("ns", ""), ClientError, "default namespace"),
    (RenameNamespace("none", "new"), NamespaceNotFound, "Namespace none for the index"),
    (RenameNamespace("ns", "ns", True), ClientError, "Namespace ns already exists"),
    (RenameNamespace("ns", "\ud800"), ClientError, "not valid unicode"),
]


@pytest.mark.parametrize(("command", "error", "text"), REFUSED)
def test_what_is_wrong_is_named_and_changes_nothing(
    two: Engine, command: Command[Any], error: type[ClientError], text: str
) -> None:
    before = state(two)
    with pytest.raises(error, match=text):
        two.execute(command)
    assert state(two) == before


def test_the_first_upsert_decides_the_dimension(make_engine: Any) -> None:
    engine = make_engine()
    assert engine.execute(Info()).dimension == 0
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 2, expected: 1"):
        engine.execute(Upsert((Record("a", vector(1.0)), Record("b", V))))
    with pytest.raises(DimensionMismatch, match="Invalid vector dimension: 0, expected: at least 1"):
        engine.execute(Upsert((Record("a", vector()),)))
    assert engine.execute(Info()).dimension == 0
    upsert(engine, ("a", [1.0, 2.0, 3.0]), namespace="ns")
    info = engine.execute(Info())
    assert (info.dimension, info.vector_count, list(info.namespaces)) == (3, 1, ["", "ns"])
    assert ids(engine, 1.0, 2.0, 3.0) == []


def test_a_failed_first_upsert_decides_nothing(make_engine: Any) -> None:
    engine = make_engine()
    engine._catalog.records.file.connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.vectors BEGIN SELECT RAISE(ABORT, 'on fire'); END"
    )
    with pytest.raises(StorageError):
        upsert(engine, ("a", [1.0, 2.0, 3.0]), namespace="ns")
    engine._catalog.records.file.connection.execute("DROP TRIGGER broken")
    assert engine.execute(ListNamespaces()) == [""]
    upsert(engine, ("a", [1.0]))
    assert ids(engine, 1.0) == ["a"]


def test_a_failing_write_leaves_the_index_as_it_was_and_usable(two: Engine) -> None:
    records: Any = two._catalog.records
    before = state(two)
    records.file.connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.vectors BEGIN SELECT RAISE(ABORT, 'on fire'); END"
    )
    for command in (Upsert((Record("a", V), Record("z", V))), Update(Record("a", metadata={}))):
        with pytest.raises(StorageError, match="on fire"):
            two.execute(command)
    assert state(two) == before
    assert ids(two, 1.0, 0.0) == ["a", "b"]
    records.file.connection.execute("DROP TRIGGER broken")
    upsert(two, ("z", [1.0, 0.1]))
    assert ids(two, 1.0, 0.0) == ["a", "z", "b"]


def test_a_write_that_fails_after_its_commit_poisons_the_index(
    two: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr("clew.engine.namespace.Generation.apply", fail)
        with pytest.raises(MemoryError):
            upsert(two, ("z", [1.0, 0.1]))
    with pytest.raises(Poisoned, match="open it again"):
        upsert(two, ("y", [1.0, 0.1]))
    assert ids(two, 1.0, 0.0) == ["a", "b"]


def test_update_changes_what_is_given(two: Engine) -> None:
    def record() -> Any:
        return two.execute(Fetch(ids=("a",), include=ALL))[0]

    assert two.execute(Update(Record("none", V))).updated == 0
    assert two.execute(Update(Record("a", V), namespace="none")).updated == 0
    assert two.execute(Update(Record("a"))).updated == 1
    two.execute(Update(Record("a", vector(0.5, 0.5))))
    assert (record().vector, record().metadata, record().data) == ([0.5, 0.5], {"v": 1}, "text")
    patch = {"v": None, "w": {"x": 1, "y": None}}
    two.execute(Update(Record("a", metadata=patch), MetadataUpdateMode.PATCH))
    assert record().metadata == {"w": {"x": 1}}
    two.execute(Update(Record("b", metadata={"w": 1}), MetadataUpdateMode.PATCH))
    two.execute(Update(Record("a", metadata={"z": None}, data="new")))
    assert (record().metadata, record().data) == ({"z": None}, "new")
    two.execute(Update(Record("a", vector(1.0, 0.0)), MetadataUpdateMode.PATCH))
    assert record().metadata == {"z": None}
    assert ids(two, 1.0, 0.0, filter="w = 1") == ["b"]


def test_delete_counts_what_it_removed(two: Engine) -> None:
    upsert(two, *[(f"p{i}", [1.0, i], {"i": i}) for i in range(10)])
    assert two.execute(Delete(ids=("a", "a", "none"))).deleted == 1
    assert two.execute(Delete(ids=())).deleted == 0
    assert two.execute(Delete(ids=("a",))).deleted == 0
    assert two.execute(Delete(filter="i >= 8")).deleted == 2
    assert two.execute(Delete(prefix="p")).deleted == 8
    assert two.execute(Delete(prefix="p", namespace="none")).deleted == 0
    assert two.execute(Delete(prefix="")).deleted == 1
    assert two.execute(Info()).namespaces[""].vector_count == 0
    assert two.execute(ListNamespaces()) == ["", "ns"]


def test_a_range_walks_in_order_of_insertion(engine: Engine) -> None:
    names = [f"{'even' if i % 2 == 0 else 'odd'}-{i}" for i in range(20)]
    for name in names:
        upsert(engine, (name, [1.0]))
    upsert(engine, (names[0], [2.0]))  # keeps its place
    page = engine.execute(Range(limit=5))
    assert ([record.id for record in page.vectors], page.next_cursor) == (names[:5], "5")
    page = engine.execute(Range(cursor="5", limit=15))
    assert ([record.id for record in page.vectors], page.next_cursor) == (names[5:], "")
    page = engine.execute(Range(prefix="odd", limit=3))
    assert ([record.id for record in page.vectors], page.next_cursor) == (names[1:6:2], "6")
    engine.execute(Delete(ids=(names[5],)))
    assert engine.execute(Range(cursor="5", limit=1)).vectors[0].id == names[6]
    engine.execute(Reset())
    upsert(engine, ("new", [1.0]), ("newer", [1.0]))
    assert engine.execute(Range(limit=1)).next_cursor == "1"


def test_reset_empties_and_keeps_the_namespace(two: Engine) -> None:
    two.execute(Reset("none"))
    two.execute(Reset("ns"))
    assert two.execute(ListNamespaces()) == ["", "ns"]
    assert two.execute(Info()).vector_count == 2
    two.execute(Reset(all=True))
    assert two.execute(Info()).vector_count == 0
    upsert(two, ("a", [0.0, 1.0]))
    assert ids(two, 1.0, 0.0) == ["a"]


def test_namespaces_are_listed_in_order_of_creation(two: Engine) -> None:
    upsert(two, ("z", [1.0, 0.0]), namespace="a")
    assert two.execute(ListNamespaces()) == ["", "ns", "a"]
    two.execute(RenameNamespace("ns", "z"))
    assert two.execute(ListNamespaces()) == ["", "z", "a"]
    with pytest.raises(ClientError, match="Namespace a already exists"):
        two.execute(RenameNamespace("z", "a"))
    two.execute(RenameNamespace("z", "a", delete_existing=True))
    assert ids(two, 1.0, 0.0, namespace="a") == ["c"]
    assert two.execute(DeleteNamespace("a")) == "Success"
    assert two.execute(ListNamespaces()) == [""]
    assert ids(two, 1.0, 0.0, namespace="a") == []


def test_nothing_but_an_upsert_makes_a_namespace(two: Engine) -> None:
    before = two.execute(ListNamespaces())
    two.execute(Upsert((), "new"))
    two.execute(Update(Record("a", V), namespace="new"))
    start(two, 1.0, 0.0, namespace="new")
    two.execute(Reset("new"))
    assert two.execute(Range(namespace="new")).next_cursor == ""
    assert two.execute(Fetch(ids=("a", "b"), namespace="new")) == [None, None]
    assert two.execute(ListNamespaces()) == before


def test_concurrent_upserts_are_all_there(engine: Engine) -> None:
    threads = [
        threading.Thread(
            target=upsert, args=(engine, (f"n{i}", [1.0, i])), kwargs={"namespace": f"ns{i % 3}"}
        )
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [id for k in range(3) for id in ids(engine, 1.0, 0.0, namespace=f"ns{k}")]
    assert sorted(found) == sorted(f"n{i}" for i in range(20))


def test_a_directory_opened_again_is_as_it_was(reopen: Any) -> None:
    engine = reopen(metric=Metric.EUCLIDEAN)
    rows = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    names = tuple(f"n{i}" for i in range(3000))
    engine.execute(UpsertArrays(names, rows, tuple({"i": i} for i in range(3000)), namespace="big"))
    upsert(engine, ("é\0", [1.0, 2.0, 3.0, 4.0], {"é": [1, 2.5]}, "text"))
    engine.execute(Delete(ids=names[:100], namespace="big"))
    engine.execute(Update(Record("n500", metadata={"i": -1}), namespace="big"))
    engine.execute(Delete(ids=("é\0",)))
    upsert(engine, ("z", [0.0, 0.0, 0.0, 0.0]))
    before = state(engine)
    nearest = ids(engine, *rows[7].tolist(), top_k=50, namespace="big")
    engine = reopen()
    assert state(engine) == before
    assert ids(engine, *rows[7].tolist(), top_k=50, namespace="big") == nearest
    assert ids(engine, *rows[7].tolist(), filter="i < 0", namespace="big") == ["n500"]
    assert engine.execute(Info()).similarity_function == "EUCLIDEAN"
    upsert(engine, ("y", [0.0, 0.0, 0.0, 0.0]))
    assert [record.id for record in engine.execute(Range(cursor="1")).vectors] == ["z", "y"]


def test_a_directory_keeps_its_settings(reopen: Any) -> None:
    reopen(dimension=3, metric=Metric.DOT_PRODUCT)
    engine = reopen(dimension=3, metric=Metric.DOT_PRODUCT)
    assert engine.execute(Info()).dimension == 3
    with pytest.raises(ClientError, match="holds vectors of 3 dimensions, not 4"):
        reopen(dimension=4)
    with pytest.raises(ClientError, match="was created with DOT_PRODUCT, not COSINE"):
        reopen(metric=Metric.COSINE)
    assert reopen().execute(Info()).similarity_function == "DOT_PRODUCT"


def test_a_dimension_may_be_decided_when_a_directory_is_opened_again(reopen: Any) -> None:
    reopen()
    reopen(dimension=3)
    assert reopen().execute(Info()).dimension == 3
    with pytest.raises(ClientError, match="dimension must be at least 1, got 0"):
        Engine.open(dimension=0)


def test_a_closed_engine_says_so(two: Engine) -> None:
    two.close()
    two.close()
    for command in (Query(V), Info(), Upsert((Record("x", V),))):
        with pytest.raises(ClientError, match="the index is closed"):
            two.execute(command)


def test_a_value_that_is_no_command_is_refused(two: Engine) -> None:
    with pytest.raises(ClientError, match="cannot execute"):
        two.execute(Command())


def test_an_index_is_named_after_its_directory(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path / "films")
    with pytest.raises(NamespaceNotFound, match="Namespace none for the index films does not exist"):
        engine.execute(DeleteNamespace("none"))
    engine.close()
