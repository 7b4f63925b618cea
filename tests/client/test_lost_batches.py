"""Batches of a resumable query whose answer gets lost after the server has sent it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from clew import AsyncIndex, Index, TransportError
from clew.engine.engine import Engine
from opening import TOKEN, server

SIZE = 200


class Relay:
    """A way to the server that swallows answers: so many of them, once told to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.swallow = 0
        self.swallowed: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()
                threading.Thread(target=self._carry_back, args=(far, near), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := near.recv(65_536):
                far.sendall(part)
            far.shutdown(socket.SHUT_WR)

    def _carry_back(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := far.recv(65_536):
                if self.swallow:
                    self.swallow -= 1
                    self.swallowed.append(part)
                    break
                near.sendall(part)
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay(int(server().url.rsplit(":", 1)[1]))
    yield relay
    relay.close()


@pytest.fixture
def url(relay: Relay) -> Iterator[str]:
    hosted = server().host(Engine.open(None))
    with Index(f"{server().url}/{hosted.name}", TOKEN) as index:
        index.upsert([(str(i), [1.0, i / SIZE]) for i in range(SIZE)])
    yield f"http://127.0.0.1:{relay.port}/{hosted.name}"
    server().stop(hosted)


EVERYTHING = [str(i) for i in range(SIZE)]


def test_a_batch_whose_answer_was_lost_is_fetched_again_unseen(relay: Relay, url: str) -> None:
    with (
        Index(url, TOKEN, retry_interval=0.0) as index,
        index.resumable_query([1.0, 0.0], top_k=5) as query,
    ):
        ids = [hit.id for hit in query.start()]
        for lost in (1, 0, 2, 3):
            relay.swallow = lost
            ids += [hit.id for hit in query.fetch_next(10)]
        ids += [hit.id for hit in query]
    assert ids == EVERYTHING
    assert len(relay.swallowed) == 6
    assert all(b" 200 OK" in answer for answer in relay.swallowed)


def test_a_fetch_that_failed_for_good_is_made_up_for_by_the_next_whatever_its_size(
    relay: Relay, url: str
) -> None:
    with Index(url, TOKEN, retries=0) as index, index.resumable_query([1.0, 0.0], top_k=5) as query:
        ids = [hit.id for hit in query.start()]
        for lost, wanted in ((20, 30), (3, 30), (10, 4), (10, 40)):
            relay.swallow = 1
            with pytest.raises(TransportError) as raised:
                query.fetch_next(lost)
            assert raised.value.retry_is_safe
            batch = query.fetch_next(wanted)
            assert len(batch) == wanted
            ids += [hit.id for hit in batch]
        ids += [hit.id for hit in query]
    assert ids == EVERYTHING


async def test_an_async_fetch_that_was_cancelled_loses_nothing(relay: Relay, url: str) -> None:
    async with AsyncIndex(url, TOKEN, retry_interval=0.0) as index:
        query = await index.resumable_query([1.0, 0.0], top_k=5)
        async with query:
            ids = [hit.id for hit in await query.async_start()]
            for seconds in (0.0, 0.0005, 0.001, 0.002, 0.004):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        ids += [hit.id for hit in await query.async_fetch_next(10)]
                relay.swallow = 1
                ids += [hit.id for hit in await query.async_fetch_next(3)]
            ids += [hit.id async for hit in query]
    assert ids == EVERYTHING
