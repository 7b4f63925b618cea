"""What calls accept, and how they refuse. No index is needed: arguments become commands."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import pytest

from clew import ClientError, Data, SparseVector, Vector
from clew._core import all_finite
from clew.client import arguments, bulk, values
from clew.commands import Include, Record


class Tensor:
    """A stranger that only has `tolist`."""

    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers

    def __repr__(self) -> str:
        return f"Tensor({self.numbers!r})"

    def tolist(self) -> Any:
        return self.numbers


def record(item: Any) -> Record:
    return arguments.upsert([item], "").records[0]


VECTORS = [
    [1, 2],
    (1.0, 2.0),
    np.array([1, 2], dtype=np.int8),
    np.array([1, 2], dtype=np.float16),
    np.array([1, 2], dtype=np.float64),
    np.array([1, 2], dtype=np.float32),
    np.array([1, 9, 2], dtype=np.float32)[::2],
    Tensor([1.0, 2.0]),
]


@pytest.mark.parametrize("vector", VECTORS, ids=repr)
def test_a_vector_is_anything_that_holds_numbers(vector: Any) -> None:
    made = arguments.query(vector).vector
    assert made is not None
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    assert made.tolist() == [1.0, 2.0]
    assert record(("a", vector)).vector.tolist() == [1.0, 2.0]


def test_a_float32_array_is_not_copied_by_a_query_but_by_a_resumable_one() -> None:
    vector = np.ones(4, dtype=np.float32)
    assert arguments.query(vector).vector is vector
    kept = arguments.resumable_query(vector=vector).query.vector
    vector[0] = 5
    assert kept is not None
    assert kept.tolist() == [1, 1, 1, 1]


def test_numbers_whose_square_overflows_are_still_finite() -> None:
    assert arguments.query(np.full(3, 1e30, dtype=np.float32)).vector is not None


@pytest.mark.parametrize(
    "vector",
    [
        [], np.array([], dtype=np.float32), [1.0, math.nan], [1.0, math.inf], [1.0, 1e39],
        np.array([np.nan], np.float32),
        np.array([1e300]), [[1.0, 2.0]], [1.0, [2.0]], "12", b"12", {1.0: 2.0}, {1.0}, 5, 5.0, [1.0, None],
        ["1", "2"], np.ma.array([1.0, 2.0], mask=[True, False]),
        [True, False], [1 + 2j], [10**400], ..., np.float32(1), Tensor("12"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_vector_that_is_none_is_refused_by_name(vector: Any) -> None:
    with pytest.raises(ClientError, match=r"^vector"):
        arguments.query(vector)
    with pytest.raises(ClientError, match=r"vectors\[0\]"):
        arguments.upsert([{"id": "a", "vector": vector}], "")


@pytest.mark.parametrize("all_finite", [values.finite_by_numpy, all_finite], ids=["numpy", "core"])
def test_an_array_is_searched_for_what_is_not_finite(
    all_finite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "_all_finite", all_finite)
    kept = np.array([0, 1, 1e38, -1e-45], np.float32)
    assert arguments.query(kept).vector is kept
    for bad in (np.nan, np.inf, -np.inf):
        kept[2] = bad
        with pytest.raises(ClientError, match=rf"^vector\[2\] is {bad}; expected a finite number"):
            arguments.query(kept)


def test_the_place_of_a_bad_number_is_named() -> None:
    with pytest.raises(ClientError, match=r"^vector\[2\] is nan; expected a finite number within float32$"):
        arguments.query([0.0, 1.0, math.nan])
    with pytest.raises(ClientError, match=r"^vectors\[1\]\[0\] is inf"):
        bulk.upsert_arrays(["a", "b"], [[0.0], [math.inf]], None, None, "")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (("a", [1.0]), ("a", [1.0], None, None, None)),
        (("a", [1.0], {"k": 1}), ("a", [1.0], None, {"k": 1}, None)),
        (("a", [1.0], {"k": 1}, "text"), ("a", [1.0], None, {"k": 1}, "text")),
        (("a", [1.0], None, "text"), ("a", [1.0], None, None, "text")),
        (("a", (1.0, 2.0)), ("a", [1.0, 2.0], None, None, None)),
        ((7, [1.0]), ("7", [1.0], None, None, None)),
        ((np.int64(7), [1.0]), ("7", [1.0], None, None, None)),
        (("", [1.0]), ("", [1.0], None, None, None)),
        (("a", ([1], [2.0])), ("a", None, SparseVector([1], [2.0]), None, None)),
        (("a", SparseVector([3, -1], [1.0, 2.0]), {"k": 1}), ("a", None, SparseVector([3, -1], [1.0, 2.0]),
        {"k": 1}, None)),
        (("a", [1.0], ([1], [2.0]), {"k": 1}, "t"), ("a", [1.0], SparseVector([1], [2.0]), {"k": 1}, "t")),
        (("a", "text"), ("a", None, None, None, "text")),
        (("a", "text", {"k": 1}), ("a", None, None, {"k": 1}, "text")),
        (Data("a", "text", {"k": 1}), ("a", None, None, {"k": 1}, "text")),
        (Vector("a", [1.0], {"k": 1}, "t", ([1], [2.0])), ("a", [1.0], SparseVector([1], [2.0]), {"k": 1},
        "t")),
        ({"id": "a", "vector": [1.0], "metadata": {"k": 1}}, ("a", [1.0], None, {"k": 1}, None)),
        ({"id": 3, "data": "text"}, ("3", None, None, None, "text")),
    ],
    ids=repr,
)  # fmt: skip
def test_a_record_is_written_in_any_of_these_forms(item: Any, expected: tuple[Any, ...]) -> None:
    made = record(item)
    vector = None if made.vector is None else made.vector.tolist()
    assert (made.id, vector, made.sparse_vector, made.metadata, made.data) == expected


@pytest.mark.parametrize(
    "item",
    [
        ("a",), ("a", [1.0], {}, "t", "more"), ("a", "text", {}, "more"), {"vector": [1.0]}, {"id": "a"},
        Vector("a"),
        {"id": "a", "vector": [1.0], "meta": {}}, {"id": "a", 5: 1}, "a", 5, None, ["a", [1.0]], (None,
        [1.0]), (True, [1.0]),
        (1.5, [1.0]), (b"a", [1.0]), ("\ud800", [1.0]), ("a", [1.0], "text"), ("a", [1.0], [1]), ("a",
        [1.0], {}, 5),
        ("a", ([1], [1.0, 2.0])), ("a", ([], [])), ("a", ([1.5], [1.0])), ("a", ([2**31], [1.0])), ("a",
        ([1], [math.nan])),
    ],
    ids=repr,
)  # fmt: skip
def test_a_record_in_no_such_form_is_refused_by_place(item: Any) -> None:
    with pytest.raises(ClientError, match=r"vectors\[1\]"):
        arguments.upsert([("fine", [1.0]), item], "")


@pytest.mark.parametrize("vectors", [None, 5, "ab", {"id": "a"}, Vector("a", [1.0])], ids=repr)
def test_upsert_takes_a_list(vectors: Any) -> None:
    with pytest.raises(ClientError, match=r"^vectors is"):
        arguments.upsert(vectors, "")


def test_upsert_takes_any_iterable() -> None:
    made = arguments.upsert((("a", [float(i)]) for i in range(3)), "ns")
    assert len(made.records) == 3
    assert made.namespace == "ns"


class Colour(enum.StrEnum):
    RED = "red"


def test_metadata_is_copied_as_json_would_carry_it() -> None:
    inner = {"list": [1, (2, 3)], "none": None}
    given = {
        "s": "ü",
        "i": 2**63,
        "f": 1.5,
        "b": True,
        "in": inner,
        "np": np.int32(4),
        "npf": np.float32(0.5),
        "e": Colour.RED,
    }
    made = record(("a", [1.0], given)).metadata
    inner["list"] = []
    assert made == {
        "s": "ü", "i": 2**63, "f": 1.5, "b": True, "in": {"list": [1, [2, 3]], "none": None}, "np": 4,
        "npf": 0.5, "e": "red",
    }  # fmt: skip
    assert made is not None
    assert type(made["e"]) is str
    assert type(made["np"]) is int
    assert list(made) == list(given)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        math.nan, math.inf, np.float64("nan"), 2**64, -(2**63) - 1, b"bytes", {1, 2}, ..., 1j,
        "\ud800", [math.nan],
        {"in": [{"deep": ...}]}, {1: 2}, np.zeros(2), nested(100), [nested(99)],
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_metadata_that_json_cannot_carry_is_refused_by_place(value: Any) -> None:
    with pytest.raises(ClientError, match=r"metadata\['k'\]"):
        arguments.update("a", None, None, {"k": value}, "", "OVERWRITE", None)


def test_metadata_holds_a_hundred_levels_and_no_more_as_over_http() -> None:
    assert record(("a", [1.0], nested(100))).metadata == nested(100)
    with pytest.raises(ClientError, match="at most 100 levels"):
        record(("a", [1.0], nested(101)))


@pytest.mark.parametrize("metadata", [{1: 2}, {None: 2}, [], "x", 5])
def test_metadata_is_an_object_with_text_keys(metadata: Any) -> None:
    with pytest.raises(ClientError, match="metadata"):
        record(("a", [1.0], metadata))


def test_a_query_asks_by_exactly_one_of_vector_and_data() -> None:
    with pytest.raises(ClientError, match="both data and vector"):
        arguments.query([1.0], data="text")
    with pytest.raises(ClientError, match="both data and sparse_vector"):
        arguments.query(data="text", sparse_vector=([1], [1.0]))
    with pytest.raises(ClientError, match="neither vector, sparse_vector nor data"):
        arguments.query()
    assert arguments.query(data="text").data == "text"
    assert arguments.query([1.0], sparse_vector=([1], [1.0])).sparse_vector == SparseVector([1], [1.0])


@pytest.mark.parametrize("count", [0, -1, True, False, 1.0, "5", None, np.bool_(True)], ids=repr)
def test_a_count_is_an_int_of_at_least_one(count: Any) -> None:
    with pytest.raises(ClientError, match=r"^top_k is .*; expected an int of at least 1$"):
        arguments.query([1.0], top_k=count)
    with pytest.raises(ClientError, match=r"^limit is"):
        arguments.range_("", count, False, False, "", False, None)
    with pytest.raises(ClientError, match=r"^top_k is"):
        bulk.query_arrays([[1.0]], count, "", "")


def test_a_count_may_be_of_numpy() -> None:
    top_k = arguments.query([1.0], top_k=np.int64(3)).top_k
    assert top_k == 3
    assert type(top_k) is int


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("include_vectors", 1), ("include_metadata", "true"), ("include_data", None), ("filter", 5),
        ("namespace", 5),
        ("namespace", "\ud800"), ("data", 5), ("weighting_strategy", "idf"), ("fusion_algorithm", 1),
        ("query_mode", "ALL"),
    ],
)  # fmt: skip
def test_an_argument_of_another_kind_is_refused_by_name(name: str, value: Any) -> None:
    vector = None if name == "data" else [1.0]
    with pytest.raises(ClientError, match=f"^{name} is .*expected"):
        arguments.query(vector, **{name: value})


def test_none_stands_for_no_filter_and_the_default_namespace() -> None:
    made = arguments.query([1.0], filter=None, namespace=None)
    assert made.filter == ""
    assert made.namespace == ""


def test_enums_are_given_as_members_or_text() -> None:
    made = arguments.query([1.0], weighting_strategy="IDF", fusion_algorithm="DBSF", query_mode="DENSE")
    assert (made.weighting_strategy, made.fusion_algorithm, made.query_mode) == ("IDF", "DBSF", "DENSE")
    assert arguments.query([1.0], query_mode=made.query_mode) is not None


@pytest.mark.parametrize("max_idle", [0, -1, math.nan, math.inf, True, "60", None], ids=repr)
def test_max_idle_is_seconds_above_zero(max_idle: Any) -> None:
    with pytest.raises(ClientError, match=r"^max_idle is"):
        arguments.resumable_query(max_idle, vector=[1.0])


def test_query_many_names_the_request_that_is_wrong() -> None:
    with pytest.raises(ClientError, match=r"queries\[1\] has the unknown key 'topk'"):
        arguments.query_many([{"vector": [1.0]}, {"vector": [1.0], "topk": 3}], "")
    with pytest.raises(ClientError, match=r"^queries\[1\]: top_k is 0"):
        arguments.query_many([{"vector": [1.0]}, {"vector": [1.0], "top_k": 0}], "")
    for wrong in (None, {"vector": [1.0]}, "text", [5]):
        with pytest.raises(ClientError, match="queries"):
            arguments.query_many(wrong, "")
    assert arguments.query_many([], "").queries == ()


def test_fetch_and_delete_go_by_exactly_one_criterion() -> None:
    with pytest.raises(ClientError, match=r"Only one of ids or prefix must be provided\."):
        arguments.fetch(["a"], False, False, "", False, "b")
    with pytest.raises(ClientError, match=r"Only one of ids or prefix must be provided\."):
        arguments.fetch(None, False, False, "", False, None)
    for criteria in [(None, None, None), (["a"], "b", None), (["a"], None, "x = 1"), (["a"], "b", "x = 1")]:
        ids, prefix, filter = criteria
        with pytest.raises(
            ClientError, match=r"Only and only one of the ids, prefix, or filter must be provided\."
        ):
            arguments.delete(ids, "", prefix, filter)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [("a", ("a",)), (5, ("5",)), (["a", 5], ("a", "5")), (("a",), ("a",)), (np.array(["a", "b"]), ("a",
    "b")), ([], ())],
    ids=repr,
)  # fmt: skip
def test_ids_are_one_or_many(ids: Any, expected: tuple[str, ...]) -> None:
    made = arguments.delete(ids, "", None, None).ids
    assert made == expected
    assert all(type(name) is str for name in made)
    assert arguments.fetch(ids, True, False, "", False, None).ids == expected


@pytest.mark.parametrize("ids", [True, 1.5, b"a", {"a": 1}, [None], [True], [["a"]], ...], ids=repr)
def test_ids_of_another_kind_are_refused(ids: Any) -> None:
    with pytest.raises(ClientError, match=r"^ids"):
        arguments.fetch(ids, False, False, "", False, None)


@pytest.mark.parametrize("cursor", ["x", "-1", -1, "1.0", True, None, "٣"], ids=repr)
def test_a_range_cursor_is_a_decimal(cursor: Any) -> None:
    with pytest.raises(ClientError, match=r"^cursor is"):
        arguments.range_(cursor, 1, False, False, "", False, None)


def test_a_range_cursor_may_be_an_int() -> None:
    made = arguments.range_(5, 2, True, True, "ns", True, "p")
    assert (made.cursor, made.limit, made.prefix, made.namespace) == ("5", 2, "p", "ns")
    assert made.include == Include(vectors=True, metadata=True, data=True)


def test_an_update_of_nothing_is_refused() -> None:
    with pytest.raises(ClientError, match="nothing to update"):
        arguments.update("a", None, None, None, "", "OVERWRITE", None)
    with pytest.raises(ClientError, match=r"^metadata_update_mode is 'MERGE'"):
        arguments.update("a", None, None, {}, "", "MERGE", None)
    with pytest.raises(ClientError, match=r"^id is None"):
        arguments.update(None, [1.0], None, None, "", "PATCH", None)


def test_arrays_are_carried_in_chunks_in_order() -> None:
    rows = bulk.ROWS_PER_COMMAND * 2 + 3
    vectors = np.arange(rows * 2, dtype=np.float64).reshape(rows, 2)
    made = bulk.upsert_arrays(range(rows), vectors, [{"row": i} for i in range(rows)], None, "ns")
    assert [len(command.ids) for command in made] == [bulk.ROWS_PER_COMMAND] * 2 + [3]
    assert [name for command in made for name in command.ids] == [str(i) for i in range(rows)]
    assert np.concatenate([command.vectors for command in made]).tolist() == vectors.tolist()
    assert made[2].metadata == tuple({"row": i} for i in range(rows - 3, rows))
    assert made[0].data is None
    assert bulk.upsert_arrays([], np.zeros((0, 4)), None, None, "") == []


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"ids": ["a"]}, "ids"), ({"ids": ["a", None]}, r"ids\[1\]"), ({"ids": 5}, "ids"),
        ({"vectors": [1.0, 2.0]}, "vectors"),
        ({"vectors": [[1.0], [1.0, 2.0]]}, "vectors"), ({"vectors": np.zeros((2, 0))}, "vectors"),
        ({"vectors": None}, "vectors"),
        ({"metadata": [{}]}, "metadata"), ({"metadata": [{}, 5]}, r"metadata\[1\]"), ({"metadata": {}},
        "metadata"),
        ({"data": ["a"]}, "data"), ({"data": ["a", 5]}, r"data\[1\]"), ({"data": "ab"}, "data"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_together_are_refused_by_name(changed: dict[str, Any], name: str) -> None:
    fine: dict[str, Any] = {"ids": ["a", "b"], "vectors": np.ones((2, 3)), "metadata": None, "data": None}
    bulk.upsert_arrays(**fine, namespace="")
    with pytest.raises(ClientError, match=f"^{name}"):
        bulk.upsert_arrays(**{**fine, **changed}, namespace="")
