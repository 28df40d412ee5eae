"""The frame → a figure: MSE by horizon, a panel a data set, with the seeds' spread and the printed values as marks."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.paper import Paper
from tables.frame import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which stay apart under the usual colour blindnesses; markers say the same a second time."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
ACROSS = 4
"""Panels side by side."""
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "tables", "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "axes.grid": True,
    "grid.color": "#e5e5e5", "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": "#888888", "xtick.color": "#444444", "ytick.color": "#444444",
}  # fmt: skip

Series = tuple[str, bool]
"""A column and whether SAM is on."""


def pictures(paper: Paper, rows: Sequence[Row], title: str) -> dict[str, bytes]:
    """The figure as `png` and `svg`, the same bytes for the same rows; nothing where no main column has a Result."""
    shown = [r for r in rows if r.metric == "mse" and r.main]
    run = [d for d in paper.datasets if any(r.dataset == d and r.n for r in shown)]
    if not run:
        return {}
    import matplotlib

    # The defaults and not the user's matplotlibrc: the same store gives the same bytes. The backend is left alone, since
    # a figure made without pyplot needs none and this context would not set it back.
    settings: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"} | SETTINGS
    with matplotlib.rc_context(settings):
        figure = _draw([r for r in shown if r.dataset in run], run, title)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once for both
        files = {}
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            out = io.BytesIO()
            figure.savefig(out, format=kind, dpi=200, metadata=metadata)
            files[kind] = out.getvalue()
    return files


def _draw(rows: Sequence[Row], datasets: Sequence[str], title: str) -> Figure:
    from matplotlib.figure import Figure

    series = list(dict.fromkeys((r.model, r.sam) for r in rows))
    series = [s for s in series if any((r.model, r.sam) == s and r.n for r in rows)]
    across = min(ACROSS, len(datasets))
    down = math.ceil(len(datasets) / across)
    figure = Figure(figsize=(max(2.6 * across, 4.6), 2.3 * down + 1.1), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(datasets):
            axis.set_visible(False)
            continue
        _panel(axis, [r for r in rows if r.dataset == datasets[place]], series)
        axis.set_title(_plain(datasets[place]), loc="left", fontweight="bold")
        if place % across == 0:
            axis.set_ylabel("test MSE")
        if place >= len(datasets) - across:
            axis.set_xlabel("horizon (steps)")
    characters = int(figure.get_figwidth() / 0.07)  # of nine points, in inches
    figure.suptitle(textwrap.fill(_plain(title), characters), x=0.01, ha="left", fontsize=9)
    _legend(figure, series, any(r.published is not None for r in rows))
    return figure


def _panel(axis: Axes, rows: Sequence[Row], series: Sequence[Series]) -> None:
    """One data set: horizons at equal distances, the series beside one another so that none hides another."""
    horizons = sorted({r.horizon for r in rows})
    for place, key in enumerate(series):
        shift = (place - (len(series) - 1) / 2) * 0.5 / max(len(series), 2)
        mine = {r.horizon: r for r in rows if (r.model, r.sam) == key}
        colour, style = _look(place, key[1])
        found = [mine.get(h) for h in horizons]
        # A hole is NaN, so that no line is drawn across it.
        means = [r.mean if r and r.mean is not None else math.nan for r in found]
        spreads = [r.std if r and r.std is not None else 0.0 for r in found]
        axis.errorbar([i + shift for i in range(len(horizons))], means, yerr=spreads, capsize=2.5, linewidth=1.1, **style)
        for i, row in enumerate(found):
            if row:
                axis.plot([i + shift + 0.09] * len(row.values), row.values, ".", markersize=2.5, color=colour)
        printed = [r.published if r and r.published is not None else math.nan for r in found]
        beside = [i + shift - 0.09 for i in range(len(horizons))]
        axis.plot(beside, printed, "x", markersize=5, markeredgewidth=1.4, color=colour)
    axis.set_xticks(range(len(horizons)), [str(h) for h in horizons])
    axis.set_xlim(-0.5, len(horizons) - 0.5)


def _look(place: int, sam: bool) -> tuple[str, dict[str, Any]]:
    """Colour and marker of a series: filled and drawn through with SAM, hollow and dashed without."""
    colour = COLOURS[place % len(COLOURS)]
    return colour, {
        "color": colour, "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)], "markersize": 5,
        "markerfacecolor": colour if sam else "white", "linestyle": "-" if sam else (0, (4, 2)),
    }  # fmt: skip


def _legend(figure: Figure, series: Sequence[Series], printed: bool) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], label=f"{_plain(model)}, SAM {'on' if sam else 'off'}", linewidth=1.1, **_look(place, sam)[1])
        for place, (model, sam) in enumerate(series)
    ]
    grey: dict[str, Any] = {"color": "#555555", "linestyle": "none"}
    entries.append(Line2D([], [], label="one seed", marker=".", markersize=2.5, **grey))
    if printed:
        entries.append(Line2D([], [], label="printed", marker="x", markersize=5, markeredgewidth=1.4, **grey))
    widest = 0.6 + 0.068 * max(len(str(entry.get_label())) for entry in entries)  # inches, at eight points
    columns = min(len(entries), max(1, int(figure.get_figwidth() / widest)))
    figure.legend(handles=entries, loc="outside lower left", ncols=columns, frameon=False, fontsize=8)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return " ".join(text.replace("$", r"\$").split())
