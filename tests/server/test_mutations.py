"""Bodies that were right once, and then were changed: no answer is ever a 500, and the server goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clew.engine.engine import Engine
from clew.types import IndexType

RECORD = {
    "id": "a",
    "vector": [0.1, 0.2],
    "metadata": {"n": 1, "deep": {"list": [1, "x", None]}},
    "data": "d",
}
QUERY = {"vector": [0.1, 0.2], "topK": 3, "filter": "n > 0 AND deep.list[0] = 1", "includeMetadata": True}
SPARSE = {"indices": [1, 5], "values": [0.5, 0.25]}
CORPUS: list[tuple[str, Any]] = [
    ("upsert", RECORD),
    ("upsert", [RECORD, {**RECORD, "id": 7}]),
    ("upsert", {**RECORD, "sparseVector": SPARSE}),
    ("upsert-data", [{"id": "a", "data": "text"}]),
    ("update", {**RECORD, "metadataUpdateMode": "PATCH"}),
    ("query", QUERY),
    ("query", [QUERY, QUERY]),
    ("query", {**QUERY, "sparseVector": SPARSE, "fusionAlgorithm": "RRF", "weightingStrategy": "IDF"}),
    ("query-data", {"data": "text", "topK": 1, "queryMode": "DENSE"}),
    ("resumable-query", {**QUERY, "maxIdle": 60}),
    ("resumable-query-next", {"uuid": "UUID", "additionalK": 3, "batch": 1}),
    ("resumable-query-end", {"uuid": "none"}),
    ("fetch", {"ids": ["a", 1], "includeVectors": "true"}),
    ("fetch", {"prefix": "a"}),
    ("delete", {"ids": ["b"]}),
    ("delete", {"filter": "n = 'none'"}),
    ("delete", ["b", 2]),
    ("range", {"cursor": "0", "limit": 2, "prefix": "a"}),
    ("rename-namespace", {"namespace": "a", "newNamespace": "b", "deleteExisting": True}),
    ("reset", None),
]

# What stands where something else should. `1e400` and the like are added as text, below.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 2**31, -(2**31) - 1, 2**63, 2**64, 10**30, -(10**400), 1001]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["", "true", "\x00", "\u2028", "😀", "a" * 5000, "((((", "n = 1 AND", "../..", "{}", "[]"]
    ),
    st.lists(st.integers(), max_size=3),
    st.just([[]]),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something may be changed: every value within, by its path."""
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += places(inner, (*path, key))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any, how: str) -> Any:
    """`value` with another thing at `path`: something new, twice the old, or nothing."""
    if not path:
        return [value, value] if how == "twice" else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = path
    if how == "gone" and not rest:
        del copy[key]
    else:
        copy[key] = changed(copy[key], tuple(rest), new, how)
    return copy


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """An endpoint and a body that was changed as a value, as text, or both."""
    endpoint, value = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(value)))
        value = changed(value, path, draw(ODD), draw(st.sampled_from(["new", "new", "twice", "gone"])))
    text = json.dumps(value).encode()
    for _ in range(draw(st.integers(0, 2))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 4)))
        insert = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from(
                    [b"1e400", b"NaN", b"-0.0", b"{", b"]", b'"', b",", b"\\ud800", b"\xff", b"[" * 2000]
                ),
            )
        )
        text = text[:first] + insert + text[last:]
    return endpoint, text


NAMESPACES = st.one_of(st.just(""), st.just("/ns"), st.text(max_size=4).map(lambda name: "/" + escaped(name)))


def escaped(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogatepass"))


def check(http: httpx.Client, uuid: str, endpoint: str, body: bytes, namespace: str) -> None:
    answer = http.post(f"/{endpoint}{namespace}", content=body.replace(b"UUID", uuid.encode()))
    assert answer.status_code in (200, 400, 404, 422), (answer.status_code, answer.text)
    said = answer.json()
    if answer.status_code == 200:
        assert list(said) == ["result"]
    else:
        assert said["error"]
        assert said["status"] == answer.status_code


def run(http: httpx.Client, ask: Any, examples: int) -> None:
    about = ask("/info")
    dense, sparse = {"vector": [1, 0]}, {"sparseVector": SPARSE}
    parts = {"DENSE": dense, "SPARSE": sparse, "HYBRID": {**dense, **sparse}}[about["indexType"]]
    ask("/upsert", [{"id": str(i), **parts, "metadata": {"n": i}} for i in range(20)])
    uuid = ask("/resumable-query", {**parts, "topK": 2})["uuid"]

    @settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(), NAMESPACES)
    def no_answer_is_a_500(asked: tuple[str, bytes], namespace: str) -> None:
        check(http, uuid, *asked, namespace)

    no_answer_is_a_500()
    assert ask("/info")["dimension"] == (0 if about["indexType"] == "SPARSE" else 2)


class Pair:
    """Texts as two numbers."""

    name, dimension = "pair", 2

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return np.array([len(text), 1], dtype=np.float32)


@pytest.fixture(params=["DENSE", "SPARSE", "HYBRID", "texts"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """An index of every type, and one of both halves with models."""
    if request.param != "texts":
        return Engine.open(None, type=IndexType(request.param))
    return Engine.open(None, type=IndexType.HYBRID, embedding_model=Pair(), sparse_embedding_model="BM25")


def test_a_body_that_was_changed_is_answered_or_refused(http: httpx.Client, ask: Any) -> None:
    run(http, ask, 100)


@pytest.mark.slow
def test_many_bodies_that_were_changed_are_answered_or_refused(http: httpx.Client, ask: Any) -> None:
    run(http, ask, 2_000)
