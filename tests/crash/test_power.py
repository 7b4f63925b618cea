"""The power goes: what was synced is on the disk, of what was not any part may be."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from crashes import Crashes, check, records_of
from plan import NAMESPACES, Model, steps
from power import Disk, calls

from clew.commands import FetchNext
from clew.engine.engine import Engine
from clew.engine.verify import verify
from clew.errors import QueryNotActive

STEPS = 60
FAST_LOSSES, SLOW_LOSSES = 12, 250


def lose_power(
    crashes: Crashes,
    where: Path,
    seed: int,
    losses: int,
    examine: Callable[[Path, int, list[Any]], None],
    durability: str,
) -> None:
    """Trace a plan, and examine what the disk may hold after some of its calls."""
    directory, trace = where / "index", where / "trace"
    options: dict[str, Any] = {"images": True, "checkpoints": True, "durability": durability}
    outcome = crashes.run(directory, seed=seed, steps=STEPS, traced=str(trace), **options)
    assert (outcome.code, len(outcome.answers)) == (0, STEPS)
    traced, draw = list(calls(trace)), random.Random(seed)
    assert len(traced) > 300
    chosen = set(draw.sample(range(len(traced)), losses))
    disk, acknowledged = Disk(str(directory)), 0
    for number, call in enumerate(traced):
        disk.do(call)
        acknowledged += call.what == "A"
        if number in chosen:
            disk.lose_power(where / str(number), draw)
            examine(where / str(number), seed, outcome.answers[:acknowledged])


def examine_normal(directory: Path, seed: int, answers: list[Any]) -> None:
    """The records are those of some state; a query that is active returns nothing twice."""
    states, model = [Model().records], Model()
    plan = islice(enumerate(steps(seed)), len(answers) + 1)
    for (number, step), answer in zip(plan, [*answers, None], strict=True):
        if step.kind in ("put", "drop") or answer is not None:
            model.apply(number, step, answer)
            states.append(copy.deepcopy(model.records))
    engine = Engine.open(directory, threads=1)
    try:
        assert {name: records_of(engine, name) for name in NAMESPACES} in states
        for query in model.queries.values():
            rest: list[str] = []
            try:
                while batch := engine.execute(FetchNext(query.uuid, 9)):
                    rest += [hit.id for hit in batch]
            except QueryNotActive:
                continue
            assert len(set(rest)) == len(rest)
            assert set(rest) <= set(query.snapshot)
    finally:
        engine.close()
    assert verify(directory).problems == ()


def test_with_full_durability_nothing_that_was_acknowledged_is_lost(crashes: Crashes, tmp_path: Path) -> None:
    lose_power(crashes, tmp_path, 21, FAST_LOSSES, check, "full")


def test_with_normal_durability_an_earlier_state_is_found_whole(crashes: Crashes, tmp_path: Path) -> None:
    lose_power(crashes, tmp_path, 22, FAST_LOSSES, examine_normal, "normal")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [23, 24])
@pytest.mark.parametrize(("durability", "examine"), [("full", check), ("normal", examine_normal)])
def test_whenever_the_power_goes_what_is_promised_is_kept(
    crashes: Crashes, tmp_path: Path, seed: int, durability: str, examine: Any
) -> None:
    lose_power(crashes, tmp_path, seed, SLOW_LOSSES, examine, durability)
