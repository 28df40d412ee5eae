"""The loss around the weights of one cell or two, on the line between them, and on the plane of a training's path."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import counted
from tables.figures.data import Axis, Figure, Mark, Panel, Points, Rule, Surface, holes, scale_of
from tables.figures.style import Style, style_of_series

Arrays = Mapping[str, NDArray[Any]]
LEVELS = 8
SIZE = (4.1, 3.2)
"""Inches of a panel, of which two stand side by side on the page, too."""
WIDE = 20
"""From so many times its least on, a loss is shown on a logarithmic axis."""
NORMS = {
    "filter": "A direction's filters are as long as the weights' own", "dfilter": "A direction's filters have length 1",
    "layer": "A direction's layers are as long as the weights' own", "dlayer": "A direction's layers have length 1",
    "weight": "Each number of a direction is a random one times the weight", "none": "Directions are as they were drawn",
}  # fmt: skip
BIASES = {"zero": "{} stay", "copy": "of {} both have a copy"}
ONE_AXIS = {"weights": "biases and norms", "states": "biases, norms and running statistics"}
"""By the names that the files have, what a figure says of how the directions were drawn."""
CENTRE = Style(colour="white", shape="plus", size=5.0, outlined=True)
PATH = Style(colour="white", shape="circle", size=2.5, line="solid", width=0.9)
LINE = style_of_series(0, line="solid", size=3.0)
ENDS = Style(colour="grey", line="dashed", width=0.8)


def surfaces(cells: Sequence[tuple[str, Arrays]]) -> Figure:
    """The cells (title, arrays) side by side, on one scale; where there is an accuracy, it stands beside the loss."""
    shown = _shown([arrays for _, arrays in cells])
    panels = tuple(
        Panel(
            title=title.partition(",")[0], x=Axis(label="first direction"), y=Axis(label="second direction"),
            marks=(_surface(of, name, scale), Points(x=(0.0,), y=(0.0,), style=CENTRE, meaning="the trained weights")),
        )
        for title, of in cells for name, scale in shown.items() if name in of
    )  # fmt: skip
    whose = " and of ".join(title for title, _ in cells)
    drawn = [_drawn(of) for _, of in cells]
    if len(set(drawn)) == 1:
        drawn = drawn[:1]
    else:
        drawn = [f"{title.partition(',')[0]}: {how}" for (title, _), how in zip(cells, drawn, strict=True)]
    return Figure(
        name="landscape", title=f"{_what(shown)} around the weights of {whose}, along two random directions",
        panels=panels, panel_size=SIZE, across=2,
        notes=(
            *drawn, f"The plus is at the weights; there the loss is {_at_the_weights(cells, 'centre', '.4f')}",
            *([f"The accuracy there is {_at_the_weights(cells, 'centre_accuracy', '.2f')} %"] if len(shown) > 1 else []),
        ),
    )  # fmt: skip


def line(first: str, second: str, arrays: Arrays) -> Figure | None:
    """The loss on the line from the weights of `first` to those of `second`; None where there is none."""
    if "line_at" not in arrays:
        return None
    shown = _shown([arrays], "line_")
    panels = []
    for name in shown:
        found = holes(arrays[f"line_{name}"].tolist())
        marks: tuple[Mark, ...] = (
            Points(x=_places(arrays["line_at"]), y=found, style=LINE, meaning="on the line"),
            Rule(across="x", at=0.0, style=ENDS, meaning=first),
            Rule(across="x", at=1.0, style=ENDS, meaning=second),
        )
        y = Axis(label=_label(arrays, name), scale=scale_of(found, WIDE) if name == "loss" else "linear")
        panels.append(Panel(x=Axis(label="share of the way"), y=y, marks=marks))
    stay = str(arrays.get("line", "states")) == "weights"
    return Figure(
        name="line", title=f"{_what(shown)} between the weights of {first} (at 0) and {second} (at 1)",
        panels=tuple(panels), panel_size=(4.6, 2.6), across=2,
        notes=(f"Parameters alone go: running statistics are those of {first.partition(',')[0]}",) if stay else (),
    )  # fmt: skip


def paths(key: str, arrays: Arrays) -> Figure | None:
    """The kept epochs of a training in the plane in which they lie best; None where too few are kept."""
    if "path" not in arrays:
        return None
    shares = [f"{share:.0%} of the path's variance" for share in arrays["path_explained"]]
    path, epochs = arrays["path"], arrays["epochs"]
    above = (
        Points(x=_places(path[:, 0]), y=holes(path[:, 1].tolist()), style=PATH, meaning="after an epoch",
               labels=tuple(f"epoch {number}" for number in epochs)),
        Points(x=(0.0,), y=(0.0,), style=CENTRE, meaning="the selected weights"),
    )  # fmt: skip
    axes = [Axis(label=f"{which} component, {share}") for which, share in zip(("first", "second"), shares, strict=True)]
    panels = tuple(
        Panel(x=axes[0], y=axes[1], marks=(_surface(arrays, name, scale, "path_"), *above))
        for name, scale in _shown([arrays], "path_").items()
    )
    return Figure(
        name="path", title=f"{key}: the training's path from epoch {epochs[0]} to {epochs[-1]}", panels=panels,
        panel_size=(5.4, 3.8) if len(panels) == 1 else SIZE, across=2, notes=("The plus is at the selected weights",),
    )  # fmt: skip


def _drawn(arrays: Arrays) -> str:
    """How the directions were drawn, in a sentence."""
    norm, biases = NORMS[str(arrays.get("norm", "filter"))], BIASES[str(arrays.get("biases", "zero"))]
    return f"{norm}; {biases.format(ONE_AXIS[str(arrays.get('dir_type', 'weights'))])}"


def _at_the_weights(cells: Sequence[tuple[str, Arrays]], name: str, form: str) -> str:
    return " and ".join(format(float(of[name]), form) for _, of in cells if name in of)


def _what(shown: Collection[str]) -> str:
    return "The loss and the accuracy" if "accuracy" in shown else "The loss"


def _label(arrays: Arrays, name: str) -> str:
    what = arrays.get("measure", "MSE") if name == "loss" else "accuracy in %"
    return f"{what}, {counted(int(arrays['windows']), str(arrays.get('example', 'window')))} of {arrays['split']}"


def _surface(arrays: Arrays, name: str, scale: Mapping[str, Any], begins: str = "") -> Surface:
    x, y, heights = (arrays[f"{begins}{each}"] for each in ("x", "y", name))
    return Surface(x=_places(x), y=_places(y), heights=_heights(heights), label=_label(arrays, name), **scale)


def _places(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _heights(values: NDArray[Any]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(holes(line) for line in values.tolist())


def _shown(cells: Sequence[Arrays], begins: str = "") -> dict[str, dict[str, Any]]:
    """Of loss and accuracy what any of them has, with the scale that all of them share."""
    found = {name: [of[f"{begins}{name}"] for of in cells if f"{begins}{name}" in of] for name in ("loss", "accuracy")}
    return {name: _scale(each, name) for name, each in found.items() if each}


def _scale(surfaces: Sequence[NDArray[Any]], name: str) -> dict[str, Any]:
    """Limits, levels and scale that all of them share, and what a height is: logarithmic where every loss is above 0."""
    heights = np.concatenate([each[np.isfinite(each)] for each in surfaces])
    least, most = (float(heights.min()), float(heights.max())) if heights.size else (0.0, 1.0)
    log = least > 0 and name == "loss"
    most = most if most > least else least + (abs(least) or 1.0)
    levels = (np.geomspace if log else np.linspace)(least, most, LEVELS + 2)[1:-1]
    return {"limits": (least, most), "levels": _places(levels), "scale": "log" if log else "linear",
            "meaning": f"the {name}"}  # fmt: skip
