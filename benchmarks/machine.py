"""The machine and process that a run was taken on, and where its thread may run."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

PACKAGES = ("clew", "numpy", "hnswlib", "faiss-cpu", "usearch", "scalable-vs", "voyager", "pyvsag")


def describe() -> dict[str, object]:
    """What a reader needs to judge the numbers: processor, load, priority, versions, commit."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "instruction_sets": _instruction_sets(),
        "commit": _commit(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def version(package: str) -> str:
    """The installed version of a distribution, or "unknown"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def pin(cpu: int | None) -> None:
    """Keep this process on one processor (where the system can), or leave it free with None."""
    if cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


@contextmanager
def unpinned() -> Iterator[None]:
    """Every processor for the length of the block: for work that is meant to use several threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().split("\n\n")[0].splitlines()
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        family, model = facts.get("cpu family", "?"), facts.get("model", "?")
        return f"{facts.get('model name', platform.machine())} (family {family}, model {model})"
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _versions() -> dict[str, str]:
    found = {package: version(package) for package in PACKAGES}
    return {package: number for package, number in found.items() if number != "unknown"}


def _instruction_sets() -> list[str]:
    try:
        from clew._core import INSTRUCTION_SETS
    except ImportError:
        return []
    return list(INSTRUCTION_SETS)


def _commit() -> str:
    answer = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()
