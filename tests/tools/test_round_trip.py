"""An export that is imported gives an equal index."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew import Data, Index, SparseVector, Vector
from clew.engine.verify import verify
from clew.tools.exporting import export_to
from clew.tools.importing import import_into
from clew.tools.sources import open_source
from held import held

FORMS = ["parquet", "jsonl"]
TEXTS = st.text(max_size=8)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
METADATA = st.none() | st.dictionaries(TEXTS, JSON, max_size=4)


@st.composite
def indexes(draw: st.DrawFn) -> dict[str, Any]:
    """Of every type and metric, with records by namespace; some namespaces are empty."""
    dimension, kind = draw(st.integers(1, 4)), draw(st.sampled_from(["DENSE", "DENSE", "SPARSE", "HYBRID"]))
    dense = st.lists(FLOATS, min_size=dimension, max_size=dimension)
    sparse = st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), FLOATS), min_size=1, max_size=5)
    record = st.builds(
        Vector,
        id=TEXTS,
        vector=st.none() if kind == "SPARSE" else dense,
        sparse_vector=st.none()
        if kind == "DENSE"
        else sparse.map(lambda pairs: tuple(zip(*pairs, strict=True))),
        metadata=METADATA,
        data=st.none() | TEXTS,
    )
    names = draw(st.lists(TEXTS, max_size=3, unique=True))
    metric = st.sampled_from(["COSINE", "EUCLIDEAN", "DOT_PRODUCT"])
    return {
        "settings": {"type": kind} | ({} if kind == "SPARSE" else {"similarity_function": draw(metric)}),
        "namespaces": {name: draw(st.lists(record, max_size=5)) for name in names},
        "first": draw(record),
    }


def fill(directory: Path, made: dict[str, Any]) -> dict[str, Any]:
    """Make the index, and say what it holds."""
    with Index(directory, **made["settings"]) as index:
        for name, records in made["namespaces"].items():
            index.upsert([made["first"]], namespace=name)
            index.upsert(records, namespace=name)
            index.delete(made["first"].id, namespace=name)
        return held(index)


def moved(source: Path, file: Path, target: Path) -> dict[str, Any]:
    """Export, import, and say what came."""
    export_to(source, file, file.suffix[1:])
    with closing(open_source(str(file))) as opened:
        import_into(target, opened)
    with Index(target) as index:
        return held(index)


@settings(max_examples=12, deadline=None)
@given(form=st.sampled_from(FORMS), made=indexes())
def test_an_export_that_is_imported_gives_an_equal_index(form: str, made: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        before = fill(here / "a", made)
        assert moved(here / "a", here / f"a.{form}", here / "b") == before


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(form=st.sampled_from(FORMS), made=indexes())
def test_any_export_that_is_imported_gives_an_equal_index(form: str, made: dict[str, Any]) -> None:
    test_an_export_that_is_imported_gives_an_equal_index.hypothesis.inner_test(form, made)


@pytest.mark.parametrize("form", FORMS)
def test_every_bit_of_a_vector_arrives(form: str, tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    vectors = np.where(np.isfinite(numbers), numbers, np.float32(-0.0)).reshape(-1, 20)
    with Index(tmp_path / "a", similarity_function="EUCLIDEAN") as index:
        index.upsert_arrays(range(len(vectors)), vectors)
    moved(tmp_path / "a", tmp_path / f"a.{form}", tmp_path / "b")
    with Index(tmp_path / "b") as index:
        ids = list(map(str, range(len(vectors))))
        found = [index.fetch(ids[i : i + 500], include_vectors=True) for i in range(0, len(ids), 500)]
    arrived = np.array([r.vector for part in found for r in part if r], dtype=np.float32)
    assert arrived.tobytes() == vectors.tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_an_index_without_a_record_is_moved_with_its_kind(form: str, tmp_path: Path) -> None:
    Index(tmp_path / "a", similarity_function="DOT_PRODUCT").close()
    after = moved(tmp_path / "a", tmp_path / f"a.{form}", tmp_path / "b")
    assert after == {
        "type": "DENSE",
        "models": ("", ""),
        "dimension": 0,
        "metric": "DOT_PRODUCT",
        "namespaces": [("", [])],
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_removed_record_is_not_exported(form: str, tmp_path: Path) -> None:
    with Index(tmp_path / "a") as index:
        index.upsert([("a", [1.0, 0.0], {"n": 1}), ("b", [0.0, 1.0])])
        index.upsert([("a", [0.5, 0.5], {"n": 2})])
        index.delete("b")
    after = moved(tmp_path / "a", tmp_path / f"a.{form}", tmp_path / "b")
    assert after["namespaces"] == [("", [("a", [0.5, 0.5], None, {"n": 2}, None)])]


@pytest.mark.parametrize("form", FORMS)
def test_models_and_vectors_of_texts_are_moved(form: str, tmp_path: Path) -> None:
    settings = {"embedding_model": "builtin/hashing", "sparse_embedding_model": "BM25"}
    with Index(tmp_path / "a", type="HYBRID", **settings) as index:
        index.upsert([Data("a", "the quick brown fox"), Data("nothing to be found by", "the")])
        before = held(index)
    assert before["models"] == ("builtin/hashing", "BM25")
    assert before["namespaces"][0][1][1][2] == SparseVector([], [])
    assert moved(tmp_path / "a", tmp_path / f"a.{form}", tmp_path / "b") == before
    assert verify(tmp_path / "b").problems == ()
