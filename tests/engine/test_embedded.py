from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from clew.backends.base import AsyncBackend, Backend
from clew.backends.embedded import EmbeddedBackend
from clew.backends.embedded_async import AsyncEmbeddedBackend
from clew.commands import EndQuery, FetchNext, Info, Query, Record, StartQuery, Upsert
from clew.engine.engine import Engine
from clew.errors import ClientError, DimensionMismatch
from engine_calls import start, upsert, vector


class Gate:
    """Holds calls up inside the engine until it is opened."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        execute = engine.execute

        def slow(command: Any) -> Any:
            self.entered.set()
            self.open.wait(10)
            return execute(command)

        monkeypatch.setattr(engine, "execute", slow)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    upsert(engine, *[(f"n{i}", [1.0, i]) for i in range(20)])
    return engine


async def cancelled_inside(backend: AsyncEmbeddedBackend, gate: Gate, command: Any) -> None:
    """Call, and cancel while the engine is at it."""
    call = asyncio.create_task(backend.call(command))
    await asyncio.to_thread(gate.entered.wait, 10)
    call.cancel()
    await asyncio.sleep(0.01)
    call.cancel()  # an impatient caller
    await asyncio.sleep(0.01)
    assert not call.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await call


def test_commands_go_to_the_engine_and_answers_come_back(filled: Engine) -> None:
    backend: Backend = EmbeddedBackend(filled)
    assert backend.call(Info()).vector_count == 20
    with pytest.raises(DimensionMismatch):
        backend.call(Query(vector(1.0)))
    backend.close()
    backend.close()
    with pytest.raises(ClientError, match="closed"):
        backend.call(Info())


async def test_both_kinds_share_one_engine(filled: Engine) -> None:
    waiting: AsyncBackend = AsyncEmbeddedBackend(filled)
    assert await waiting.call(Upsert((Record("x", vector(1.0, 0.0)),))) == "Success"
    assert EmbeddedBackend(filled).call(Info()).vector_count == 21
    with pytest.raises(DimensionMismatch):
        await waiting.call(Query(vector(1.0)))
    await waiting.close()
    await waiting.close()
    with pytest.raises(ClientError, match="closed"):
        await waiting.call(Info())


async def test_many_calls_at_once_are_all_answered(filled: Engine) -> None:
    backend = AsyncEmbeddedBackend(filled)
    calls = [backend.call(Upsert((Record(f"m{i}", vector(1.0, i)),))) for i in range(50)]
    queries = [backend.call(Query(vector(1.0, 0.0))) for _ in range(50)]
    await asyncio.gather(*calls, *queries)
    assert (await backend.call(Info())).vector_count == 70
    await backend.close()


async def test_a_cancelled_start_leaves_no_query_open(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = AsyncEmbeddedBackend(filled)
    await cancelled_inside(backend, Gate(filled, monkeypatch), StartQuery(Query(vector(1.0, 0.0))))
    assert len(filled._sessions) == 0
    await backend.close()


async def test_a_cancelled_batch_comes_again(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = AsyncEmbeddedBackend(filled)
    uuid = start(filled, 1.0, 0.0, top_k=2)
    await cancelled_inside(backend, Gate(filled, monkeypatch), FetchNext(uuid, 3))
    batch = await backend.call(FetchNext(uuid, 4))
    assert [hit.id for hit in batch] == ["n2", "n3", "n4", "n5"]
    assert await backend.call(EndQuery(uuid)) == "Success"
    await backend.close()


async def test_a_call_cancelled_before_it_began_does_nothing(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = AsyncEmbeddedBackend(filled)
    gate = Gate(filled, monkeypatch)
    first = asyncio.create_task(backend.call(Upsert((Record("x", vector(1.0, 0.0)),))))
    await asyncio.to_thread(gate.entered.wait, 10)
    second = asyncio.create_task(backend.call(Upsert((Record("y", vector(1.0, 0.0)),))))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open.set()
    assert await first == "Success"
    assert (await backend.call(Info())).vector_count == 21
    await backend.close()


async def test_the_end_of_a_query_is_carried_out_though_it_is_cancelled_before_it_began(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = AsyncEmbeddedBackend(filled, threads=1)
    uuid = start(filled, 1.0, 0.0)
    gate = Gate(filled, monkeypatch)
    first = asyncio.create_task(backend.call(Info()))
    await asyncio.to_thread(gate.entered.wait, 10)
    end = asyncio.create_task(backend.call(EndQuery(uuid)))
    await asyncio.sleep(0)
    end.cancel()
    await asyncio.sleep(0.01)
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await end
    assert len(filled._sessions) == 0
    assert (await first).vector_count == 20
    await backend.close()
