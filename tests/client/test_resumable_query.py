"""The states of a resumable query and its two ways of waiting, over an engine that is a list."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from clew import AsyncIndex, ClientError, Index, QueryNotActive, QueryResult, ResumableQuery
from clew.commands import EndQuery, FetchNext, StartQuery


class ListBackend:
    """Answers resumable queries with the numbers up to `size`, and keeps what it was asked."""

    def __init__(self, size: int = 10, uuid: str = "u") -> None:
        self.asked: list[Any] = []
        self.uuid = uuid
        self.rest = [QueryResult(str(i), 1.0) for i in range(size)]
        self.error: Exception | None = None
        self.busy = threading.Lock()

    def call(self, command: Any) -> Any:
        assert self.busy.acquire(blocking=False), "two calls of one query at once"
        try:
            self.asked.append(command)
            if self.error is not None:
                raise self.error
            if isinstance(command, StartQuery):
                return self.uuid, self.take(command.query.top_k)
            return self.take(command.additional_k) if isinstance(command, FetchNext) else "Success"
        finally:
            self.busy.release()

    def take(self, n: int) -> list[QueryResult]:
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken

    def close(self) -> None:
        pass


class AsyncListBackend(ListBackend):
    async def call(self, command: Any) -> Any:
        await asyncio.sleep(0)
        return ListBackend.call(self, command)

    async def close(self) -> None:
        pass


@pytest.fixture
def backend() -> ListBackend:
    return ListBackend()


@pytest.fixture
def query(backend: ListBackend) -> Iterator[ResumableQuery]:
    query = Index.over(backend).resumable_query([1.0], top_k=3)
    yield query
    with query:
        backend.error = None


@pytest.fixture
async def async_query() -> Any:
    query = await AsyncIndex.over(AsyncListBackend()).resumable_query([1.0], top_k=3)
    yield query
    async with query:
        pass


def ids(hits: Any) -> list[str]:
    return [hit.id for hit in hits]


def test_nothing_is_asked_before_start(backend: ListBackend, query: ResumableQuery) -> None:
    assert backend.asked == []


def test_start_fetch_next_and_stop_carry_one_command_each(
    backend: ListBackend, query: ResumableQuery
) -> None:
    assert ids(query.start()) == ["0", "1", "2"]
    assert ids(query.fetch_next(2)) == ["3", "4"]
    assert ids(query.fetch_next()) == ["5", "6", "7", "8", "9"]
    assert query.fetch_next(1) == []
    assert query.stop() == "Success"
    asked = [FetchNext("u", 2, 1), FetchNext("u", 10, 2), FetchNext("u", 1, 3), EndQuery("u")]
    assert backend.asked[1:] == asked


def test_a_query_that_is_not_started_says_so(backend: ListBackend, query: ResumableQuery) -> None:
    for call in (lambda: query.fetch_next(1), query.stop):
        with pytest.raises(QueryNotActive, match="not started: call start"):
            call()
    assert backend.asked == []


def test_a_second_start_says_so(query: ResumableQuery) -> None:
    query.start()
    with pytest.raises(QueryNotActive, match="already started"):
        query.start()
    assert ids(query.fetch_next(1)) == ["3"]


def test_a_stopped_query_says_so(backend: ListBackend, query: ResumableQuery) -> None:
    query.start()
    query.stop()
    asked = list(backend.asked)
    for call in (lambda: query.fetch_next(1), query.stop, query.start, lambda: next(iter(query))):
        with pytest.raises(ClientError, match="is stopped"):
            call()
    assert backend.asked == asked


def test_a_stop_that_failed_is_not_tried_again(backend: ListBackend, query: ResumableQuery) -> None:
    query.start()
    backend.error = OSError("no network")
    with pytest.raises(OSError, match="no network"):
        query.stop()
    with pytest.raises(QueryNotActive, match="is stopped"):
        query.stop()


def test_a_start_that_failed_may_be_tried_again(backend: ListBackend, query: ResumableQuery) -> None:
    backend.error = ClientError("full")
    with pytest.raises(ClientError, match="full"):
        query.start()
    backend.error = None
    assert len(query.start()) == 3


def test_a_query_that_the_engine_stopped_goes_on_saying_why(
    backend: ListBackend, query: ResumableQuery
) -> None:
    query.start()
    backend.error = QueryNotActive("idle for 3600 s")
    for call in (lambda: query.fetch_next(1), lambda: query.fetch_next(1), query.stop):
        with pytest.raises(QueryNotActive, match="idle for 3600 s"):
            call()
    assert len(backend.asked) == 2


@pytest.mark.parametrize("additional_k", [0, -1, True, 1.5, None, "3"])
def test_additional_k_is_an_int_of_at_least_one(query: ResumableQuery, additional_k: Any) -> None:
    query.start()
    with pytest.raises(ClientError, match=r"^additional_k is .*; expected an int of at least 1"):
        query.fetch_next(additional_k)
    assert ids(query.fetch_next(1)) == ["3"]


def test_a_block_stops_the_query_and_does_not_start_it(backend: ListBackend, query: ResumableQuery) -> None:
    with query as same:
        assert same is query
        assert backend.asked == []
        query.start()
    assert backend.asked[-1] == EndQuery("u")
    with pytest.raises(ClientError, match="is stopped"):
        query.fetch_next(1)


def test_a_block_stops_the_query_after_an_exception_too(backend: ListBackend, query: ResumableQuery) -> None:
    with pytest.raises(KeyError), query:
        raise KeyError(query.start())
    assert backend.asked[-1] == EndQuery("u")


def test_leaving_a_block_raises_nothing_when_there_is_nothing_to_stop(backend: ListBackend) -> None:
    index = Index.over(backend)
    with index.resumable_query([1.0]):
        pass
    with index.resumable_query([1.0]) as query:
        query.start()
        query.stop()
    with index.resumable_query([1.0]) as query:
        query.start()
        backend.error = QueryNotActive("it expired meanwhile")


def test_iteration_walks_every_remaining_result_and_starts_a_new_query(query: ResumableQuery) -> None:
    assert ids(query) == [str(i) for i in range(10)]
    assert query.fetch_next(5) == []
    assert ids(query) == []


def test_iteration_goes_on_where_batches_stopped_and_batches_where_iteration_stopped() -> None:
    backend = ListBackend(200)
    query = Index.over(backend).resumable_query([1.0], top_k=3)
    seen = ids(query.start())
    for hit in query:
        seen.append(hit.id)
        if len(seen) == 10:
            break
    seen += ids(query.fetch_next(90))
    assert seen == [str(i) for i in range(100)]
    assert ids(query) == [str(i) for i in range(100, 200)]
    query.stop()


def test_a_fetch_that_fails_loses_nothing_that_iteration_had_read_ahead() -> None:
    backend = ListBackend(200)
    query = Index.over(backend).resumable_query([1.0], top_k=3)
    assert next(iter(query)).id == "0"
    backend.error = OSError()
    with pytest.raises(OSError):  # noqa: PT011
        query.fetch_next(5)
    backend.error = None
    assert ids(query) == [str(i) for i in range(1, 200)]
    query.stop()


def test_dropping_an_active_query_warns(backend: ListBackend) -> None:
    def drop(start: bool, stop: bool) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            query = Index.over(backend).resumable_query([1.0])
            if start:
                query.start()
            if stop:
                query.stop()
            del query
            gc.collect()
        return [str(warning.message) for warning in caught if warning.category is ResourceWarning]

    assert drop(start=True, stop=False) == ["<ResumableQuery ACTIVE u> was never stopped"]
    assert drop(start=True, stop=True) == []
    assert drop(start=False, stop=False) == []


def test_a_query_over_a_missing_namespace_is_empty_and_valid() -> None:
    backend = ListBackend(0, uuid="")
    query = Index.over(backend).resumable_query([1.0])
    assert query.start() == []
    assert query.fetch_next(5) == []
    assert list(query) == []
    assert query.stop() == "Success"
    with pytest.raises(ClientError, match="is stopped"):
        query.stop()
    assert len(backend.asked) == 1


def test_calls_from_many_threads_take_turns() -> None:
    query = Index.over(ListBackend(1000)).resumable_query([1.0], top_k=1)
    seen = ids(query.start())
    threads = [threading.Thread(target=lambda: seen.extend(ids(query.fetch_next(7)))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    query.stop()
    assert sorted(map(int, seen)) == list(range(351))


async def test_an_async_query_has_the_same_calls(async_query: ResumableQuery) -> None:
    with pytest.raises(QueryNotActive, match="not started"):
        await async_query.async_fetch_next(1)
    assert ids(await async_query.async_start()) == ["0", "1", "2"]
    with pytest.raises(QueryNotActive, match="already started"):
        await async_query.async_start()
    assert ids(await async_query.async_fetch_next(2)) == ["3", "4"]
    assert ids([hit async for hit in async_query]) == ["5", "6", "7", "8", "9"]
    assert await async_query.async_fetch_next() == []
    assert await async_query.async_stop() == "Success"
    for again in (async_query.async_stop, async_query.async_fetch_next, async_query.async_start):
        with pytest.raises(ClientError, match="is stopped"):
            await again()


async def fail_within(query: ResumableQuery) -> None:
    async with query:
        raise KeyError


async def test_an_async_block_stops_the_query(async_query: ResumableQuery) -> None:
    await async_query.async_start()
    with pytest.raises(KeyError):
        await fail_within(async_query)
    with pytest.raises(ClientError, match="is stopped"):
        await async_query.async_stop()


async def test_calls_from_many_tasks_take_turns(async_query: ResumableQuery) -> None:
    await async_query.async_start()
    batches = await asyncio.gather(*[async_query.async_fetch_next(2) for _ in range(5)])
    assert sorted(ids([hit for batch in batches for hit in batch])) == [str(i) for i in range(3, 10)]


async def test_a_query_is_driven_the_way_it_was_made(
    query: ResumableQuery, async_query: ResumableQuery
) -> None:
    for call in (async_query.start, async_query.fetch_next, async_query.stop, async_query.__enter__):
        with pytest.raises(ClientError, match="of an AsyncIndex: await async_start"):
            call()
    for acall in (query.async_start, query.async_fetch_next, query.async_stop, query.__aenter__):
        with pytest.raises(ClientError, match="of an Index: use start"):
            await acall()
    with pytest.raises(ClientError, match="of an AsyncIndex"):
        next(iter(async_query))
