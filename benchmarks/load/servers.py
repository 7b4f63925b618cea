"""Servers in processes of their own, on a processor that the load does not use."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

from benchmarks.truth import Floats

READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """One that is ready."""

    url: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """Processor time that it has used so far, all threads, in seconds."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def bytes(self) -> int:
        """Its resident memory."""
        return int(self.process.memory_info().rss)


@contextmanager
def clew() -> Iterator[Server]:
    """`clew serve --dev`: the product as users run it, with an empty index in memory."""
    port = _free_port()
    with _running([sys.executable, "-m", "clew.cli", "serve", "--dev", "--port", str(port)], port) as server:
        yield server


@contextmanager
def fastapi(vectors: Floats) -> Iterator[Server]:
    """The same engine behind a handler in FastAPI, over `vectors` of shape (n, dimension)."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/vectors.npy", vectors)
        program = [sys.executable, "-m", "benchmarks.load.fastapi_app", str(port), f"{folder}/vectors.npy"]
        with _running(program, port) as server:
            yield server


@contextmanager
def busy() -> Iterator[None]:
    """The processor where servers would be does something else: under load, neither of two is ever alone."""
    program = "print(flush=True)\nwhile True: sum(range(1000))"
    spinning = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    _pin_apart(spinning.pid)
    assert spinning.stdout is not None
    spinning.stdout.readline()
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()


@contextmanager
def _running(command: list[str], port: int) -> Iterator[Server]:
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _pin_apart(started.pid)
    try:
        until = time.monotonic() + READY_S
        while not _listens(port):
            if started.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{' '.join(command)} did not start")
            time.sleep(0.05)
        yield Server(f"http://127.0.0.1:{port}", psutil.Process(started.pid))
    finally:
        started.terminate()
        started.wait()


def _pin_apart(pid: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        mine = os.sched_getaffinity(0)
        others = set(range(os.cpu_count() or 1)) - mine
        os.sched_setaffinity(pid, others or mine)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
