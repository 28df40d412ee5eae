"""Forecast against truth: the worst, the median and the best test window of one cell, as its run has kept them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import files
from benchmark.errors import UsageError
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points, Rule, holes
from tables.figures.style import Style

WINDOWS = ("worst", "median", "best")
STYLES = {
    "input": Style(colour="grey", line="solid", width=0.8),
    "truth": Style(colour="black", line="solid"),
    "forecast": Style(colour=1, line="dashed", width=1.2),
}
END_OF_INPUT = Style(colour="light grey", line="solid", width=0.8)
Arrays = Mapping[str, NDArray[Any]]


def read(path: Path) -> Arrays:
    """What `benchmark.analysis.forecasts` wrote. Raises UsageError for a file that is not there, or not that."""
    try:
        with np.load(io.BytesIO(files.read(path)), allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("past", "truth", "forecast", "mse", "window")}
    except FileNotFoundError:
        raise UsageError(f"{path}: not there; a cell keeps its forecasts when it ends: run it again with --force") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: not a file of kept forecasts ({error}); run its cell again with --force") from None
    shapes = {name: arrays[name].shape for name in ("past", "truth", "forecast")}
    if any(len(shape) != 3 or shape[0] != 3 for shape in shapes.values()):
        raise UsageError(f"{path}: expected three windows, found {shapes}; run its cell again with --force")
    return arrays


def figure(arrays: Arrays, cell: str, channel: int | None = None, windows: Sequence[str] = WINDOWS) -> Figure:
    """One of the kept channels of a cell, counted from the last, which is 1 (and the default). cell: as a picture of it is
    headed. windows: which.

    Raises UsageError for a channel that was not kept.
    """
    kept = arrays["truth"].shape[2]
    channel = 1 if channel is None else channel
    if not 1 <= channel <= kept:
        raise UsageError(f"--channel: expected 1 (the last) to {kept} (channels that are kept), found {channel}")
    which = "the last channel" if channel == 1 else f"the last channel but {channel - 1}"
    return Figure(
        name="forecast",
        title=f"{cell}: {which}; windows by the MSE over all channels",
        panels=tuple(_panel(arrays, WINDOWS.index(window), kept - channel) for window in windows),
        across=len(WINDOWS),
        panel_size=(2.6, 1.5),
        legend=tuple(LegendEntry(name=name, style=style) for name, style in STYLES.items()),
    )


def _panel(arrays: Arrays, window: int, column: int) -> Panel:
    """One window: steps from 1 are what is forecast, those before are the input."""
    past, truth, forecast = (arrays[name][window, :, column] for name in ("past", "truth", "forecast"))
    lines = [_line("input", 1 - len(past), past), _line("truth", 1, truth), _line("forecast", 1, forecast)]
    end = Rule(across="x", at=0.5, style=END_OF_INPUT, meaning="the end of the input")
    return Panel(
        title=WINDOWS[window],
        remark=f"window {int(arrays['window'][window])}, MSE {float(arrays['mse'][window]):.3f}",
        x=Axis(label="step", whole=True),
        y=Axis(label="standardised value"),
        marks=(*lines, end),
    )


def picture(path: Path, key: str) -> bytes | None:
    """A small PNG of the last channel of what the cell `key` has kept; None for a file that is not that."""
    from tables.figures.matplotlib_renderer import png  # slow to import, and not needed by all commands

    try:
        return png(figure(read(path), key))
    except UsageError:
        return None


MOST_AHEAD = 8
"""Channels of a picture of what follows a file: its last ones."""


def ahead(past: NDArray[Any], forecast: NDArray[Any], names: Sequence[str], title: str) -> Figure:
    """The end of a file [P, C] and the forecast [H, C] after it, on their own scale, a panel a channel."""
    lines, shown = ("input", "forecast"), range(max(0, len(names) - MOST_AHEAD), len(names))
    return Figure(
        name="ahead",
        title=title,
        panels=tuple(_ahead(past[:, c], forecast[:, c], names[c]) for c in shown),
        across=2,
        panel_size=(3.2, 1.5),
        legend=tuple(LegendEntry(name=name, style=STYLES[name]) for name in lines),
    )


def _ahead(past: NDArray[Any], forecast: NDArray[Any], name: str) -> Panel:
    marks = (_line("input", 1 - len(past), past), _line("forecast", 1, forecast))
    end = Rule(across="x", at=0.5, style=END_OF_INPUT, meaning="the last row")
    return Panel(title=name, x=Axis(label="step", whole=True), y=Axis(label="value"), marks=(*marks, end))


def _line(name: str, first: int, values: NDArray[Any]) -> Points:
    """A value a step; a single one is a mark, since no line shows it."""
    style = STYLES[name] if len(values) > 1 else replace(STYLES[name], shape="circle", size=3)
    steps = tuple(range(first, first + len(values)))
    return Points(series=name, meaning="one step", style=style, x=steps, y=holes(values.tolist()))
