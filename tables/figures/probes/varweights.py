"""VAR weights of SAMoVAR and FixedVAR: by lag and head, entry by entry, their paths, the structural matrix; and a model's
coefficients beside those of the process that made the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import counted
from tables.figures.data import Axis, Figure, Heat, HeatCell, LegendEntry, Panel, Points, holes
from tables.figures.style import Style, style_of_series

Arrays = Mapping[str, NDArray[Any]]
MOST_LAGS = 6
"""Of more lags the nearest so many are drawn."""
MOST_NAMED = 10
"""Of more features every fourth is named."""
WRITTEN = 100
"""In a heat map of so many cells or fewer, each number stands in its cell."""
DRAWN, WIDEST = 12, 4.0
"""So many of the strongest paths, and the line of the strongest in points."""
STEPS = 16
"""So many of the nearest lags are drawn of coefficients."""


def figures(arrays: Arrays, key: str) -> Iterator[tuple[str, Figure]]:
    """Every figure of the cell `key`, by its suffix; arrays as `benchmark.analysis.probes.varweights.var` has them."""
    yield "", by_lag(arrays, key)
    yield "weights", weights(arrays, key)
    yield "structure", structure(arrays, key)
    yield "paths", paths(arrays, key)


def token_names(tokens: int) -> list[str]:
    """Lag in segments before the forecast, and which token: `2 own`."""
    return [f"{tokens // 2 - j // 2} {('context', 'own')[j % 2]}" for j in range(tokens)]


def by_lag(arrays: Arrays, key: str) -> Figure:
    """‖Φ‖/√e of the last token's weights, mean over the windows: a panel a channel, heads × keys."""
    norms = arrays["norms"][:, :, -1].mean(axis=0)[:, -2 * MOST_LAGS :]  # [C, T, h]
    names, most = token_names(arrays["norms"].shape[3])[-2 * MOST_LAGS :], float(norms.max())
    heads = [f"head {h + 1}" for h in range(norms.shape[2])]
    panels = tuple(
        Panel(title=f"channel {arrays['channel'][c]}", x=Axis(label="lag in segments, token", categories=tuple(names)),
              y=Axis(categories=tuple(heads)), marks=(_heat(each.T, most, "norm / √e", "weights of one key"),))
        for c, each in enumerate(norms)
    )  # fmt: skip
    windows = counted(len(arrays["norms"]), "window")
    return Figure(
        name="VAR weights by lag", title=f"{key}: VAR weights of the last segment by lag and head", panels=panels, across=3,
        panel_size=(4.2, 2.4), notes=(f"Frobenius norm of Φ over √e, 1 for the identity, mean of {windows}",),
    )  # fmt: skip


def weights(arrays: Arrays, key: str) -> Figure:
    """The entries of Φ of the head with the largest weights: a panel a key, of the first window and the last channel."""
    head = int(arrays["head"])
    phi = arrays["weights"][0, -1, -1, :, head][-2 * MOST_LAGS :]  # [T, e, e]
    names, most = token_names(arrays["weights"].shape[3])[-len(phi) :], float(np.abs(phi).max())
    panels = tuple(
        _matrix(f"lag {name}", each, most, "weight") for name, each in zip(names[::-1], phi[::-1], strict=True)
    )  # fmt: skip
    return Figure(
        name="VAR weights", title=f"{key}: Φ of head {head + 1}, first window, last channel, by lag in segments and token",
        panels=panels, panel_size=(2.6, 2.1), notes=("Features of what comes out × features of the key, on one scale",),
    )  # fmt: skip


def structure(arrays: Arrays, key: str) -> Figure:
    """The structural matrix D of each head."""
    found = arrays["structure"]
    panels = tuple(_matrix(f"head {h + 1}", each, float(np.abs(found).max()), "entry") for h, each in enumerate(found))
    return Figure(
        name="structural matrix", title=f"{key}: the structural matrix D by head", panels=panels, panel_size=(2.6, 2.1),
        notes=("Φ has its transpose",),
    )  # fmt: skip


