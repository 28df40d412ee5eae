"""Learning curves: validation MSE by epoch, a panel a cell, a line a seed, a mark at the epoch that is best by it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.config.paper import Paper
from tables.figures.style import heading, legend, look, plain, saved
from tables.rows.results import Curve
from tables.rows.row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 4
MOST = 16
"""Panels; of more cells those that come first are drawn, and the title says so."""


def pictures(paper: Paper, rows: Sequence[Row], curves: Mapping[str, Curve], title: str) -> dict[str, bytes]:
    """`png` and `svg` of the main columns; `curves` by digest. Nothing where nothing was trained by epochs."""
    shown = [row for row in rows if row.key.metric == "mse" and row.main and any(d in curves for d in row.ours.digests)]
    return saved(lambda: _draw(paper, shown, curves, title)) if shown else {}


def _draw(paper: Paper, rows: Sequence[Row], curves: Mapping[str, Curve], title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    cells = list(dict.fromkeys((row.key.dataset, row.key.horizon) for row in rows))
    order = list(paper.columns)
    series = sorted({(row.key.model, row.key.sam) for row in rows}, key=lambda s: (order.index(s[0]), not s[1]))
    if len(cells) > MOST:
        title = f"{title}. The first {MOST} of {len(cells)} cells"
    cells = cells[:MOST]
    across = min(ACROSS, len(cells))
    down = math.ceil(len(cells) / across)
    figure = Figure(figsize=(max(2.5 * across, 4.6), 1.7 * down + 1.1), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(cells):
            axis.set_visible(False)
            continue
        dataset, horizon = cells[place]
        for row in rows:
            if (row.key.dataset, row.key.horizon) != cells[place]:
                continue
            style = look(series.index((row.key.model, row.key.sam)))
            for curve in (curves[d] for d in row.ours.digests if d in curves):
                axis.plot(range(1, len(curve.val_mse) + 1), curve.val_mse, color=style["color"], linewidth=0.7)
                if curve.best_epoch:
                    axis.plot(curve.best_epoch, curve.val_mse[curve.best_epoch - 1], markersize=3.5, **style)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.set_title(f"{plain(dataset)}, {horizon}", loc="left", fontweight="bold")
        if place % across == 0:
            axis.set_ylabel("validation MSE")
        if place >= len(cells) - across:
            axis.set_xlabel("epoch")
    heading(figure, f"{title}. Validation MSE of every seed; mark: its best epoch")
    names = [model + ("" if model in {r.key.model for r in rows if r.own_sam} else f", SAM {'on' if sam else 'off'}")
             for model, sam in series]  # fmt: skip
    legend(figure, [Line2D([], [], linewidth=1, label=plain(name), **look(i)) for i, name in enumerate(names)])
    return figure
