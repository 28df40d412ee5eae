"""Ours less printed, cell by cell, one colour a protocol: which of them gives a printed column."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.config.paper import Paper
from benchmark.grid.plan import in_order
from benchmark.workloads import METRICS
from tables.explain.nearness import CellKey, Column, Standing, deviation
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points, Rule, beside
from tables.figures.style import Style, style_of_series
from tables.rows.means import cell_name

ZERO = Style(colour="dark grey", line="solid", width=1.0)
DIVIDER = Style(colour="light grey", line="dashed", width=0.8)
ACROSS = 0.6
"""Of a category: what the protocols of one cell take."""


def figure(paper: Paper, found: Sequence[Column]) -> Figure | None:
    """A panel a column and set of cells, None without one."""
    if not found:
        return None
    names = {standing.protocol for column in found for standing in column.standings}
    places = {name: place for place, name in enumerate(in_order(paper, names))}
    most = max(len(column.cells) for column in found)
    return Figure(
        name="explain", title=f"{paper.name}: ours against printed under each protocol, profile paper",
        panels=tuple(_panel(paper, column, places) for column in found), across=2 if most <= 8 else 1,
        panel_size=(max(4.0, 1.2 + 0.3 * most), 2.9),
        legend=tuple(LegendEntry(name=name, style=style_of_series(place)) for name, place in places.items()),
        notes=("0 is the printed number; bars: one standard deviation of our seeds",
               "In each head the mean absolute deviation of the two nearest"),
    )  # fmt: skip


def _panel(paper: Paper, column: Column, places: dict[str, int]) -> Panel:
    categories = tuple(cell_name(dataset, horizon).strip() for dataset, horizon in column.cells)
    sets = [dataset for dataset, _ in column.cells]
    dividers = tuple(
        Rule(across="x", at=place - 0.5, style=DIVIDER, meaning="between two data sets")
        for place in range(1, len(sets)) if sets[place] != sets[place - 1]
    )  # fmt: skip
    points = tuple(
        _points(column, standing, places) for standing in sorted(column.standings, key=lambda s: places[s.protocol])
    )
    several = paper.printed is not None and len(paper.printed.metrics) > 1
    metric = f" {METRICS[column.metric].title}" if several else ""
    near = ", ".join(f"{standing.nearness:.1f} %" for standing in column.standings[:2])
    zero = Rule(across="y", at=0.0, style=ZERO, meaning="the printed number")
    return Panel(title=f"{column.model}{metric}", remark=f"nearest: {near}", x=Axis(categories=categories),
                 y=Axis(label="deviation, %"), marks=(zero, *dividers, *points))  # fmt: skip


def _points(column: Column, standing: Standing, places: dict[str, int]) -> Points:
    place = places[standing.protocol]
    shift = beside(place, len(places), ACROSS)
    return Points(
        x=tuple(position + shift for position in range(len(column.cells))),
        y=tuple(deviation(standing.rows[cell]) for cell in column.cells),
        spread=tuple(_bar(standing, cell) for cell in column.cells), style=style_of_series(place), series=standing.protocol,
        meaning="(ours − printed) / printed, in percent, under one protocol",
        labels=tuple(cell_name(dataset, horizon) for dataset, horizon in column.cells),
    )  # fmt: skip


def _bar(standing: Standing, cell: CellKey) -> float | None:
    row = standing.rows[cell]
    if row.ours.std is None or row.printed is None:
        return None
    return 100 * row.ours.std / row.printed.value
