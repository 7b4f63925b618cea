"""`python -m benchmarks.plots RUN.json`: recall against rate, and the time to page; SVG in docs/figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

FIGURES = Path("docs/figures")
CURVES = "oneshot"
PAGING = "paging"
RECALL_SHOWN = (0.9, 1.0)
OWN, OTHERS = "#c2410c", ["#1e3a8a", "#0f766e", "#6b7280", "#7c3aed", "#a16207", "#be185d"]
# Text as text: smaller files, and readers can search them. A fixed salt: the same run gives the same file.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "clew",
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
}

Row = dict[str, Any]


def main() -> None:
    """Draw every data set of the runs named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="JSON files of benchmarks/results")
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder for the SVG files; %(default)s")
    options = parser.parse_args()
    rows = [row for run in options.runs for row in json.loads(run.read_text())["records"]]
    options.out.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update(STYLE)
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        _draw_curves(dataset, own, options.out / f"recall-{dataset}.svg")
        _draw_paging(dataset, own, options.out / f"paging-{dataset}.svg")


def _draw_curves(dataset: str, rows: list[Row], path: Path) -> None:
    """Queries per second over recall, a line for each engine."""
    points = [
        row for row in rows if row["suite"] == CURVES and row["case"].startswith(f"{row['engine']} ef=")
    ]
    names = [name for name in _engines(points) if sum(row["engine"] == name for row in points) > 1]
    if not names:
        return
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, colour in zip(names, _colours(names), strict=True):
        values = [row["values"] for row in points if row["engine"] == name]
        shown = [value for value in values if value["recall"] >= RECALL_SHOWN[0]]
        line = axes.plot(
            [value["recall"] for value in shown],
            [value["queries_per_s"] for value in shown],
            marker="o",
            markersize=3.5,
            color=colour,
            linewidth=2.4 if name == "clew" else 1.4,
        )
        line[0].set_label(name)
    axes.set(
        xlim=RECALL_SHOWN,
        yscale="log",
        xlabel="recall@10",
        ylabel="queries per second, one thread",
        title=dataset,
    )
    for formatted in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatted(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.legend(frameon=False)
    _save(figure, path)


def _draw_paging(dataset: str, rows: list[Row], path: Path) -> None:
    """Milliseconds for each way to read in batches, a bar for each."""
    read = [row for row in rows if row["suite"] == PAGING and "total_ms" in row["values"]]
    cases = list(dict.fromkeys(row["case"] for row in read))
    if not cases:
        return
    figure, panels = plt.subplots(
        1, len(cases), figsize=(4 * len(cases), 3.6), layout="constrained", squeeze=False
    )
    for axes, case in zip(panels[0], cases, strict=True):
        bars = [row for row in read if row["case"] == case and ", one query" not in row["engine"]]
        bars.sort(key=lambda row: -float(row["values"]["total_ms"]))
        names = [row["engine"] for row in bars]
        drawn = axes.barh(names, [row["values"]["total_ms"] for row in bars], log=True)
        for bar, name in zip(drawn, names, strict=True):
            bar.set_color(OWN if name.startswith("clew") else "#9ca3af")
        axes.bar_label(
            drawn,
            fmt=lambda value: f"{value:,.3g}" if value < 1000 else f"{value:,.0f}",
            padding=2,
            fontsize=8,
        )
        axes.set(title=case, xlabel="ms in total, logarithmic")
        axes.xaxis.set(major_formatter=NullFormatter(), minor_formatter=NullFormatter())  # the bars say it
        axes.margins(x=0.25)
    figure.suptitle(dataset)
    _save(figure, path)


def _engines(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["engine"] for row in rows))


def _colours(names: list[str]) -> list[str]:
    others = iter(OTHERS * (len(names) // len(OTHERS) + 1))
    return [OWN if name == "clew" else next(others) for name in names]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(path)


if __name__ == "__main__":
    main()
