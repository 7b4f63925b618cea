"""Servers in processes of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from clew.server.indexes_file import create
from clew.types import IndexType


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def serving(*arguments: str, host: str = "127.0.0.1") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a server that is ready, and its process, which is stopped on the way out."""
    port = free_port()
    command = [sys.executable, "-m", "clew.cli", "serve", *arguments, "--host", host, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        until = time.monotonic() + 20
        while True:
            try:
                urlopen(f"{url}/ready").close()
                break
            except OSError:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until
                time.sleep(0.02)
        yield url, process
    finally:
        process.terminate()
        process.communicate(timeout=40)


def create_every_kind(directory: Path) -> list[str]:
    """Indexes "sparse", "hybrid" and "text", the last with models; the full token of each."""
    models = {"embedding_model": "builtin/hashing", "sparse_embedding_model": "BM25"}
    made = [
        create(directory, "sparse", type=IndexType.SPARSE),
        create(directory, "hybrid", type=IndexType.HYBRID),
        create(directory, "text", type=IndexType.HYBRID, **models),
    ]
    return [tokens.full for tokens in made]
