"""Cost against error: seconds of one training against the error, relative to the best column of each cell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from benchmark.config.paper import Paper
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points
from tables.figures.style import style_of_series
from tables.rows.means import cell_name
from tables.rows.row import Row


def figure(paper: Paper, rows: Sequence[Row], about: str) -> Figure | None:
    """None where there are no two columns to compare. `about`: how the title begins."""
    found = _by_column(paper, rows)
    if len(found) < 2:
        return None
    panel = Panel(
        x=_seconds([x for cells in found.values() for x in cells.x]),
        y=_errors(paper.metric.title, [y or 0.0 for cells in found.values() for y in cells.y]),
        marks=(*found.values(), *(_median(cells, place) for place, cells in enumerate(found.values()))),
    )
    legend = [
        LegendEntry(name=f"{name} ({len(cells.x)})", style=style_of_series(place))
        for place, (name, cells) in enumerate(found.items())
    ]
    return Figure(
        name="cost", title=f"{about}: cost against error", panels=(panel,), panel_size=(5.6, 3.1), legend=tuple(legend),
        notes=("Small: a cell; large: the column's median; in brackets the number of cells",),
    )  # fmt: skip


def _by_column(paper: Paper, rows: Sequence[Row]) -> dict[str, Points]:
    """Of the cells in which at least two columns have Results; a column with its own SAM setting."""
    by_cell: dict[tuple[str, int], dict[str, tuple[float, float]]] = {}
    for row in rows:
        if row.key.metric == paper.metric.name and row.own_sam and row.ours.mean is not None and row.seconds:
            of_cell = by_cell.setdefault((row.key.dataset, row.key.horizon), {})
            of_cell[row.key.model] = row.seconds, row.ours.mean
    found: dict[str, list[tuple[float, float, str]]] = {name: [] for name in paper.columns}
    for (dataset, horizon), of_cell in by_cell.items():
        best = min(mse for _, mse in of_cell.values())
        if len(of_cell) > 1 and best > 0:
            for name, (seconds, mse) in of_cell.items():
                found[name].append((seconds, 100 * (mse / best - 1), cell_name(dataset, horizon, ", ")))
    filled = [(name, cells) for name, cells in found.items() if cells]
    return {name: _points(name, place, cells) for place, (name, cells) in enumerate(filled)}


def _points(name: str, place: int, cells: Sequence[tuple[float, float, str]]) -> Points:
    seconds, errors, labels = zip(*cells, strict=True)
    style = style_of_series(place, size=3, opacity=0.35)
    return Points(series=name, meaning="a cell", style=style, x=seconds, y=errors, labels=labels)


def _median(cells: Points, place: int) -> Points:
    style = style_of_series(place, size=9, outlined=True)
    middle = (statistics.median(cells.x),), (statistics.median(y or 0.0 for y in cells.y),)
    return Points(series=cells.series, meaning="the column's median", style=style, x=middle[0], y=middle[1])


def _seconds(values: Sequence[float]) -> Axis:
    first, last = math.floor(math.log10(min(values) * 0.9)), math.ceil(math.log10(max(values) * 1.1))
    label = "seconds of one training (mean over the seeds, as run)"
    return Axis(label=label, scale="log", limits=(10.0**first, 10.0**last), ticks=tuple(_round(first, last)))


def _errors(title: str, values: Sequence[float]) -> Axis:
    """In percent; below 1 the axis is linear and reaches 0."""
    worst = max(*values, 1.0)
    ticks = [tick for tick in _round(0, math.ceil(math.log10(worst * 1.2))) if tick <= worst * 1.5]
    label = f"{title} above the best column of the cell, %"
    return Axis(label=label, scale="symlog", limits=(-0.2, worst * 1.5), ticks=(0.0, *ticks))


def _round(first: int, last: int) -> list[float]:
    """Round numbers from 10^first to 10^last: 1, 2, 5, 10, …; of many powers of ten these alone."""
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    return [factor * 10.0**power for power in range(first, last) for factor in factors] + [10.0**last]
