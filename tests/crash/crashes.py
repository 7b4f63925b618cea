"""Killing a real process, and looking at what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from plan import NAMESPACES, Model, Step, steps

from clew.commands import FetchNext, Include, Range
from clew.engine.engine import Engine
from clew.engine.verify import verify
from clew.errors import QueryNotActive

HERE = Path(__file__).parent
KILL_BEFORE, KILL_AFTER, TORN, DISK_FULL, SYNC_FAILS, READ_ONLY = range(1, 7)
KILLED = -9


@dataclass
class Outcome:
    """How the process ended, which steps it acknowledged, what it said when it failed, and how often it
    wrote.
    """

    code: int
    answers: list[Any]
    failure: dict[str, str] | None
    calls: int | None


class Crashes:
    """A process that forks one to be killed for each call of `run`."""

    def __init__(self, build: Path) -> None:
        self.faults = build / "faults.so"
        compiler = os.environ.get("CC", "gcc")
        source = [str(HERE / "faults.c"), "-ldl"]
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(self.faults), *source], check=True)
        self._worker = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(self.faults), "OMP_NUM_THREADS": "1"},
        )

    def run(
        self,
        directory: Path,
        *,
        seed: int,
        at: int = 0,
        kind: int = 0,
        steps: int = 60,
        kill_after_s: float = 0,
        durability: str = "full",
        read: bool = False,
        images: bool = False,
        only: str = "",
        checkpoints: bool = False,
        step: int | None = None,
        traced: str = "",
    ) -> Outcome:
        """images: the namespaces have them. only: calls count that change a file whose name begins so.
        checkpoints: there are many. step: calls count from this one on, and the index is not closed. traced:
        nothing is disturbed, and all calls are appended to this file.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        told = directory.with_suffix(".told")
        order = {
            "directory": str(directory),
            "told": str(told),
            "faults": str(self.faults),
            "seed": seed,
            "at": at,
            "kind": kind,
            "steps": steps,
            "kill_after_s": kill_after_s,
            "durability": durability,
            "read": read,
            "images": images,
            "only": only,
            "checkpoints": checkpoints,
            "step": step,
            "traced": traced,
        }
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(json.dumps(order) + "\n")
        self._worker.stdin.flush()
        code = int(self._worker.stdout.readline())
        text = told.read_text() if told.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        calls = lines.pop()["calls"] if lines and "calls" in lines[-1] else None
        failure = lines.pop() if lines and "failed" in lines[-1] else None
        return Outcome(code, lines, failure, calls)

    def close(self) -> None:
        assert self._worker.stdin is not None
        self._worker.stdin.close()
        self._worker.wait(timeout=20)


def check(directory: Path, seed: int, answers: list[Any]) -> None:
    """Open the directory: every step that was acknowledged is there, of the one under way all or nothing, and
    every
    open query goes on exactly.
    """
    plan = list(islice(enumerate(steps(seed)), len(answers) + 1))
    model = Model()
    for (number, step), answer in zip(plan, answers, strict=False):
        model.apply(number, step, answer)
    number, step = plan[-1]
    engine = Engine.open(directory, threads=1)
    try:
        _check_records(engine, model, number, step)
        for key, query in model.queries.items():
            stopping = step.kind == "stop" and step.what == key
            try:
                _check_query(engine, query, tried=query.batch + 1)
            except QueryNotActive:
                assert stopping
    finally:
        engine.close()
    report = verify(directory)
    assert not report.problems, report.problems


def _check_records(engine: Engine, model: Model, number: int, step: Step) -> None:
    found = {name: records_of(engine, name) for name in NAMESPACES}
    if found == model.records:
        return
    assert step.kind in ("put", "drop"), f"step {number}, {step.kind}, changed records"
    model.apply(number, step, None)
    assert found == model.records


def records_of(engine: Engine, namespace: str) -> dict[str, int]:
    """By id the step that wrote it."""
    page = engine.execute(Range(limit=1000, include=Include(metadata=True), namespace=namespace))
    return {record.id: record.metadata["step"] for record in page.vectors if record.metadata}


def _check_query(engine: Engine, query: Any, tried: int) -> None:
    """Ask for the batch that may have been under way by its number, then for all the rest."""
    hits = engine.execute(FetchNext(query.uuid, 5, tried))
    again = engine.execute(FetchNext(query.uuid, 5, tried))
    assert [hit.id for hit in again] == [hit.id for hit in hits]
    while batch := engine.execute(FetchNext(query.uuid, 7)):
        hits += batch
    seen = query.returned + [hit.id for hit in hits]
    assert sorted(seen) == sorted(query.snapshot)
    assert {hit.id: hit.metadata["step"] for hit in hits}.items() <= query.snapshot.items()
