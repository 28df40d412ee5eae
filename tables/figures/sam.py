"""SAM off against on, paired: an arrow a cell, from the mean without to the mean with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config.paper import Column, Paper
from tables.figures.data import Arrows, Axis, Figure, LegendEntry, Panel, beside
from tables.figures.horizons import axis_of
from tables.figures.style import style_of_series
from tables.rows.row import Row

Side = tuple[str, bool]
"""A column and whether SAM is on."""
Pair = tuple[str, Side, Side]
"""A name, what stands without SAM, what with."""
Means = Mapping[tuple[str, int, str, bool], float]
"""Data set, horizon, column and whether SAM is on → our mean MSE."""
LEAST_SPAN = 0.1
"""Of the largest mean in a panel: what its axis shows at least."""
MEANING = "from the mean with SAM off to the mean with SAM on"


def sam_pairs(paper: Paper, rows: Sequence[Row]) -> list[Pair]:
    """Columns that differ in SAM alone, and columns with Results of both settings."""
    done = {(row.key.model, row.key.sam) for row in rows if row.ours.n}
    pairs: dict[Pair, None] = {}
    for name in paper.columns:
        if {(name, False), (name, True)} <= done:
            pairs[name, (name, False), (name, True)] = None
    for name, column in paper.columns.items():
        for other_name, other in paper.columns.items():
            if not column.sam and other.sam and _alike(paper, column, other):
                found = (name, (name, False), (other_name, True))
                if {found[1], found[2]} <= done:
                    pairs[found] = None
    return list(pairs)


def _alike(paper: Paper, first: Column, second: Column) -> bool:
    """Whether two columns have the same model with the same arguments, at every data set and horizon."""
    if first.model != second.model or first.arguments.keys() != second.arguments.keys():
        return False
    cells = [(dataset, horizon) for dataset in paper.datasets for horizon in paper.horizons_of(dataset)]
    return all(_values(first, dataset, horizon) == _values(second, dataset, horizon) for dataset, horizon in cells)


def _values(column: Column, dataset: str, horizon: int) -> list[object]:
    where = {"dataset": dataset, "horizon": horizon, "model": column.name, "sam": column.sam}
    found = {**column.arguments, **column.recipe}
    said = {name: value.at(where) for name, value in sorted(found.items()) if name != "rho"}
    return [(name, value.value if value else None) for name, value in said.items()]


def figure(paper: Paper, rows: Sequence[Row], about: str) -> Figure | None:
    """None where no pair has a Result on both sides. `about`: how the title begins."""
    found = [row for row in rows if row.key.metric == paper.metric.name and row.ours.mean is not None]
    pairs = sam_pairs(paper, found)
    if not pairs:
        return None
    means = {(row.key.dataset, row.key.horizon, row.key.model, row.key.sam): row.ours.mean or 0.0 for row in found}
    panels = [_panel(paper, dataset, means, pairs) for dataset in paper.datasets]
    shown = tuple(panel for panel in panels if panel.marks)
    if not shown:
        return None
    legend = [LegendEntry(name=_name(pair), style=style_of_series(place)) for place, pair in enumerate(pairs)]
    return Figure(
        name="sam", title=f"{about}: SAM off against on", panel_size=(2.6, 2.2), legend=tuple(legend),
        panels=shown,
        notes=("Hollow: SAM off, filled: SAM on",),
    )  # fmt: skip


def _name(pair: Pair) -> str:
    name, (without, _), (with_, _) = pair
    return name if without == with_ else f"{without} → {with_}"


def _panel(paper: Paper, dataset: str, means: Means, pairs: Sequence[Pair]) -> Panel:
    """One data set: horizons at equal distances, the pairs beside one another; without marks where no pair is whole."""
    horizons = [h for h in paper.horizons_of(dataset) if any(key[:2] == (dataset, h) for key in means)]
    marks = []
    for place, pair in enumerate(pairs):
        _, without, with_ = pair
        ends = [
            (at + beside(place, len(pairs), 0.7), means[dataset, horizon, *without], means[dataset, horizon, *with_])
            for at, horizon in enumerate(horizons)
            if {(dataset, horizon, *without), (dataset, horizon, *with_)} <= means.keys()
        ]
        if ends:
            x, start, end = zip(*ends, strict=True)
            style = style_of_series(place, size=4.5, line="solid", width=1.2)
            marks.append(Arrows(series=_name(pair), meaning=MEANING, style=style, x=x, start=start, end=end))
    return Panel(
        title=dataset, marks=tuple(marks),
        x=axis_of(paper, horizons), y=Axis(label=f"test {paper.metric.title}", limits=_limits(marks)),
    )  # fmt: skip


def _limits(marks: Sequence[Arrows]) -> tuple[float, float] | None:
    """Wide enough that a small difference looks small; None where the differences are wide enough by themselves."""
    ends = [end for mark in marks for end in (*mark.start, *mark.end)]
    if not ends or max(ends) - min(ends) >= LEAST_SPAN * max(ends):
        return None
    middle, half = (min(ends) + max(ends)) / 2, 0.55 * LEAST_SPAN * max(ends)
    return middle - half, middle + half
