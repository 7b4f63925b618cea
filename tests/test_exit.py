"""A program that ends without closing anything ends quietly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from clew import Index

SCRIPT = """
import numpy as np
from clew import Index

rows = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
index = Index()
for _ in range(3):  # enough for the background to start
    index.upsert_arrays([str(i) for i in range(3000)], rows)
query = index.resumable_query(rows[0], top_k=2)
query.start()
print(len(query.fetch_next(10)))
"""

FORK = """
import os
from clew import Index

index = Index({!r})
index.upsert([("a", [1.0, 0.0])])
if os.fork() == 0:
    raise SystemExit
os.wait()
index.upsert([("b", [0.0, 1.0])])
print(index.fetch("b")[0].id)
"""


def test_an_index_and_a_query_left_open_say_nothing_at_exit() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "10\n", "")


def test_an_index_that_nobody_has_any_more_lets_go_of_its_directory(tmp_path: Path) -> None:
    index = Index(tmp_path)
    index.upsert([("a", [1.0, 0.0])])
    del index
    with Index(tmp_path) as again:
        assert again.fetch("a")[0].id == "a"


def test_a_fork_that_ends_leaves_the_index_of_its_parent_open(tmp_path: Path) -> None:
    script = FORK.format(str(tmp_path))
    command = [sys.executable, "-W", "ignore", "-c", script]  # newer Pythons warn of any fork beside threads
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "b\n", "")
