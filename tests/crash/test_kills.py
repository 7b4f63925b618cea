"""A process is killed while it writes; what it acknowledged is there, and its queries go on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from crashes import KILL_AFTER, KILL_BEFORE, KILLED, TORN, Crashes, check
from plan import steps

KINDS = {KILL_BEFORE: "before", KILL_AFTER: "after", TORN: "torn"}
STEPS = 60
FAST_KILLS, SLOW_KILLS_AT_CALLS, SLOW_KILLS_IN_IMAGES, SLOW_KILLS_AT_RANDOM = 9, 210, 80, 90


def test_a_plan_that_is_not_disturbed_is_carried_out(crashes: Crashes, tmp_path: Path) -> None:
    outcome = crashes.run(tmp_path / "index", seed=1, steps=STEPS)
    assert (outcome.code, len(outcome.answers)) == (0, STEPS)
    assert outcome.calls is not None
    assert outcome.calls > 100
    check(tmp_path / "index", 1, outcome.answers)


def kill_at_calls(crashes: Crashes, where: Path, kills: int, seed: int) -> None:
    """Spread over all calls of a plan, so that none of a commit, a checkpoint or a purge is left out for
    long.
    """
    calls = crashes.run(where / "whole", seed=seed, steps=STEPS).calls
    assert calls is not None
    draw = random.Random(seed)
    killed = 0
    for n in range(kills):
        at = 1 + (n * calls) // kills + draw.randrange(max(1, calls // kills))
        kind = draw.choice(list(KINDS))
        directory = where / f"{at}-{KINDS[kind]}-{n}"
        durability = draw.choice(["full", "normal"])
        outcome = crashes.run(directory, seed=seed, at=at, kind=kind, steps=STEPS, durability=durability)
        killed += outcome.code == KILLED
        check(directory, seed, outcome.answers)
    assert killed >= 0.6 * kills  # "normal" writes less, so that late calls never come


def test_nothing_is_lost_wherever_a_call_is_cut_off(crashes: Crashes, tmp_path: Path) -> None:
    kill_at_calls(crashes, tmp_path, FAST_KILLS, seed=2)


def kill_at_every_call(crashes: Crashes, where: Path, seed: int, step: int) -> int:
    """Before, in and after every call of one step. How many there are."""
    options: Any = {"seed": seed, "step": step, "steps": step + 1}
    calls = crashes.run(where / "whole", **options).calls or 0
    for at in range(1, calls + 1):
        for kind, how in KINDS.items():
            directory = where / f"{at}-{how}"
            outcome = crashes.run(directory, at=at, kind=kind, **options)
            assert outcome.code == KILLED
            check(directory, seed, outcome.answers)
    return calls


def first_step(seed: int, kind: str) -> int:
    """Past the first two, which fill the namespaces."""
    return next(n for n, step in enumerate(steps(seed)) if step.kind == kind and n > 1)


@pytest.mark.parametrize("kind", ["fetch"])
def test_nothing_is_lost_at_any_call_of_a_batch(crashes: Crashes, tmp_path: Path, kind: str) -> None:
    assert kill_at_every_call(crashes, tmp_path, 2, first_step(2, kind)) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["put", "drop", "start", "stop", "compact"])
def test_nothing_is_lost_at_any_call_of_a_commit(crashes: Crashes, tmp_path: Path, kind: str) -> None:
    assert kill_at_every_call(crashes, tmp_path, 2, first_step(2, kind)) >= 3


@pytest.mark.slow
def test_nothing_is_lost_at_any_call(crashes: Crashes, tmp_path: Path) -> None:
    for seed in (3, 4, 5):
        kill_at_calls(crashes, tmp_path / str(seed), SLOW_KILLS_AT_CALLS // 3, seed)


def kill_in_images(crashes: Crashes, where: Path, kills: int, seed: int) -> None:
    """The same, but of the calls that make images."""
    options: Any = {"seed": seed, "steps": STEPS, "images": True, "only": "clew.1.image"}
    whole = crashes.run(where / "whole", **options)
    calls = whole.calls
    assert calls is not None
    assert calls > 30
    check(where / "whole", seed, whole.answers)
    draw = random.Random(seed)
    killed = 0
    for n in range(kills):
        at, kind = 1 + n * calls // kills, draw.choice(list(KINDS))
        directory = where / f"{at}-{KINDS[kind]}-{n}"
        outcome = crashes.run(directory, at=at, kind=kind, **options)
        killed += outcome.code == KILLED
        check(directory, seed, outcome.answers)
        assert not list(directory.glob("*.new"))
    assert (
        killed >= 0.5 * kills
    )  # how many images there are depends on how quick the thread is that makes them


def test_nothing_is_lost_when_an_image_is_cut_off(crashes: Crashes, tmp_path: Path) -> None:
    kill_in_images(crashes, tmp_path, FAST_KILLS, seed=8)


@pytest.mark.slow
def test_nothing_is_lost_wherever_an_image_is_cut_off(crashes: Crashes, tmp_path: Path) -> None:
    for seed in (9, 10):
        kill_in_images(crashes, tmp_path / str(seed), SLOW_KILLS_IN_IMAGES // 2, seed)


@pytest.mark.slow
def test_nothing_is_lost_at_any_moment(crashes: Crashes, tmp_path: Path) -> None:
    draw = random.Random(6)
    for seed in range(SLOW_KILLS_AT_RANDOM):
        after = draw.uniform(0.02, 0.6)
        outcome = crashes.run(tmp_path / str(seed), seed=seed, steps=1_000_000, kill_after_s=after)
        assert outcome.code == KILLED
        check(tmp_path / str(seed), seed, outcome.answers)


@pytest.mark.slow
def test_a_directory_survives_one_kill_after_the_other(crashes: Crashes, tmp_path: Path) -> None:
    for at in range(1, 60, 3):
        crashes.run(tmp_path / "index", seed=7, at=at, kind=KILL_AFTER, steps=8)
    (tmp_path / "index.told").unlink(missing_ok=True)
    outcome = crashes.run(tmp_path / "index", seed=7, steps=STEPS)
    assert outcome.code == 0
    check(tmp_path / "index", 7, outcome.answers)
