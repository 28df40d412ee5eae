"""Forecast against truth: the worst, the median and the best test window of one cell, as its run has kept them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UsageError
from tables.figures.style import COLOURS, heading, legend, plain, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOWS = ("worst", "median", "best")
Arrays = Mapping[str, NDArray[Any]]


def read(path: Path) -> Arrays:
    """What `benchmark.analysis.forecasts` wrote. Raises UsageError for a file that is not there, or not that."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("past", "truth", "forecast", "mse", "window")}
    except FileNotFoundError:
        raise UsageError(f"{path}: not there; a cell keeps its forecasts when it ends: run it again with --force") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: not a file of kept forecasts ({error}); run its cell again with --force") from None
    shapes = {name: arrays[name].shape for name in ("past", "truth", "forecast")}
    if any(len(shape) != 3 or shape[0] != 3 for shape in shapes.values()):
        raise UsageError(f"{path}: expected three windows, found {shapes}; run its cell again with --force")
    return arrays


def pictures(arrays: Arrays, key: str, channel: int | None = None) -> dict[str, bytes]:
    """`png` and `svg` of one of the kept channels, counted from the last, which is 1 (and the default).

    Raises UsageError for a channel that was not kept.
    """
    kept = arrays["truth"].shape[2]
    channel = 1 if channel is None else channel
    if not 1 <= channel <= kept:
        raise UsageError(f"--channel: expected 1 (the last) to {kept} (channels that are kept), found {channel}")
    return saved(lambda: _draw(arrays, key, kept - channel, channel))


def _draw(arrays: Arrays, key: str, column: int, channel: int) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes = figure.subplots(1, 3, squeeze=False)[0]
    for i, axis in enumerate(axes):
        past, truth, forecast = (arrays[name][i, :, column] for name in ("past", "truth", "forecast"))
        steps = np.arange(1, len(truth) + 1)
        axis.plot(np.arange(1 - len(past), 1), past, color="#777777", linewidth=0.8, label="input")
        axis.plot(steps, truth, color="#000000", linewidth=1.0, label="truth")
        axis.plot(steps, forecast, color=COLOURS[1], linewidth=1.2, linestyle=(0, (4, 1.2)), label="forecast")
        axis.axvline(0.5, color="#bbbbbb", linewidth=0.8)
        number, mse = int(arrays["window"][i]), float(arrays["mse"][i])
        axis.set_title(f"{WINDOWS[i]}: window {number}, MSE {mse:.3f}", loc="left")
        axis.set_xlabel("step")
    axes[0].set_ylabel("standardised value")
    which = "the last channel" if channel == 1 else f"the last channel but {channel - 1}"
    heading(figure, f"{plain(key)}: {which}; windows by the MSE over all channels")
    legend(figure, axes[0].get_legend_handles_labels()[0])
    return figure
