"""Start a server, and stop it: what runs is finished, then everything is closed."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from clew.engine.engine import Engine
from clew.engine.lock import DirectoryLock
from clew.errors import ClientError
from clew.server import indexes_file
from clew.server.api import BODY_BYTES_MAX, Limits
from clew.server.app import App
from clew.server.auth import Tokens
from clew.server.hosted import RECORDS_MAX, Hosted, Pool
from clew.server.lines import Line

HOST_DEFAULT, PORT_DEFAULT = "127.0.0.1", 8080
# Longer than clients keep a connection that idles, so that they close it, and never write into a closing one.
KEEP_ALIVE_S = 75
GRACE_S = 30
# How long the event loop waits for its turn while other threads work in Python: by default 5 ms, each time.
SWITCH_S = 0.001
# A connection each; more wait in the queue of the system.
BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Options:
    """What `clew serve` was told. `directory` of None, which goes with `dev` alone: an index in memory."""

    directory: Path | None
    host: str = HOST_DEFAULT
    port: int = PORT_DEFAULT
    dev: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    log_access: bool = False
    records_max: int = RECORDS_MAX


def serve(options: Options) -> None:
    """Serve until SIGINT or SIGTERM. Raises ClewError where an index cannot be opened."""
    if options.dev and not _is_loopback(options.host):
        raise ClientError(f"--dev opens the index to everybody, so not on {options.host!r}; leave out --host")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    access = logging.getLogger("clew.access")
    access.setLevel(logging.INFO)
    access.propagate = False
    access.addHandler(_bare_lines())
    _take_all_files()
    sys.setswitchinterval(SWITCH_S)
    with opened(options) as indexes, _listening(options) as listening:
        app = App(indexes, Limits(options.body_bytes_max), log_access=options.log_access)
        line: Any = functools.partial(Line, short_path=app)
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            http=line,
            ws="none",
            proxy_headers=options.log_access,  # who asked is of use there only
            log_level="warning",
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        _run(uvicorn.Server(config), listening, _greeting(options, list(indexes)))


@contextlib.contextmanager
def opened(options: Options) -> Iterator[dict[str, Hosted]]:
    """The indexes to serve by name, closed on the way out."""
    pool = Pool()
    indexes: dict[str, Hosted] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(pool.close)
        if options.dev:
            indexes[""] = Hosted(
                "", Engine.open(options.directory), Tokens(None), pool, records_max=options.records_max
            )
            stack.callback(indexes[""].close)
        else:
            assert options.directory is not None
            for entry in _entries(options.directory, stack):
                where = options.directory / entry.name
                engine = Engine.open(
                    where,
                    dimension=entry.dimension,
                    metric=entry.metric,
                    type=entry.type,
                    embedding_model=entry.embedding_model,
                    sparse_embedding_model=entry.sparse_embedding_model,
                )
                indexes[entry.name] = Hosted(
                    entry.name, engine, entry.tokens, pool, records_max=options.records_max
                )
                stack.callback(indexes[entry.name].close)
        yield indexes


def _entries(directory: Path, stack: contextlib.ExitStack) -> list[indexes_file.IndexEntry]:
    entries = indexes_file.load(directory)
    if not entries:
        raise ClientError(
            f"{directory} has no indexes to serve: make one with `clew create {directory} NAME`, "
            "or try one without a token with `clew serve --dev`"
        )
    stack.callback(DirectoryLock(directory).release)
    return entries


def _listening(options: Options) -> socket.socket:
    host, port = options.host, options.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ClientError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error


def _run(server: uvicorn.Server, listening: socket.socket, greeting: str) -> None:
    # uvicorn raises a signal again once it has shut down. Here it has done its work by then.
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        print(greeting, flush=True)
        server.run([listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _take_all_files() -> None:
    """A connection takes a file, and the soft limit is often 1,024, for programs with select()."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such thing here, or not allowed
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _ignore(number: int, frame: object) -> None:
    """Nothing."""


def _greeting(options: Options, names: list[str]) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{options.port}"
    if not options.dev:
        return "\n".join(f"Serving {url}/{name}" for name in names)
    return (
        f"Serving {url} (open: any token will do, and so will none)\n"
        f"  URL    {url}\n"
        f"  token  dev\n"
        f"Try it:\n"
        f"""  curl {url}/upsert -d '{{"id": "a", "vector": [0.1, 0.2]}}'\n"""
        f"""  curl {url}/query -d '{{"vector": [0.1, 0.2], "topK": 5}}'"""
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bare_lines() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
