"""`range`: a namespace in insertion order."""

from __future__ import annotations

import pytest

from clew import AsyncIndex, ClientError, Index

IDS = [f"id-{i}" for i in range(20)]
RECORDS = [(name, [1.0, i / 10], {"n": i}, f"text {i}") for i, name in enumerate(IDS)]


@pytest.fixture
def filled(index: Index) -> Index:
    index.upsert(RECORDS)
    return index


def walk(index: Index, limit: int, **more: str) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = index.range(cursor, limit, **more)
        pages.append([record.id for record in page.vectors])
        cursor = page.next_cursor
        if not cursor:
            return pages


def test_pages_follow_one_another_and_the_last_says_so(filled: Index) -> None:
    assert filled.range(limit=4).next_cursor == "4"
    assert walk(filled, 8) == [IDS[:8], IDS[8:16], IDS[16:]]
    assert walk(filled, 10) == [IDS[:10], IDS[10:]]
    assert filled.range("16", 4).next_cursor == ""
    assert len(filled.range().vectors) == 1


@pytest.mark.parametrize("cursor", ["", "0", 0])
def test_the_beginning_has_several_names(filled: Index, cursor: str | int) -> None:
    assert [record.id for record in filled.range(cursor, 2).vectors] == IDS[:2]


def test_a_cursor_counts_insertions_and_reset_starts_anew(filled: Index) -> None:
    assert filled.range(limit=5).next_cursor == "5"
    filled.reset()
    filled.upsert(RECORDS)
    assert filled.range(limit=5).next_cursor == "5"
    assert filled.range(limit=1).next_cursor == "1"


def test_deletes_leave_gaps_and_replaced_records_their_place(filled: Index) -> None:
    filled.delete([IDS[1], IDS[2], IDS[19]])
    filled.upsert([(IDS[0], [5.0, 5.0]), ("new", [1.0, 1.0])])
    assert [name for page in walk(filled, 3) for name in page] == [IDS[0], *IDS[3:19], "new"]


def test_a_prefix_skips_the_others(filled: Index) -> None:
    assert walk(filled, 4, prefix="id-1") == [[IDS[1], *IDS[10:13]], IDS[13:17], IDS[17:]]
    assert walk(filled, 4, prefix="x") == [[]]


def test_a_record_carries_what_was_asked_for(filled: Index) -> None:
    assert filled.range().vectors[0].keys() == ["id"]
    (full,) = filled.range("3", 1, include_vectors=True, include_metadata=True, include_data=True).vectors
    assert (full.vector, full.metadata, full.data) == ([1.0, 0.3], {"n": 3}, "text 3")


def test_a_missing_namespace_and_an_empty_one_have_an_end(index: Index) -> None:
    for namespace in ("", "missing"):
        page = index.range(limit=5, namespace=namespace)
        assert (page.next_cursor, page.vectors) == ("", [])
    assert index.list_namespaces() == [""]


def test_a_cursor_past_the_end_gives_nothing(filled: Index) -> None:
    page = filled.range("1000", 5)
    assert (page.next_cursor, page.vectors) == ("", [])


def test_bad_limits_and_cursors_are_refused(filled: Index) -> None:
    for limit in (0, -1, 1001, True, 2.5):
        with pytest.raises(ClientError, match="limit"):
            filled.range("", limit)
    for cursor in ("x", "-1", "9" * 30):
        with pytest.raises(ClientError, match="cursor"):
            filled.range(cursor, 5)


async def test_an_async_range_gives_the_same_pages(async_index: AsyncIndex) -> None:
    await async_index.upsert(RECORDS)
    page = await async_index.range(limit=8)
    assert ([record.id for record in page.vectors], page.next_cursor) == (IDS[:8], "8")
