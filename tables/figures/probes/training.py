"""How sharpness and attention go with the epochs of several trainings, beside their validation error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import counted
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points, Rule, holes, scale_of
from tables.figures.style import Style, style_of_series

BOUND = Style(colour="grey", line="dashed", width=0.8)
Arrays = Mapping[str, NDArray[Any]]
"""epochs [E], and by epoch lambda_max, entropy (NaN without attention over channels) and val_mse [E]; channels, windows,
count and split."""
MEASURES = (
    ("lambda_max", "λmax", "largest eigenvalue"), ("entropy", "row entropy", "row entropy, nats"),
    ("val_mse", "validation MSE", "validation MSE"),
)  # fmt: skip


def by_epoch(cells: Sequence[tuple[str, Arrays]]) -> Figure | None:
    """A panel a measure, a line a cell (title, arrays); None where there is none. λmax on a logarithmic axis where all of
    it is above 0 and its ends are far apart."""
    if not cells:
        return None
    styles = {title: style_of_series(i, line="solid", size=3.5) for i, (title, _) in enumerate(cells)}
    panels = []
    for name, title, label in MEASURES:
        values = {each: np.asarray(arrays[name], dtype=float) for each, arrays in cells}
        there = [series for series in values.values() if np.isfinite(series).any()]
        if not there:
            continue
        marks: list[Points | Rule] = [
            Points(x=tuple(map(float, arrays["epochs"])), y=holes(values[each].tolist()), style=styles[each],
                   meaning="after an epoch", series=each)
            for each, arrays in cells
        ]  # fmt: skip
        if name == "entropy":
            most = math.log(max(int(arrays["channels"]) for _, arrays in cells))
            marks.append(Rule(across="y", at=most, style=BOUND, meaning="the most that it can be"))
        found = np.concatenate(there).tolist()
        y = Axis(label=label, scale=scale_of(found) if name == "lambda_max" else "linear")
        panels.append(Panel(x=Axis(label="epoch", whole=True), y=y, marks=tuple(marks), title=title))
    over = sorted({f"{counted(int(of['windows']), 'window')} of {of['split']}" for _, of in cells})
    seen = sorted({counted(int(of["count"]), "test window") for _, of in cells if int(of["count"])})
    return Figure(
        name="training", title="Sharpness and attention by epoch", panels=tuple(panels), panel_size=(3.2, 2.3), across=3,
        legend=tuple(LegendEntry(name=title, style=style) for title, style in styles.items()),
        notes=(
            f"λmax of the Hessian of the mean squared error over {' or '.join(over)}",
            *([f"Row entropy: mean of {' or '.join(seen)}; dashed: the most that it can be"] if seen else []),
        ),
    )  # fmt: skip
