"""How sharp the loss is at the weights of several cells: both ends of the Hessian's spectrum, its trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from benchmark.errors import counted
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points, beside, holes, scale_of
from tables.figures.style import style_of_series

Arrays = Mapping[str, NDArray[Any]]
PANELS = (
    ("lambda_max", "λmax", "largest eigenvalue", ""), ("lambda_min", "λmin", "smallest eigenvalue", ""),
    ("trace", "trace", "trace, and its standard error", "trace_error"),
)  # fmt: skip


def sharpness(cells: Sequence[tuple[str, Arrays]]) -> Figure:
    """A panel a measure: seeds side by side, a series for each column. cells: (key, arrays)."""
    columns = list(dict.fromkeys(key.rpartition("/")[0] for key, _ in cells))
    seeds = tuple(sorted({key.rpartition("/")[2] for key, _ in cells}, key=lambda seed: (len(seed), seed)))
    styles = {column: style_of_series(place) for place, column in enumerate(columns)}
    panels = []
    for name, title, meaning, error in PANELS:
        marks = []
        for place, column in enumerate(columns):
            own = [(key.rpartition("/")[2], arrays) for key, arrays in cells if key.rpartition("/")[0] == column]
            shift = beside(place, len(columns), 0.4)
            marks.append(
                Points(
                    x=tuple(seeds.index(seed) + shift for seed, _ in own), y=holes(float(of[name]) for _, of in own),
                    spread=holes(float(of[error]) for _, of in own) if error else (), style=styles[column],
                    meaning=meaning, series=column,
                )
            )  # fmt: skip
        y = Axis(scale=scale_of((float(of[name]) for _, of in cells)))
        panels.append(Panel(x=Axis(label="seed", categories=seeds), y=y, marks=tuple(marks), title=title))
    splits = sorted(
        {f"{counted(int(of['windows']), str(of.get('example', 'window')))} of {of['split']}" for _, of in cells}
    )
    losses = sorted({str(of.get("measure", "MSE")) for _, of in cells})
    return Figure(
        name="sharpness", title=f"Hessian of the {' or '.join(losses)} over {' or '.join(splits)}",
        panels=tuple(panels), panel_size=(2.6, 2.2),
        legend=tuple(LegendEntry(name=column, style=style) for column, style in styles.items()),
    )  # fmt: skip
