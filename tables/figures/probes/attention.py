"""Attention over channels: matrices of one cell, and how entropy and rank go with the epochs of several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import counted
from tables.figures.data import Axis, Figure, Heat, HeatCell, LegendEntry, Panel, Points, Rule, holes
from tables.figures.style import Style, style_of_series

MOST_NAMED = 8
"""With so many channels or fewer, each number stands in its cell."""
BOUND = Style(colour="grey", line="dashed", width=0.8)
MEASURES = (("entropy", "row entropy, nats"), ("rank", "effective rank"), ("diagonal", "mean of the diagonal"))
Arrays = Mapping[str, NDArray[Any]]
"""epochs [E], and by epoch mean [E, C, C], entropy, rank and diagonal [E]; of the selected weights selected_mean, …;
channels and count, of the test windows, are numbers."""


def matrices(arrays: Arrays, cell: str) -> Figure:
    """The mean attention of a cell (`cell`: as a picture of it is headed) after the first, a middle and the last epoch that
    is kept, and of the selected weights."""
    epochs = arrays["epochs"]
    places = sorted({0, len(epochs) // 2, len(epochs) - 1}) if len(epochs) else []
    shown = [(f"epoch {epochs[i]}", arrays["mean"][i], arrays["entropy"][i], arrays["rank"][i]) for i in places]
    shown.append(("selected weights", arrays["selected_mean"], arrays["selected_entropy"], arrays["selected_rank"]))
    return Figure(
        name="attention",
        title=f"{cell}: attention over channels, mean of {counted(int(arrays['count']), 'test window')}",
        panels=tuple(_matrix(*each) for each in shown),
        panel_size=(3.1, 2.4),
        notes=("A line says how much of each channel goes into its own",),
    )


def _matrix(title: str, mean: NDArray[Any], entropy: float, rank: float) -> Panel:
    names = tuple(str(c + 1) for c in range(len(mean)))
    written = len(mean) <= MOST_NAMED
    cells = tuple(
        tuple(HeatCell(value=float(v), text=f"{v:.2f}" if written else "") for v in line) for line in mean
    )  # fmt: skip
    return Panel(
        title=title, remark=f"entropy {float(entropy):.2f}, rank {float(rank):.1f}",
        x=Axis(label="from channel", categories=names), y=Axis(label="into channel", categories=names),
        marks=(Heat(cells=cells, label="attention", most=1.0, meaning="mean attention"),),
    )  # fmt: skip


def by_epoch(cells: Sequence[tuple[str, Arrays]]) -> Figure | None:
    """Row entropy, effective rank and diagonal of several cells (key, arrays) by epoch; None where no epochs are kept."""
    cells = [(key, arrays) for key, arrays in cells if len(arrays["epochs"])]
    if not cells:
        return None
    styles = {key: style_of_series(i, line="solid", size=3.5) for i, (key, _) in enumerate(cells)}
    channels = max(int(arrays["channels"]) for _, arrays in cells)
    bounds = {"entropy": math.log(channels), "rank": float(channels), "diagonal": 1.0}
    panels = []
    for name, label in MEASURES:
        lines = tuple(
            Points(x=tuple(map(float, arrays["epochs"])), y=holes(np.asarray(arrays[name]).tolist()), style=styles[key],
                   meaning="after an epoch", series=key)
            for key, arrays in cells
        )  # fmt: skip
        bound = Rule(across="y", at=bounds[name], style=BOUND, meaning="the most that it can be")
        panels.append(Panel(x=Axis(label="epoch", whole=True), y=Axis(label=label), marks=(*lines, bound), title=name))
    return Figure(
        name="attention by epoch", title="Attention over channels by epoch, mean of test windows", panels=tuple(panels),
        panel_size=(3.0, 2.2), legend=tuple(LegendEntry(name=key, style=style) for key, style in styles.items()),
        notes=("Dashed: the most that it can be",),
    )  # fmt: skip