def paths(arrays: Arrays, key: str) -> Figure:
    """The paths that bring most to the last token, each a line from its key at the bottom, wider where it brings more; and
    what paths of each length bring, by key."""
    names, head = token_names(arrays["norms"].shape[3]), int(arrays["head"])
    lines = []
    for tokens, norm in reversed(list(zip(arrays["path_tokens"][:DRAWN], arrays["path_norms"][:DRAWN], strict=True))):
        points = [float(token) for token in tokens if token >= 0]
        share = float(norm / arrays["path_norms"].max())
        style = Style(
            colour=len(points) - 2,
            shape="circle",
            size=3,
            line="solid",
            width=WIDEST * share**2,
            opacity=0.2 + 0.7 * share**2,
        )
        lines.append(Points(x=tuple(points), y=tuple(map(float, range(len(points)))), style=style, meaning="a path",
                            series=_steps(len(points) - 1)))  # fmt: skip
    axis = Axis(label="lag in segments, token", categories=tuple(names))
    panels = [Panel(title="strongest paths", x=axis, y=Axis(label="steps taken", whole=True), marks=tuple(lines))]
    of_length = arrays["by_length"][:, 0, -1, :, head]  # [M, T]
    marks = tuple(
        Points(x=tuple(map(float, range(len(each)))), y=holes(each.tolist()), meaning="norm of all of them together",
               style=style_of_series(i, line="solid", size=4), series=_steps(i + 1))
        for i, each in enumerate(of_length)
    )  # fmt: skip
    panels.append(Panel(title="by length", x=axis, y=Axis(label="‖Dᵀ B‖"), marks=marks))
    legend = tuple(LegendEntry(name=mark.series, style=mark.style) for mark in marks)
    return Figure(
        name="influence paths", title=f"{key}: influence paths to the last token of head {head + 1}",
        panels=tuple(panels), panel_size=(5.0, 2.8), legend=legend,
        notes=("First window, last channel. A step is a layer of attention, and may stay at its token",),
    )  # fmt: skip


def _steps(count: int) -> str:
    return counted(count, "step")


def coefficients(arrays: Arrays, key: str) -> Figure:
    """The one-step coefficients at the last two steps, the process's and the model's, and the norms by lag of all steps."""
    true, held, whole = (arrays[name][0] for name in ("true", "held", "whole"))  # [C, lag, C]
    shown = {"process": true, "VAR weights held": held, "whole model": whole}
    most = max(float(np.abs(each[:, :2]).max()) for each in shown.values())
    panels = [_matrix(f"{name}, lag {lag + 1}", each[:, lag], most, "coefficient")
              for lag in range(2) for name, each in shown.items()]  # fmt: skip
    lines = tuple(
        Points(x=tuple(float(lag + 1) for lag in range(STEPS)), y=holes(arrays[f"lag_{name}"][:STEPS].tolist()),
               style=style_of_series(i, line="solid", size=4), series=said, meaning="all coefficients of one lag")
        for i, (name, said) in enumerate(zip(("true", "held", "whole"), shown, strict=True))
    )  # fmt: skip
    panels.append(Panel(title="norm by lag", x=Axis(label="lag in steps", whole=True), y=Axis(label="norm"), marks=lines))
    errors = f"{100 * float(arrays['error_held']):.0f} % (held) and {100 * float(arrays['error_whole']):.0f} % (whole)"
    return Figure(
        name="coefficients", title=f"{key}: linear coefficients beside the process's; the error over all steps is {errors}",
        panels=tuple(panels), across=3, panel_size=(3.2, 2.5),
        legend=tuple(LegendEntry(name=line.series, style=line.style) for line in lines),
        notes=("Heat maps: of the first step that is forecast, channel forecast × channel seen, standardised scale",),
    )  # fmt: skip


def _matrix(title: str, values: NDArray[Any], most: float, label: str) -> Panel:
    lines, columns = (
        tuple(str(i + 1) if size <= MOST_NAMED or i % 4 == 3 else "" for i in range(size)) for size in values.shape
    )
    return Panel(title=title, x=Axis(categories=columns), y=Axis(categories=lines),
                 marks=(_heat(values, most, label, "an entry"),))  # fmt: skip


def _heat(values: NDArray[Any], most: float, label: str, meaning: str) -> Heat:
    written = values.size <= WRITTEN
    cells = tuple(
        tuple(HeatCell(value=float(v), text=f"{v:.2f}" if written else "") for v in line) for line in values
    )  # fmt: skip
    return Heat(cells=cells, label=label, most=most or 1.0, meaning=meaning)
