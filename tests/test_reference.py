"""Code written for the Upstash SDK runs on Clew through the drop-in package.

The examples of the resumable query page are run verbatim where the page is at hand. A paragraph of it
is code when Python can parse it and it does more than name a thing; each runs as it stands, those that
await at the top level of an event loop. The one paragraph that is not Python (`for async with
pytest.raises`) says that a stopped query cannot be stopped again, and is tested by hand. The tests
below it say the same in our own words and run everywhere.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clew

ROOT = Path(__file__).parents[1]
PAGE = ROOT.parent / "shared" / "spec" / "resumable_query_reference.txt"

RECORDS = [(f"id{i}", [0.1 * i, 0.1 * i + 0.1], {"field": f"value{i}"}) for i in range(1, 8)]
NAMESPACES = ["", "your_namespace"]


@pytest.fixture
def dropin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package `upstash_vector` of this repository."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "upstash_vector"]:
            del sys.modules[name]

    forget()
    monkeypatch.syspath_prepend(ROOT / "dropin")
    yield importlib.import_module("upstash_vector")
    forget()


def paragraphs() -> list[str]:
    return PAGE.read_text().split("\n\n")


def examples() -> list[str]:
    return [text for text in paragraphs() if _is_code(text)]


def _is_code(text: str) -> bool:
    try:
        body = compile(text, "page", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT).body
    except SyntaxError:
        return False
    return not all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Name) for line in body)


async def run(text: str, names: dict[str, Any]) -> None:
    done = eval(compile(text, str(PAGE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(done):
        await done


page = pytest.mark.skipif(not PAGE.exists(), reason="the reference page is not at hand")


@page
async def test_every_example_of_the_reference_page_runs_verbatim(dropin: Any, capsys: Any) -> None:
    found = examples()
    assert len(found) == 17
    index, async_index = dropin.Index(), dropin.AsyncIndex()
    for namespace in NAMESPACES:
        index.upsert(RECORDS, namespace=namespace)
        await async_index.upsert(RECORDS, namespace=namespace)
    names: dict[str, Any] = {"index": index, "pytest": pytest, "ClientError": clew.ClientError}
    anames: dict[str, Any] = {"async_index": async_index}
    for shared in (names, anames):
        shared["number_of_results"] = 3
    for text in found:
        await run(text, anames if "await" in text else names)
        if "start()" in text:
            assert_first_batch(anames if "await" in text else names)
    assert [len(anames[name]) for name in ("initial_results", "next_results")] == [2, 3]
    assert len(names["next_results"]) == 3
    assert names["next_batch"] == []
    assert capsys.readouterr().out.splitlines() == [
        "ID: id1, Metadata: {'field': 'value1'}",
        "ID: id2, Metadata: {'field': 'value2'}",
    ]
    index.close()
    await async_index.close()


def assert_first_batch(names: dict[str, Any]) -> None:
    batch = names.get("results", names.get("initial_results"))
    assert [hit.id for hit in batch][:2] == ["id1", "id2"]
    assert batch[0].metadata == {"field": "value1"}


@page
def test_only_one_paragraph_of_code_on_the_page_is_not_python() -> None:
    odd = [text for text in paragraphs() if "query." in text and not _is_code(text)]
    assert [text.splitlines()[0] for text in odd] == ["for async with pytest.raises(ClientError):"]


def test_a_stopped_query_cannot_be_stopped_again(dropin: Any) -> None:
    from upstash_vector.errors import ClientError

    with dropin.Index() as index:
        query = index.resumable_query(vector=[0.1, 0.2])
        query.start()
        query.stop()
        with pytest.raises(ClientError):
            query.stop()

    async def twice() -> None:
        async with dropin.AsyncIndex() as index:
            query = await index.resumable_query(vector=[0.1, 0.2])
            await query.async_start()
            await query.async_stop()
            with pytest.raises(ClientError):
                await query.async_stop()

    asyncio.run(twice())


def test_paging_to_the_end_in_the_words_of_the_sdk(dropin: Any) -> None:
    with dropin.Index() as index:
        index.upsert(vectors=RECORDS, namespace="ns")
        query = index.resumable_query(
            vector=[0.1, 0.2], top_k=2, include_metadata=True, include_vectors=True, namespace="ns"
        )
        results = query.start()
        while batch := query.fetch_next(2):
            results.extend(batch)
        assert query.stop() == "Success"
    assert sorted(result.id for result in results) == sorted(name for name, _, _ in RECORDS)
    assert all(result.metadata["field"] == f"value{result.id[2:]}" for result in results)
    assert results[0].vector == pytest.approx([0.1, 0.2])


async def test_paging_to_the_end_with_await(dropin: Any) -> None:
    async with dropin.AsyncIndex() as index:
        await index.upsert(vectors=RECORDS)
        query = await index.resumable_query(vector=[0.1, 0.2], top_k=2)
        results = await query.async_start()
        while batch := await query.async_fetch_next(2):
            results.extend(batch)
        assert await query.async_stop() == "Success"
    assert sorted(result["id"] for result in results) == sorted(name for name, _, _ in RECORDS)


NAMES = {
    "upstash_vector": ["Index", "AsyncIndex", "Vector"],
    "upstash_vector.client": ["Index", "AsyncIndex"],
    "upstash_vector.errors": ["ClientError", "UpstashError"],
    "upstash_vector.types": [
        "Vector", "Data", "SparseVector", "QueryResult", "FetchResult", "RangeResult", "DeleteResult",
        "InfoResult",
        "NamespaceInfo", "DenseIndexInfo", "SparseIndexInfo", "MetadataUpdateMode", "WeightingStrategy",
        "FusionAlgorithm",
        "QueryMode", "QueryRequest", "SupportsToList",
    ],
    "upstash_vector.core.index_operations": ["DEFAULT_NAMESPACE"],
}  # fmt: skip


@pytest.mark.parametrize("module", NAMES)
def test_the_drop_in_has_the_names_that_code_imports_and_adds_nothing(dropin: Any, module: str) -> None:
    found = importlib.import_module(module)
    assert set(found.__all__) == set(NAMES[module])
    assert found.__all__ == sorted(found.__all__)
    for name in found.__all__:
        value = getattr(found, name)
        assert value == "" or value.__module__.startswith("clew")


def test_an_error_that_is_not_the_callers_is_an_upstash_error(dropin: Any) -> None:
    from upstash_vector.errors import ClientError, UpstashError

    for error in (
        clew.Unauthorized,
        clew.Forbidden,
        clew.ServerError,
        clew.TransportError,
        clew.StorageError,
    ):
        assert issubclass(error, UpstashError)
        assert not issubclass(error, ClientError)
