"""`python -m benchmarks`: run suites, print their tables, keep the records as JSON."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from benchmarks import bars, data, machine, quality, sparse
from benchmarks.bench import Bench
from benchmarks.data import Dataset
from benchmarks.peers import ENGINES, available
from benchmarks.records import Record, Run, table

SUITES = ("build", "oneshot", "overhead", "paging", "filtered", "delete", "memory")
NAMED_ONLY = ("http", "durable")  # need both processors to themselves, or the disk
SUITES_HELP = f"any of {', '.join(SUITES)} (all when none is named), {', '.join(NAMED_ONLY)}"
HTTP_DATA = ("synth-10k-384",)
DEFAULT_ENGINES = ("clew", "clew-index", "hnswlib", "numpy")
SHORT_DATA = ("synth-50k-128",)
FULL_DATA = ("synth-200k-128", "synth-100k-768", "fashion-mnist-784")


def main() -> None:
    """Parse the command line and measure."""
    if sys.argv[1:2] == ["quality"]:  # of texts that people have judged, not of vectors
        quality.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["sparse"]:  # of corpora, beside engines of their own
        sparse.main(sys.argv[2:])
        return
    options = _options()
    machine.pin(None if options.cpu < 0 else options.cpu)
    everyone = options.engines == "all"
    wanted = [*ENGINES] if everyone else [name for name in options.engines.split(",") if name]
    engines = tuple(name for name in ENGINES if name in wanted and available(name))
    skipped = [name for name in wanted if name not in engines]
    if skipped:
        print(f"not installed, left out: {', '.join(skipped)}")
    run = Run(machine.describe(), {**vars(options), "engines": engines})
    path = Path(options.out or data.HOME / "results" / time.strftime("%Y%m%d-%H%M%S.json"))
    print(f"{run.machine}\n")
    dimensions: dict[str, int] = {}
    for name in _names(options):
        try:
            dataset = data.load(name)
        except ValueError as reason:
            print(f"left out: {reason}")
            continue
        dimensions[dataset.name] = dataset.dimension
        for made in _measure(dataset, engines, options):
            run.records += made
            run.save(path)
    print(bars.table(run.records, dimensions))
    print(f"\nrecords: {path}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", help=SUITES_HELP)
    parser.add_argument("--full", action="store_true", help=f"{', '.join(FULL_DATA)} and more rounds")
    parser.add_argument("--data", default="", help=f"data sets, by comma; {data.__doc__}")
    parser.add_argument(
        "--engines", default=",".join(DEFAULT_ENGINES), help=f"all, or of {', '.join(ENGINES)}"
    )
    parser.add_argument("--rounds", type=int, default=0, help="repetitions in turn; 5, or 7 with --full")
    parser.add_argument("--cpu", type=int, default=(os.cpu_count() or 1) - 1, help="pin to it; -1: do not")
    parser.add_argument("--out", default="", help="the JSON file; benchmarks/results/TIME.json")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES + NAMED_ONLY]
    if unknown:
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES + NAMED_ONLY)}")
    return options


def _names(options: argparse.Namespace) -> list[str]:
    usual = HTTP_DATA if options.suites == ["http"] else FULL_DATA if options.full else SHORT_DATA
    names = options.data.split(",") if options.data else usual
    return [name for name in names if name]


def _measure(
    dataset: Dataset, engines: tuple[str, ...], options: argparse.Namespace
) -> Iterator[list[Record]]:
    """The records of each suite over one data set."""
    bench = Bench(dataset, engines, options.rounds or (7 if options.full else 5), not options.full)
    print(
        f"# {dataset.name}: {dataset.size:,} x {dataset.dimension} {dataset.metric.lower()},"
        f" {len(dataset.queries)} queries, intrinsic dimension {data.intrinsic_dimension(dataset):.1f},"
        f" fingerprint {dataset.fingerprint()}\n",
        flush=True,
    )
    for suite in SUITES + NAMED_ONLY:
        if suite in (options.suites or SUITES):
            yield _suite(importlib.import_module(f"benchmarks.suites.{suite}"), bench)


def _suite(suite: ModuleType, bench: Bench) -> list[Record]:
    started = time.perf_counter()
    made: list[Record] = suite.run(bench)
    print(f"\n## {suite.LAYOUT.title} ({bench.dataset.name}, {time.perf_counter() - started:.0f} s)\n")
    print(table(suite.LAYOUT, made) + "\n", flush=True)
    return made


if __name__ == "__main__":
    main()
