"""The loss around the weights of one cell or two, on the line between them, and on the plane of a training's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import counted
from tables.figures.data import Axis, Figure, Mark, Panel, Points, Rule, Surface, holes, scale_of
from tables.figures.style import Style, style_of_series

Arrays = Mapping[str, NDArray[Any]]
LEVELS = 8
WIDE = 20
"""From so many times its least on, a loss is shown on a logarithmic axis."""
CENTRE = Style(colour="white", shape="plus", size=5.0, outlined=True)
PATH = Style(colour="white", shape="circle", size=2.5, line="solid", width=0.9)
LINE = style_of_series(0, line="solid", size=3.0)
ENDS = Style(colour="grey", line="dashed", width=0.8)


def surfaces(cells: Sequence[tuple[str, Arrays]]) -> Figure:
    """The cells (title, arrays) side by side, on one scale."""
    scale = _scale([arrays["loss"] for _, arrays in cells])
    panels = tuple(
        Panel(
            title=title.partition(",")[0],
            x=Axis(label="first direction"), y=Axis(label="second direction"),
            marks=(
                Surface(x=_places(of["x"]), y=_places(of["y"]), heights=_heights(of["loss"]), label=_label(of), **scale),
                Points(x=(0.0,), y=(0.0,), style=CENTRE, meaning="the trained weights"),
            ),
        )
        for title, of in cells
    )  # fmt: skip
    whose = " and of ".join(title for title, _ in cells)
    return Figure(
        name="landscape", title=f"The loss around the weights of {whose}, along two random directions", panels=panels,
        panel_size=(4.4, 3.2), across=2,
        notes=(
            "A direction's filters are as long as the weights' own; biases and norms stay. The plus is at the weights",
            f"There the loss is {' and '.join(format(float(of['centre']), '.4f') for _, of in cells)}",
        ),
    )  # fmt: skip


def line(first: str, second: str, arrays: Arrays) -> Figure | None:
    """The loss on the line from the weights of `first` to those of `second`; None where there is none."""
    if "line_at" not in arrays:
        return None
    losses = holes(arrays["line_loss"].tolist())
    marks: tuple[Mark, ...] = (
        Points(x=_places(arrays["line_at"]), y=losses, style=LINE, meaning="on the line"),
        Rule(across="x", at=0.0, style=ENDS, meaning=first),
        Rule(across="x", at=1.0, style=ENDS, meaning=second),
    )
    y = Axis(label=_label(arrays), scale=scale_of(losses, WIDE))
    panel = Panel(x=Axis(label="share of the way"), y=y, marks=marks)
    return Figure(
        name="line", title=f"The loss between the weights of {first} (at 0) and {second} (at 1)", panels=(panel,),
        panel_size=(4.6, 2.6),
    )  # fmt: skip


def paths(key: str, arrays: Arrays) -> Figure | None:
    """The kept epochs of a training in the plane in which they lie best; None where too few are kept."""
    if "path" not in arrays:
        return None
    shares = [f"{share:.0%} of the path's variance" for share in arrays["path_explained"]]
    path, epochs = arrays["path"], arrays["epochs"]
    surface = Surface(
        x=_places(arrays["path_x"]), y=_places(arrays["path_y"]), heights=_heights(arrays["path_loss"]),
        label=_label(arrays), **_scale([arrays["path_loss"]]),
    )  # fmt: skip
    marks = (
        surface,
        Points(x=_places(path[:, 0]), y=holes(path[:, 1].tolist()), style=PATH, meaning="after an epoch",
               labels=tuple(f"epoch {number}" for number in epochs)),
        Points(x=(0.0,), y=(0.0,), style=CENTRE, meaning="the selected weights"),
    )  # fmt: skip
    panel = Panel(
        x=Axis(label=f"first component, {shares[0]}"), y=Axis(label=f"second component, {shares[1]}"), marks=marks
    )
    return Figure(
        name="path", title=f"{key}: the training's path from epoch {epochs[0]} to {epochs[-1]}", panels=(panel,),
        panel_size=(5.4, 3.8), notes=("The plus is at the selected weights",),
    )  # fmt: skip


def _label(arrays: Arrays) -> str:
    example = str(arrays.get("example", "window"))
    return f"{arrays.get('measure', 'MSE')}, {counted(int(arrays['windows']), example)} of {arrays['split']}"


def _places(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _heights(values: NDArray[Any]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(holes(line) for line in values.tolist())


def _scale(surfaces: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """Limits, levels and scale that all of them share, and what a height is: logarithmic where every loss is above 0."""
    heights = np.concatenate([each[np.isfinite(each)] for each in surfaces])
    least, most = (float(heights.min()), float(heights.max())) if heights.size else (0.0, 1.0)
    log = least > 0
    most = most if most > least else least + (abs(least) or 1.0)
    levels = (np.geomspace if log else np.linspace)(least, most, LEVELS + 2)[1:-1]
    return {"limits": (least, most), "levels": _places(levels), "scale": "log" if log else "linear",
            "meaning": "the loss"}  # fmt: skip
