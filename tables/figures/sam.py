"""SAM off against on, paired: an arrow a cell, from the mean without to the mean with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.config.paper import Column, Paper
from tables.figures.style import heading, legend, look, plain, saved
from tables.rows.row import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4
Side = tuple[str, bool]
"""A column and whether SAM is on."""
Pair = tuple[str, Side, Side]
"""A name, what stands without SAM, what with."""


def sam_pairs(paper: Paper, rows: Sequence[Row]) -> list[Pair]:
    """Columns that differ in SAM alone, and columns with Results of both settings."""
    done = {(row.key.model, row.key.sam) for row in rows if row.ours.n}
    pairs: dict[Pair, None] = {}
    for name in paper.columns:
        if {(name, False), (name, True)} <= done:
            pairs[name, (name, False), (name, True)] = None
    for name, column in paper.columns.items():
        for other_name, other in paper.columns.items():
            if not column.sam and other.sam and _alike(paper, column, other):
                found = (name, (name, False), (other_name, True))
                if {found[1], found[2]} <= done:
                    pairs[found] = None
    return list(pairs)


def _alike(paper: Paper, first: Column, second: Column) -> bool:
    """Whether two columns have the same model with the same arguments, at every data set and horizon."""
    if first.model != second.model or first.arguments.keys() != second.arguments.keys():
        return False
    cells = [(dataset, horizon) for dataset in paper.datasets for horizon in paper.horizons_of(dataset)]
    return all(_values(first, dataset, horizon) == _values(second, dataset, horizon) for dataset, horizon in cells)


def _values(column: Column, dataset: str, horizon: int) -> list[object]:
    where = {"dataset": dataset, "horizon": horizon, "model": column.name, "sam": column.sam}
    found = {**column.arguments, **column.recipe}
    said = {name: value.at(where) for name, value in sorted(found.items()) if name != "rho"}
    return [(name, value.value if value else None) for name, value in said.items()]


def pictures(paper: Paper, rows: Sequence[Row], title: str) -> dict[str, bytes]:
    """`png` and `svg`; nothing where no pair has a Result on both sides."""
    mse = [row for row in rows if row.key.metric == "mse" and row.ours.mean is not None]
    pairs = sam_pairs(paper, mse)
    return saved(lambda: _draw(paper, mse, pairs, title)) if pairs else {}


def _draw(paper: Paper, rows: Sequence[Row], pairs: Sequence[Pair], title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    cells = {(row.key.dataset, row.key.horizon, row.key.model, row.key.sam): row for row in rows}
    datasets = [d for d in paper.datasets if any(row.key.dataset == d for row in rows)]
    across = min(ACROSS, len(datasets))
    down = math.ceil(len(datasets) / across)
    figure = Figure(figsize=(max(2.6 * across, 4.6), 2.2 * down + 1.1), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(datasets):
            axis.set_visible(False)
            continue
        dataset = datasets[place]
        horizons = [h for h in paper.horizons_of(dataset) if any(key[:2] == (dataset, h) for key in cells)]
        _panel(axis, dataset, horizons, cells, pairs)
        if place % across == 0:
            axis.set_ylabel("test MSE")
        if place >= len(datasets) - across:
            axis.set_xlabel("horizon (steps)")
    heading(figure, f"{title}. Hollow: SAM off, filled: SAM on")
    legend(figure, [Line2D([], [], linestyle="none", label=plain(_label(pair)), **look(i)) for i, pair in enumerate(pairs)])
    return figure


def _label(pair: Pair) -> str:
    name, (without, _), (with_, _) = pair
    return name if without == with_ else f"{without} → {with_}"


def _panel(
    axis: Axes, dataset: str, horizons: Sequence[int], cells: dict[tuple[str, int, str, bool], Row], pairs: Sequence[Pair]
) -> None:
    for i, (_, without, with_) in enumerate(pairs):
        style = look(i)
        for j, horizon in enumerate(horizons):
            off, on = cells.get((dataset, horizon, *without)), cells.get((dataset, horizon, *with_))
            if off is None or on is None or off.ours.mean is None or on.ours.mean is None:
                continue
            x = j + (i - (len(pairs) - 1) / 2) * 0.7 / max(len(pairs), 2)
            axis.plot([x, x], [off.ours.mean, on.ours.mean], color=style["color"], linewidth=1.2)
            axis.plot(x, off.ours.mean, markerfacecolor="white", markersize=4.5, **style)
            axis.plot(x, on.ours.mean, markersize=4.5, **style)
    axis.set_title(plain(dataset), loc="left", fontweight="bold")
    axis.set_xticks(range(len(horizons)), [str(h) for h in horizons])
    axis.set_xlim(-0.5, len(horizons) - 0.5)
