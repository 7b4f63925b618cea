"""How tests open an index of each kind."""

from __future__ import annotations

import asyncio
import atexit
import socket
import threading
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn

from clew import AsyncIndex, Index, IndexType
from clew.backends.base import AsyncBackend, Backend
from clew.engine.engine import Engine
from clew.server.api import Limits
from clew.server.app import App
from clew.server.auth import Tokens, digest
from clew.server.hosted import Hosted, Pool
from clew.server.lines import Line

KINDS = ["memory", "directory", "remote"]
TOKEN, READ_ONLY = "full-token", "read-only-token"


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class ThreadedServer:
    """A server on a thread, with as many indexes as tests put up."""

    def __init__(
        self,
        limits: Limits | None = None,
        line: type[Line] = Line,
        keep_alive_s: float = 5,
        grace_s: int | None = None,
    ) -> None:
        self.indexes: dict[str, Hosted] = {}
        self.pool = Pool()
        self._names = count()
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = App(self.indexes, limits)
        made: Any = partial(line, short_path=app)
        config = uvicorn.Config(
            app,
            http=made,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="critical",
            timeout_keep_alive=keep_alive_s,
            timeout_graceful_shutdown=grace_s,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()

    def host(self, engine: Engine) -> Hosted:
        """Serve `engine` under a name of its own."""
        name = f"index-{next(self._names)}"
        self.indexes[name] = Hosted(name, engine, Tokens(digest(TOKEN), digest(READ_ONLY)), self.pool)
        return self.indexes[name]

    def stop(self, hosted: Hosted) -> None:
        """Serve it no longer."""
        if self.indexes.pop(hosted.name, None) is not None:
            hosted.close()

    def tell_to_stop(self, *, twice: bool = False) -> None:
        self._server.should_exit = True
        self._server.force_exit = twice

    def close(self) -> None:
        self.tell_to_stop()
        self._thread.join()
        for hosted in list(self.indexes.values()):
            self.stop(hosted)
        self.pool.close()


@cache
def server() -> ThreadedServer:
    """The one that the tests of a run share."""
    made = ThreadedServer()
    atexit.register(made.close)
    return made


def open_index(
    where: Path | None, clock: FakeClock | None = None, *, remote: bool = False, **settings: Any
) -> Index:
    """An index in `where`, or in memory; one that runs on `clock` is made by hand, as is one on a server."""
    if remote:
        hosted = server().host(_engine(where, clock, settings))
        index = Index(f"{server().url}/{hosted.name}", TOKEN)
        return Index.over(_Stopping(index._backend, hosted))
    if clock is None:
        return Index(where, **settings)
    from clew.backends.embedded import EmbeddedBackend

    return Index.over(EmbeddedBackend(_engine(where, clock, settings)))


def open_async_index(where: Path | None, *, remote: bool = False, **settings: Any) -> AsyncIndex:
    """The same for code that awaits."""
    if not remote:
        return AsyncIndex(where, **settings)
    hosted = server().host(_engine(where, None, settings))
    index = AsyncIndex(f"{server().url}/{hosted.name}", TOKEN)
    return AsyncIndex.over(_AsyncStopping(index._backend, hosted))


def _engine(where: Path | None, clock: FakeClock | None, settings: dict[str, Any]) -> Engine:
    renamed = {("metric" if name == "similarity_function" else name): v for name, v in settings.items()}
    if "metric" in renamed:
        from clew import Metric

        renamed["metric"] = Metric(renamed["metric"])
    if "type" in renamed:
        renamed["type"] = IndexType(renamed["type"])
    if clock is not None:
        renamed["clock"] = clock
    return Engine.open(where, **renamed)


class _Stopping:
    """A backend that takes its index from the server when it is closed."""

    def __init__(self, backend: Backend, hosted: Hosted) -> None:
        self._backend = backend
        self._hosted = hosted
        self.call = backend.call

    def close(self) -> None:
        self._backend.close()
        server().stop(self._hosted)


class _AsyncStopping:
    """The same for code that awaits."""

    def __init__(self, backend: AsyncBackend, hosted: Hosted) -> None:
        self._backend = backend
        self._hosted = hosted
        self.call = backend.call

    async def close(self) -> None:
        await self._backend.close()
        await asyncio.to_thread(server().stop, self._hosted)
