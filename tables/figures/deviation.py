"""Ours against printed, as a heat map: a line a data set and horizon, a column a column, the deviation in percent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.config.paper import Paper
from tables.figures.style import heading, plain, saved
from tables.numbers import fixed
from tables.rows.means import horizon_name, judged
from tables.rows.row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 20.0
"""Percent at which the colours end."""
BRACKETED = ("not comparable", "too few seeds", "inconclusive")


def pictures(paper: Paper, rows: Sequence[Row], profile: str, title: str) -> dict[str, bytes]:
    """`png` and `svg`; nothing where no printed number has one of ours beside it."""
    found = [row for row in judged(paper, rows, profile) if row.comparison.deviation_pct is not None]
    return saved(lambda: _draw(paper, found, title)) if found else {}


def _draw(paper: Paper, rows: Sequence[Row], title: str) -> Figure:
    from matplotlib.figure import Figure

    lines = list(dict.fromkeys((row.key.dataset, row.key.horizon) for row in rows))
    columns = [name for name in paper.columns if any(row.key.model == name for row in rows)]
    values = np.full((len(lines), len(columns)), np.nan)
    figure = Figure(figsize=(max(4.6, 2.2 + 0.95 * len(columns)), 1.5 + 0.2 * len(lines)), layout="constrained")
    axis = figure.subplots()
    axis.grid(visible=False)
    for row in rows:
        line, column = lines.index((row.key.dataset, row.key.horizon)), columns.index(row.key.model)
        deviation = row.comparison.deviation_pct or 0.0
        values[line, column] = deviation
        text = fixed(deviation, 1) or ""
        text = text.replace("-", "−") if text.startswith("-") or float(text) == 0 else f"+{text}"
        text = f"({text})" if row.comparison.verdict in BRACKETED else text
        axis.text(column, line, text, ha="center", va="center", fontsize=6.5,
                  color="white" if abs(deviation) > 0.75 * MOST else "black")  # fmt: skip
    # Purple and orange: apart for everybody, white where nothing deviates.
    shown = axis.imshow(np.ma.masked_invalid(values), cmap="PuOr_r", vmin=-MOST, vmax=MOST, aspect="auto")
    axis.set_facecolor("#e5e5e5")
    axis.set_xticks(range(len(columns)), [plain(name) for name in columns], rotation=20, ha="right")
    axis.set_yticks(range(len(lines)), [f"{plain(dataset)}  {horizon_name(horizon)}" for dataset, horizon in lines])
    for place in range(1, len(lines)):
        if lines[place][0] != lines[place - 1][0]:
            axis.axhline(place - 0.5, color="white", linewidth=1.5)
    bar = figure.colorbar(shown, ax=axis, extend="both", fraction=0.05)
    bar.set_label("deviation, %")
    heading(figure, f"{title}. In brackets: too few seeds, not comparable, or inconclusive; grey: nothing to compare")
    return figure
