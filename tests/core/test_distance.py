"""Kernels of every instruction set, against float64 NumPy."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from clew import _core

DIMENSIONS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 48, 100, 128, 768, 1536, 5376]


def test_an_instruction_set_that_this_processor_does_not_have_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import clew._core"],
        env={**os.environ, "CLEW_INSTRUCTION_SET": "abacus"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CLEW_INSTRUCTION_SET is 'abacus'; this processor has" in done.stderr


@pytest.mark.parametrize("instruction_set", _core.INSTRUCTION_SETS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_kernel_agrees_with_float64(instruction_set: str, dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    query = rng.standard_normal(dimension).astype(np.float32)
    rows = rng.standard_normal((11, dimension)).astype(np.float32)
    wide, wide_query = rows.astype(np.float64), query.astype(np.float64)
    dot = _core.kernel_distances(instruction_set, "dot", query, rows)
    squared = _core.kernel_distances(instruction_set, "squared", query, rows)
    scale = np.abs(wide * wide_query).sum(axis=1)
    assert np.all(np.abs(dot - wide @ wide_query) <= 1e-6 * scale + 1e-12)
    np.testing.assert_allclose(squared, ((wide - wide_query) ** 2).sum(axis=1), rtol=2e-6)


@pytest.mark.parametrize("instruction_set", _core.INSTRUCTION_SETS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_row_has_the_same_bits_alone_and_among_others(instruction_set: str, dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    query = rng.standard_normal(dimension).astype(np.float32)
    rows = rng.standard_normal((9, dimension)).astype(np.float32)
    for function in ("dot", "squared"):
        together = _core.kernel_distances(instruction_set, function, query, rows)
        alone = [
            _core.kernel_distances(instruction_set, function, query, rows[i : i + 1])[0] for i in range(9)
        ]
        assert together.tolist() == alone


def rows_of_codes(width: int) -> tuple[np.random.Generator, np.ndarray]:
    """Among them the greatest and the least there are; and what drew them, for a query."""
    rng = np.random.default_rng(width)
    rows = rng.integers(-127, 128, (11, width), dtype=np.int8)
    rows[0], rows[1] = 127, -127
    return rng, rows


@pytest.mark.parametrize("instruction_set", _core.INSTRUCTION_SETS)
@pytest.mark.parametrize("width", [64, 128, 192, 256, 5376])
def test_sums_over_codes_are_exact(instruction_set: str, width: int) -> None:
    rng, rows = rows_of_codes(width)
    wide = rows.astype(np.int64) + 128
    farthest = int((2**31 - 1) / width) ** 0.5 - 127
    for query in (rng.integers(-200, 201, width), np.full(width, int(farthest))):
        words = query.astype(np.int16)
        squared = _core.code_sums(instruction_set, "squared", words, rows)
        assert squared.tolist() == ((words - wide) ** 2).sum(axis=1).tolist()
    words = np.full(width, min(32767, (2**31 - 1) // (256 * width)), np.int16)
    dot = _core.code_sums(instruction_set, "dot", words, rows)
    assert dot.tolist() == (wide @ words.astype(np.int64)).tolist()


@pytest.mark.parametrize("instruction_set", _core.INSTRUCTION_SETS)
@pytest.mark.parametrize("width", [64, 128, 192, 256, 5376])
def test_sums_over_coarse_halves_are_exact(instruction_set: str, width: int) -> None:
    rng, rows = rows_of_codes(width)
    halves = (rows.astype(np.int64) + 128) // 16
    for query in (rng.integers(-127, 128, width), np.full(width, 127), np.full(width, -127)):
        words = query.astype(np.int16)
        dot = _core.code_sums(instruction_set, "coarse dot", words, rows)
        assert dot.tolist() == (halves @ query).tolist()
        squared = _core.code_sums(instruction_set, "coarse squared", words, rows)
        assert squared.tolist() == (halves @ query + 8 * (halves * (15 - halves)).sum(axis=1)).tolist()
        away = ((query - (16 * halves - 120)) ** 2).sum(axis=1)
        assert away.tolist() == (((query + 120) ** 2).sum() - 32 * squared.astype(np.int64)).tolist()


def test_an_unknown_instruction_set_is_refused() -> None:
    with pytest.raises(ValueError, match="sse9"):
        _core.kernel_distances("sse9", "dot", np.ones(3, np.float32), np.ones((1, 3), np.float32))


@pytest.mark.parametrize("dimension", [*range(1, 40), 384, 768, 1024])
def test_a_vector_scores_exactly_one_with_itself_under_cosine(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    rows = rng.integers(0, 385, (50, dimension)).astype(np.float32) + np.float32(0.1)
    graph = _core.Graph(dimension, "COSINE")
    graph.apply(rows, np.zeros(0, np.uint32), 1)
    for slot, row in enumerate(rows):
        slots, distances = graph.search(row, 50, exact=True)
        assert _core.scores(distances[slots == slot], "COSINE") == [1.0]


@pytest.mark.parametrize(
    ("a", "b", "score"),
    [
        ([1] * 9 + [0], [1] * 10, 0.97434163),
        ([1] * 9 + [2], [1] * 9 + [0], 0.91602516),
        ([0.1, 0.1], [0.3, 0.4], 0.9949748),
        ([0.1, 0.1], [0.2, 0.3], 0.99029034),
    ],
)
def test_short_vectors_score_as_recorded(a: list[float], b: list[float], score: float) -> None:
    graph = _core.Graph(len(a), "COSINE")
    graph.apply(np.array([b], np.float32), np.zeros(0, np.uint32), 1)
    _, distances = graph.search(np.array(a, np.float32), 1)
    assert _core.scores(distances, "COSINE") == [score]


@pytest.mark.parametrize("size", [1e-44, 1e-30, 1e-19, 1.0, 1e15, 1e20, 3e38])
def test_cosine_does_not_depend_on_length(size: float) -> None:
    row = np.array([[3 * size / 4, size, 0, -size / 2] * 8], np.float32)
    graph = _core.Graph(32, "COSINE")
    graph.apply(row, np.zeros(0, np.uint32), 1)
    _, distances = graph.search(row[0], 1)
    assert _core.scores(distances, "COSINE") == [1.0]
    graph.apply(np.zeros((0, 32), np.float32), np.array([0], np.uint32), 2)
    graph.apply(row[:, ::-1].copy(), np.zeros(0, np.uint32), 3)
    compacted, _ = graph.compact()
    np.testing.assert_array_equal(graph.rows(np.array([0], np.uint32)), row)  # all its bits are kept
    np.testing.assert_array_equal(compacted.rows(np.array([0], np.uint32)), row[:, ::-1])


def test_a_zero_vector_is_half_similar_to_everything_under_cosine() -> None:
    graph = _core.Graph(20, "COSINE")
    graph.apply(np.zeros((1, 20), np.float32), np.zeros(0, np.uint32), 1)
    for query in (np.zeros(20, np.float32), np.ones(20, np.float32)):
        assert _core.scores(graph.search(query, 1)[1], "COSINE") == [0.5]


def test_overflowing_products_are_far_and_never_nan() -> None:
    rows = np.array([[3e38, -3e38] * 16, [1, 1] * 16], np.float32)
    for metric in ("DOT_PRODUCT", "EUCLIDEAN"):
        graph = _core.Graph(32, metric)
        graph.apply(rows, np.zeros(0, np.uint32), 1)
        slots, distances = graph.search(np.full(32, 3e38, np.float32), 2)
        assert not np.isnan(distances).any()
        assert sorted(slots.tolist()) == [0, 1]


def test_shortest_is_what_python_prints() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    any_bits = bits.view(np.float32)
    others = np.concatenate([rng.standard_normal(50_000), np.arange(-500, 500) / 100]).astype(np.float32)
    values = np.concatenate([any_bits[np.isfinite(any_bits)], others])
    assert _core.shortest(values) == [float(str(value)) for value in values]
