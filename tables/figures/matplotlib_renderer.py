"""Figures as PNG and SVG: the one place that knows matplotlib; the same bytes for the same figure everywhere."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure as Page
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from tables.figures.data import Arrows, Axis, Figure, Heat, LegendEntry, Mark, Panel, Points, Rule, Surface
from tables.figures.style import Shape, Style, colour_code

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "tables", "font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "axes.grid": True,
    "grid.color": "#e5e5e5", "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": "#888888", "xtick.color": "#444444", "ytick.color": "#444444",
}  # fmt: skip
MARKERS: dict[Shape, str] = {
    "circle": "o", "square": "s", "triangle": "^", "diamond": "D", "triangle down": "v", "plus": "P",
    "heavy cross": "X", "cross": "x",
}  # fmt: skip
LINES: dict[str, Any] = {"none": "none", "solid": "-", "dashed": (0, (4, 2))}
NARROWEST, TITLE_AND_LEGEND = 4.6, 1.1
"""Inches: the width of a page at least; what stands above and below the panels, two lines each."""
TITLE_LINE, LEGEND_LINE = 0.15, 0.17
"""Inches, of every further line."""
LOG_TICKS = ((0.7, (1, 2, 3, 4, 5, 6, 8)), (2.0, (1, 2, 3, 5)), (math.inf, (1,)))
"""Of a logarithmic axis over less than so many decades: what of each decade has a number."""
CHARACTER = 0.075
"""Inches that a character of a category's name takes, the space between two names included: they are upright where they do
not fit."""
DARK = 0.18
"""The luminance (WCAG 2's, from 0 to 1) of a colour at which black and white stand out alike; below it a text is white."""


def pictures(figure: Figure) -> dict[str, bytes]:
    """The figure as `png` and `svg`."""
    with _own_settings():
        page = laid_out(figure)
        files = {}
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            out = io.BytesIO()
            page.savefig(out, format=kind, dpi=200, metadata=metadata)
            files[kind] = out.getvalue()
    return files


def png(figure: Figure, dots: int = 100) -> bytes:
    """The figure as a PNG alone, of so many dots an inch."""
    with _own_settings():
        out = io.BytesIO()
        laid_out(figure).savefig(out, format="png", dpi=dots, metadata={"Software": None})
    return out.getvalue()


def laid_out(figure: Figure) -> Page:
    """The figure as one of matplotlib's, every part at its place."""
    across = min(figure.across, len(figure.panels))
    down = math.ceil(len(figure.panels) / across)
    width = max(NARROWEST, figure.panel_size[0] * across)
    title = _title(figure, width)
    columns = _legend_columns(figure.legend, width)
    beyond = TITLE_LINE * max(0, len(title) - 2) + LEGEND_LINE * max(0, math.ceil(len(figure.legend) / columns) - 2)
    with _own_settings():
        page = Page(figsize=(width, figure.panel_size[1] * down + TITLE_AND_LEGEND + beyond), layout="constrained")
        grid = page.subplots(down, across, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(figure.panels):
                _panel(page, axes, figure.panels[place], figure.panel_size[0])
                _axis_labels(axes, figure, place, across)
            else:
                axes.set_visible(False)
        page.suptitle("\n".join(title), x=0.01, ha="left", fontsize=9)
        if figure.legend:
            handles = [Line2D([], [], label=_text(entry.name), **_line_style(entry.style)) for entry in figure.legend]
            page.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=8)
        if (engine := page.get_layout_engine()) is not None:
            engine.execute(page)
        page.set_layout_engine("none")  # laid out once for every format
    return page


@contextmanager
def _own_settings() -> Iterator[None]:
    """The defaults and SETTINGS, and not the user's matplotlibrc.

    The backend is left alone, since a page made without pyplot needs none and this context would not set it back.
    """
    settings: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"} | SETTINGS
    with matplotlib.rc_context(settings):
        yield


def _title(figure: Figure, width: float) -> list[str]:
    """The lines of the title and the notes, none of which runs over the edge."""
    characters = int(width / 0.07)  # of nine points, in inches
    return textwrap.wrap(_text(". ".join((figure.title, *figure.notes))), characters) or [""]


def _legend_columns(entries: Sequence[LegendEntry], width: float) -> int:
    """As many as fit."""
    widest = 0.6 + 0.068 * max((len(entry.name) for entry in entries), default=0)  # inches, at eight points
    return max(1, min(len(entries), int(width / widest)))


def _panel(page: Page, axes: Axes, panel: Panel, width: float) -> None:
    """`width`: of the panel, in inches."""
    for mark in panel.marks:
        _mark(page, axes, mark)
    _axis(axes, "x", panel.x)
    _axis(axes, "y", panel.y)
    axes.set_title(_text(panel.title), loc="left", fontweight="bold")
    if panel.remark:
        axes.set_title(_text(panel.remark), loc="right", fontsize=8)
    if len(panel.x.categories) * max(map(len, panel.x.categories), default=0) * CHARACTER > width:
        axes.tick_params("x", labelrotation=90)
    if any(isinstance(mark, Heat) for mark in panel.marks):
        axes.tick_params("x", labelrotation=20)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
        axes.invert_yaxis()


def _axis_labels(axes: Axes, figure: Figure, place: int, across: int) -> None:
    """A label that all panels share stands at the left and below the lowest panels alone."""
    panel = figure.panels[place]
    if place % across == 0 or len({each.y.label for each in figure.panels}) > 1:
        axes.set_ylabel(_text(panel.y.label))
    if place >= len(figure.panels) - across or len({each.x.label for each in figure.panels}) > 1:
        axes.set_xlabel(_text(panel.x.label))


def _axis(axes: Axes, which: Literal["x", "y"], axis: Axis) -> None:
    of_axis, set_scale, set_limits = (
        (axes.xaxis, axes.set_xscale, axes.set_xlim) if which == "x" else (axes.yaxis, axes.set_yscale, axes.set_ylim)
    )
    limits = axis.limits
    if axis.scale != "linear":
        set_scale(axis.scale, **({"linthresh": 1} if axis.scale == "symlog" else {}))
    if axis.categories:
        of_axis.set_ticks(range(len(axis.categories)), [_text(name) for name in axis.categories])
        limits = limits or (-0.5, len(axis.categories) - 0.5)
    elif axis.ticks:
        of_axis.set_ticks(axis.ticks)
        of_axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        of_axis.set_minor_locator(NullLocator())
    elif axis.whole:
        of_axis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    elif axis.scale == "log":
        low, high = limits or of_axis.get_view_interval()
        decades = math.log10(high / low)
        of_axis.set_major_locator(LogLocator(subs=next(subs for most, subs in LOG_TICKS if decades < most)))
        of_axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        of_axis.set_minor_locator(NullLocator())
    if limits:
        set_limits(*limits)


def _mark(page: Page, axes: Axes, mark: Mark) -> None:
    if isinstance(mark, Points):
        _points(axes, mark)
    elif isinstance(mark, Arrows):
        _arrows(axes, mark)
    elif isinstance(mark, Rule):
        style = {k: v for k, v in _line_style(mark.style).items() if k in ("color", "linewidth", "linestyle")}
        (axes.axvline if mark.across == "x" else axes.axhline)(mark.at, **style)
    elif isinstance(mark, Heat):
        _heat(page, axes, mark)
    else:
        _surface(page, axes, mark)


def _points(axes: Axes, mark: Points) -> None:
    y = _numbers(mark.y)
    if mark.spread:
        axes.errorbar(mark.x, y, yerr=_numbers(mark.spread), capsize=2.5, **_line_style(mark.style))
    else:
        axes.plot(mark.x, y, **_line_style(mark.style))


def _arrows(axes: Axes, mark: Arrows) -> None:
    style = _line_style(mark.style)
    end = style | {"linestyle": "none"}
    for x, first, last in zip(mark.x, mark.start, mark.end, strict=True):
        axes.plot([x, x], [first, last], **(style | {"marker": "none"}))
        axes.plot(x, first, **(end | {"markerfacecolor": "white"}))
        axes.plot(x, last, **end)


def _heat(page: Page, axes: Axes, mark: Heat) -> None:
    axes.grid(visible=False)
    axes.set_facecolor("#e5e5e5")
    values = [_numbers([cell.value if cell else None for cell in line]) for line in mark.cells]
    # Purple and orange: apart for everybody, white where nothing deviates.
    shown = axes.imshow(np.ma.masked_invalid(values), cmap="PuOr_r", vmin=-mark.most, vmax=mark.most, aspect="auto")
    for place, line in enumerate(mark.cells):
        for column, cell in enumerate(line):
            if cell is not None:
                text = _text(f"({cell.text})" if cell.bracketed else cell.text)
                colour = "white" if _luminance(shown.to_rgba(np.array([cell.value]))[0].tolist()) < DARK else "black"
                axes.text(column, place, text, ha="center", va="center", fontsize=6.5, color=colour)
    page.colorbar(shown, ax=axes, extend="both", fraction=0.05).set_label(_text(mark.label))


def _surface(page: Page, axes: Axes, mark: Surface) -> None:
    axes.grid(visible=False)
    axes.set_facecolor("#e5e5e5")
    heights = np.ma.masked_invalid([_numbers(line) for line in mark.heights])
    norm = (LogNorm if mark.scale == "log" else Normalize)(*mark.limits, clip=True)
    shown = axes.pcolormesh(mark.x, mark.y, heights, cmap="viridis", norm=norm, shading="nearest", rasterized=True)
    drawn = [level for level in mark.levels if heights.count() and heights.min() < level < heights.max()]
    if drawn and min(heights.shape) > 1:
        lines = axes.contour(mark.x, mark.y, heights, levels=drawn, colors="white", linewidths=0.7)
        axes.clabel(lines, fmt="%.3g", fontsize=5.5)
    bar = page.colorbar(shown, ax=axes, fraction=0.05)
    bar.set_ticks(mark.levels, labels=[f"{level:.3g}" for level in mark.levels], minor=False)
    bar.minorticks_off()
    bar.set_label(_text(mark.label))


def _luminance(colour: Sequence[float]) -> float:
    """Of red, green and blue from 0 to 1 (WCAG 2, relative luminance)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _line_style(style: Style) -> dict[str, Any]:
    """A style in matplotlib's words, for what it calls a line."""
    colour = colour_code(style.colour)
    found: dict[str, Any] = {
        "color": colour, "linestyle": LINES[style.line], "linewidth": style.width, "alpha": style.opacity,
        "marker": MARKERS[style.shape] if style.shape else "none", "markersize": style.size,
        "markerfacecolor": colour if style.filled else "white",
        "markeredgecolor": "black" if style.outlined else colour,
    }  # fmt: skip
    return found | ({"markeredgewidth": style.width} if style.shape == "cross" else {})


def _numbers(values: Sequence[float | None]) -> list[float]:
    """Holes as NaN, across which no line is drawn."""
    return [math.nan if value is None else value for value in values]


def _text(text: str) -> str:
    """A text on one line, of which matplotlib takes nothing for a formula."""
    return re.sub(r"[^\S ]+", " ", text).replace("$", r"\$")
