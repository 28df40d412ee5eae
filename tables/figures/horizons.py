"""The frame → a figure: MSE by horizon, a panel a data set, with the seeds' spread and the printed values as marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.config.paper import Paper
from tables.figures.style import heading, legend, look, plain, saved
from tables.rows.row import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4
"""Panels side by side."""

Series = tuple[str, bool]
"""A column and whether SAM is on."""


def pictures(paper: Paper, rows: Sequence[Row], title: str) -> dict[str, bytes]:
    """The figure as `png` and `svg`, the same bytes for the same rows; nothing where no main column has a Result."""
    shown = [r for r in rows if r.key.metric == "mse" and r.main]
    run = [d for d in paper.datasets if any(r.key.dataset == d and r.ours.n for r in shown)]
    if not run:
        return {}
    return saved(lambda: _draw([r for r in shown if r.key.dataset in run], run, title))


def _draw(rows: Sequence[Row], datasets: Sequence[str], title: str) -> Figure:
    from matplotlib.figure import Figure

    series = list(dict.fromkeys((r.key.model, r.key.sam) for r in rows))
    series = [s for s in series if any((r.key.model, r.key.sam) == s and r.ours.n for r in rows)]
    across = min(ACROSS, len(datasets))
    down = math.ceil(len(datasets) / across)
    figure = Figure(figsize=(max(2.6 * across, 4.6), 2.3 * down + 1.1), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(datasets):
            axis.set_visible(False)
            continue
        _panel(axis, [r for r in rows if r.key.dataset == datasets[place]], series)
        axis.set_title(plain(datasets[place]), loc="left", fontweight="bold")
        if place % across == 0:
            axis.set_ylabel("test MSE")
        if place >= len(datasets) - across:
            axis.set_xlabel("horizon (steps)")
    heading(figure, title)
    _legend(figure, series, any(r.printed is not None for r in rows))
    return figure


def _panel(axis: Axes, rows: Sequence[Row], series: Sequence[Series]) -> None:
    """One data set: horizons at equal distances, the series beside one another so that none hides another."""
    horizons = sorted({r.key.horizon for r in rows})
    for place, key in enumerate(series):
        shift = (place - (len(series) - 1) / 2) * 0.5 / max(len(series), 2)
        mine = {r.key.horizon: r for r in rows if (r.key.model, r.key.sam) == key}
        colour, style = _look(place, key[1])
        found = [mine.get(h) for h in horizons]
        # A hole is NaN, so that no line is drawn across it.
        means = [r.ours.mean if r and r.ours.mean is not None else math.nan for r in found]
        spreads = [r.ours.std if r and r.ours.std is not None else 0.0 for r in found]
        axis.errorbar([i + shift for i in range(len(horizons))], means, yerr=spreads, capsize=2.5, linewidth=1.1, **style)
        for i, row in enumerate(found):
            if row:
                axis.plot([i + shift + 0.09] * len(row.ours.values), row.ours.values, ".", markersize=2.5, color=colour)
        printed = [r.printed.value if r and r.printed is not None else math.nan for r in found]
        beside = [i + shift - 0.09 for i in range(len(horizons))]
        axis.plot(beside, printed, "x", markersize=5, markeredgewidth=1.4, color=colour)
    axis.set_xticks(range(len(horizons)), [str(h) for h in horizons])
    axis.set_xlim(-0.5, len(horizons) - 0.5)


def _look(place: int, sam: bool) -> tuple[str, dict[str, Any]]:
    """Colour and marker of a series: filled and drawn through with SAM, hollow and dashed without."""
    style = look(place)
    return style["color"], {
        **style, "markersize": 5, "markerfacecolor": style["color"] if sam else "white",
        "linestyle": "-" if sam else (0, (4, 2)),
    }  # fmt: skip


def _legend(figure: Figure, series: Sequence[Series], printed: bool) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], label=f"{plain(model)}, SAM {'on' if sam else 'off'}", linewidth=1.1, **_look(place, sam)[1])
        for place, (model, sam) in enumerate(series)
    ]
    grey: dict[str, Any] = {"color": "#555555", "linestyle": "none"}
    entries.append(Line2D([], [], label="one seed", marker=".", markersize=2.5, **grey))
    if printed:
        entries.append(Line2D([], [], label="printed", marker="x", markersize=5, markeredgewidth=1.4, **grey))
    legend(figure, entries)
