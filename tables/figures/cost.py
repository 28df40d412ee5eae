"""Cost against error: seconds of one training against the error, relative to the best column of each cell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.config.paper import Paper
from tables.figures.style import heading, legend, look, plain, saved
from tables.rows.row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Points = dict[str, list[tuple[float, float]]]
"""Column → seconds and excess error (percent above the best) of each cell."""


def points(paper: Paper, rows: Sequence[Row]) -> Points:
    """Of the cells in which at least two columns have Results; a column with its own SAM setting."""
    cells: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        if row.key.metric == "mse" and row.own_sam and row.ours.mean is not None and row.seconds:
            cells.setdefault((row.key.dataset, row.key.horizon), {})[row.key.model] = row
    found: Points = {name: [] for name in paper.columns}
    for of_cell in cells.values():
        best = min(row.ours.mean or 0.0 for row in of_cell.values())
        if len(of_cell) > 1 and best > 0:
            for name, row in of_cell.items():
                found[name].append((row.seconds or 0.0, 100 * ((row.ours.mean or 0.0) / best - 1)))
    return {name: of_column for name, of_column in found.items() if of_column}


def pictures(paper: Paper, rows: Sequence[Row], title: str) -> dict[str, bytes]:
    """`png` and `svg`; nothing where there are no two columns to compare."""
    found = points(paper, rows)
    return saved(lambda: _draw(found, title)) if len(found) > 1 else {}


def _draw(found: Points, title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, NullLocator

    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axis = figure.subplots()
    entries = []
    for place, (name, of_column) in enumerate(found.items()):
        style = look(place)
        axis.plot([s for s, _ in of_column], [e for _, e in of_column], linestyle="none", markersize=3, alpha=0.35, **style)
        middle = [statistics.median(values) for values in zip(*of_column, strict=True)]
        axis.plot(*middle, linestyle="none", markersize=9, markeredgecolor="black", **style)
        entries.append(Line2D([], [], linestyle="none", label=f"{plain(name)} ({len(of_column)})", **style))
    seconds, errors = zip(*(point for of_column in found.values() for point in of_column), strict=True)
    first, last = math.floor(math.log10(min(seconds) * 0.9)), math.ceil(math.log10(max(seconds) * 1.1))
    worst = max(*errors, 1)
    axis.set_xscale("log")
    axis.set_xlim(10.0**first, 10.0**last)
    axis.set_xticks(_round(first, last))
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(-0.2, worst * 1.5)
    axis.set_yticks([0, *(tick for tick in _round(0, math.ceil(math.log10(worst * 1.2))) if tick <= worst * 1.5)])
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        scale.set_minor_locator(NullLocator())
    axis.set_xlabel("seconds of one training (mean over the seeds, as run)")
    axis.set_ylabel("MSE above the best column of the cell, %")
    heading(figure, f"{title}. Small: a cell; large: the column's median; in brackets the number of cells")
    legend(figure, entries)
    return figure


def _round(first: int, last: int) -> list[float]:
    """Round numbers from 10^first to 10^last: 1, 2, 5, 10, …; of many powers of ten these alone."""
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    return [factor * 10.0**power for power in range(first, last) for factor in factors] + [10.0**last]
