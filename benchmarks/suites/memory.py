"""Bytes held per vector: the growth of a fresh process that does nothing but build one index."""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.bench import Bench
from benchmarks.data import HOME, load
from benchmarks.peers import engine_class
from benchmarks.records import Layout, Record

LAYOUT = Layout(
    "Memory, in a process of its own",
    ("bytes_per_vector", "of_which_vector", "grown_mib", "peak_mib"),
    ratio="bytes_per_vector",
    more_is_better=False,
)


def run(bench: Bench) -> list[Record]:
    """Every engine that keeps a copy of the vectors."""
    made = []
    for name in bench.engines:
        if engine_class(name).exact:
            continue
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.suites.memory", name, bench.dataset.source],
            cwd=HOME.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            print(answer.stderr, file=sys.stderr)
            continue
        grown, peak = json.loads(answer.stdout.splitlines()[-1])
        made.append(
            bench.record(
                "memory",
                name,
                "after the build",
                bytes_per_vector=grown / bench.dataset.size,
                of_which_vector=4 * bench.dataset.dimension,
                grown_mib=grown / 2**20,
                peak_mib=peak / 2**20,
            )
        )
    return made


def measure(name: str, dataset_name: str) -> tuple[int, int]:
    """Bytes by which this process has grown after building one index, and at the most."""
    dataset = load(dataset_name)
    engine = engine_class(name)(dataset.dimension, dataset.metric, dataset.size)
    before = _held()
    with machine.unpinned():
        engine.build(dataset.base, os.cpu_count() or 1)
    peak = _peak()
    return _held() - before, peak - before


def _held() -> int:
    """Resident bytes of this process after giving back what is free."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        return _status("VmRSS")
    psutil: Any = importlib.import_module("psutil")
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    return _status("VmHWM") if sys.platform == "linux" else 0


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) * 1024


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2])))
