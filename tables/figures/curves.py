"""Learning curves: validation MSE by epoch, a panel a cell, a line a seed, a mark at the epoch that is best by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config.paper import Paper
from benchmark.workloads import METRICS
from tables.figures.data import Axis, Figure, Holes, LegendEntry, Panel, Points, holes
from tables.figures.style import Style, style_of_series
from tables.rows.means import cell_name
from tables.rows.results import Curve
from tables.rows.row import Row

MOST = 16
"""Panels; of more cells those that come first are shown, and the figure says so."""
MOST_POINTS = 120
"""Of one curve; of a longer one every few epochs are shown by the least and the greatest value among them."""
LONG = 20
"""Epochs from which on the first ones may lie outside."""
ALONE = (4.2, 2.1)
"""Inches: a panel that is a whole picture."""
Series = tuple[str, bool]
"""A column and whether SAM is on."""


def figure(paper: Paper, rows: Sequence[Row], curves: Mapping[str, Curve], about: str) -> Figure | None:
    """The main columns; None where nothing was trained by epochs. `curves`: by digest. `about`: how the title begins."""
    shown = [row for row in rows if row.key.metric == paper.metric.name and row.main]
    shown = [row for row in shown if any(digest in curves for digest in row.ours.digests)]
    if not shown:
        return None
    by_cell: dict[tuple[str, int], list[Row]] = {}
    for row in shown:
        by_cell.setdefault((row.key.dataset, row.key.horizon), []).append(row)
    order = list(paper.columns)
    series = sorted({(row.key.model, row.key.sam) for row in shown}, key=lambda s: (order.index(s[0]), not s[1]))
    names = {each: _name(each, shown) for each in series}
    fewer = (f"The first {MOST} of {len(by_cell)} cells",) if len(by_cell) > MOST else ()
    panels = tuple(_panel(of_cell, names, curves, crowded=True) for of_cell in list(by_cell.values())[:MOST])
    cut = ("What is high, as first epochs are, lies above the picture",) if any(p.y.limits for p in panels) else ()
    return Figure(
        name="curves",
        title=f"{about}: learning curves",
        panels=panels,
        panel_size=(2.5, 1.7),
        legend=tuple(
            LegendEntry(name=name, style=style_of_series(place, line="solid")) for place, name in enumerate(names.values())
        ),
        notes=(*fewer, f"Validation {paper.metric.title} of every seed; mark: its best epoch", *cut),
    )


def of_cell(row: Row, curves: Mapping[str, Curve]) -> Figure | None:
    """Those of one cell alone; None where it was not trained by epochs."""
    if not any(digest in curves for digest in row.ours.digests):
        return None
    panel = _panel([row], {(row.key.model, row.key.sam): row.key.model}, curves)
    return Figure(
        name="curves", title="Learning curves", panels=(panel,), panel_size=ALONE,
        notes=(f"Validation {METRICS[row.key.metric].title} of every seed; mark: its best epoch",),
    )  # fmt: skip


def _name(series: Series, rows: Sequence[Row]) -> str:
    """The column; with its SAM setting where that is not its own alone."""
    model, sam = series
    alone = all(row.own_sam for row in rows if row.key.model == model)
    return model if alone else f"{model}, SAM {'on' if sam else 'off'}"


def _panel(rows: Sequence[Row], names: Mapping[Series, str], curves: Mapping[str, Curve], crowded: bool = False) -> Panel:
    """One cell; `crowded`: beside others, where what is far above the rest lies outside and long curves are thinned out."""
    marks: list[Points] = []
    longest = 1
    for row in rows:
        series = (row.key.model, row.key.sam)
        style = style_of_series(list(names).index(series), size=3.5)
        for curve in (curves[d] for d in row.ours.digests if d in curves):
            marks += _marks(curve, names[series], style, crowded)
            longest = max(longest, len(curve.validation))
    return Panel(
        title=cell_name(rows[0].key.dataset, rows[0].key.horizon, ", "),
        marks=tuple(marks),
        x=Axis(label="epoch", whole=True, limits=(0.5, 1.5) if longest == 1 else None),
        y=Axis(label=f"validation {METRICS[rows[0].key.metric].title}", limits=_limits(marks) if crowded else None),
    )


def _limits(marks: Sequence[Points]) -> tuple[float, float] | None:
    """Room for nine tenths of all values and half of every curve; None where that is nearly all, or no curve is long."""
    of_each = [sorted(value for value in mark.y if value is not None) for mark in marks]
    found = sorted(value for values in of_each for value in values)
    if max(map(len, of_each), default=0) < LONG:
        return None
    halves = [values[len(values) // 2] for values in of_each if values]
    least, high = found[0], max(found[int(0.9 * (len(found) - 1))], *halves)
    if high <= least or found[-1] <= least + 1.5 * (high - least):
        return None
    return least - 0.06 * (high - least), high + 0.06 * (high - least)


def _thinned(values: Holes) -> list[int]:
    """The places that are shown: of every few the least and the greatest value, and both ends."""
    if len(values) <= MOST_POINTS:
        return list(range(len(values)))
    parts, last = MOST_POINTS // 2, len(values) - 1
    kept = {0, last}
    for part in range(parts):
        places = range(part * len(values) // parts, (part + 1) * len(values) // parts)
        finite = [(value, place) for place in places if (value := values[place]) is not None]
        kept |= {min(finite)[1], max(finite)[1]} if finite else {places[0]}
    return sorted(kept)


def _marks(curve: Curve, name: str, style: Style, thinned: bool) -> list[Points]:
    """Of one seed."""
    values = holes(curve.validation)
    line = Style(colour=style.colour, line="solid", width=0.7)
    shown = _thinned(values) if thinned else range(len(values))
    at, y = tuple(float(place + 1) for place in shown), tuple(values[place] for place in shown)
    marks = [Points(series=name, meaning="one seed", style=line, x=at, y=y)]
    if curve.best_epoch:
        best = (values[curve.best_epoch - 1],)
        marks.append(Points(series=name, meaning="its best epoch", style=style, x=(curve.best_epoch,), y=best))
    return marks
