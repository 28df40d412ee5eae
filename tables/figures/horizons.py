"""MSE by horizon, a panel a data set, with the seeds' spread and the printed values as marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmark.config.paper import Paper
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points, beside, holes
from tables.figures.style import Style, style_of_series
from tables.rows.means import horizon_name
from tables.rows.row import Row

Series = tuple[str, bool]
"""A column and whether SAM is on."""

BESIDE_THE_MEAN = 0.09
"""How far the seeds stand at its right and the printed value at its left, in horizons."""
SEED = Style(colour="dark grey", shape="circle", size=1.25)
PRINTED = Style(colour="dark grey", shape="cross", size=5, width=1.4)


def figure(paper: Paper, rows: Sequence[Row], about: str) -> Figure | None:
    """The main columns; None where none of them has a Result. `about`: how the title begins."""
    main = [row for row in rows if row.key.metric == paper.metric.name and row.main]
    datasets = [d for d in paper.datasets if any(row.key.dataset == d and row.ours.n for row in main)]
    if not datasets:
        return None
    shown = [row for row in main if row.key.dataset in datasets]
    done = {_series(row) for row in shown if row.ours.n}
    series = [each for each in dict.fromkeys(map(_series, shown)) if each in done]
    return Figure(
        name="horizons",
        title=f"{about}: mean ± standard deviation over seeds",
        panels=tuple(_panel(paper, d, [row for row in shown if row.key.dataset == d], series) for d in datasets),
        panel_size=(2.6, 2.3),
        legend=_legend(series, any(row.printed is not None and row.same_task for row in shown)),
    )


def axis_of(paper: Paper, horizons: Sequence[int]) -> Axis:
    """Horizons at equal distances; without a name, where the paper's task has none."""
    named = "horizon (steps)" if "horizon" in paper.axes else ""
    return Axis(label=named, categories=tuple(map(horizon_name, horizons)))


def _series(row: Row) -> Series:
    return row.key.model, row.key.sam


def _panel(paper: Paper, dataset: str, rows: Sequence[Row], series: Sequence[Series]) -> Panel:
    """One data set: horizons at equal distances, the series beside one another so that none hides another."""
    horizons = sorted({row.key.horizon for row in rows})
    marks: list[Points] = []
    for place, each in enumerate(series):
        of_horizon = {row.key.horizon: row for row in rows if _series(row) == each}
        found = [of_horizon.get(horizon) for horizon in horizons]
        marks += _marks(_name(each), _style(place, each[1]), beside(place, len(series), 0.5), found)
    return Panel(
        title=dataset + (f" ({rows[0].variant})" if rows[0].variant else ""), marks=tuple(marks),
        x=axis_of(paper, horizons), y=Axis(label=f"test {paper.metric.title}"),
    )  # fmt: skip


def _marks(name: str, style: Style, shift: float, rows: Sequence[Row | None]) -> list[Points]:
    """Of one series, horizon by horizon: its means, its seeds, what is printed."""
    at = [place + shift for place in range(len(rows))]
    seeds = [
        (x + BESIDE_THE_MEAN, value, f"seed {seed}")
        for x, row in zip(at, rows, strict=True) if row
        for seed, value in zip(row.ours.seeds, row.ours.values, strict=True)
    ]  # fmt: skip
    marks = (
        Points(
            series=name, meaning="mean ± standard deviation over seeds", style=style, x=tuple(at),
            y=holes(row.ours.mean if row else None for row in rows),
            spread=holes(row.ours.std if row else None for row in rows),
        ),
        Points(
            series=name, meaning="one seed", style=replace(SEED, colour=style.colour), x=tuple(x for x, _, _ in seeds),
            y=holes(value for _, value, _ in seeds), labels=tuple(label for _, _, label in seeds),
        ),
        Points(
            series=name, meaning="printed", style=replace(PRINTED, colour=style.colour),
            x=tuple(x - BESIDE_THE_MEAN for x in at),
            y=holes(row.printed.value if row and row.printed and row.same_task else None for row in rows),
        ),
    )  # fmt: skip
    return [mark for mark in marks if any(value is not None for value in mark.y)]


def _name(series: Series) -> str:
    model, sam = series
    return f"{model}, SAM {'on' if sam else 'off'}"


def _style(place: int, sam: bool) -> Style:
    """Filled and drawn through with SAM, hollow and dashed without."""
    return style_of_series(place, size=5, width=1.1, filled=sam, line="solid" if sam else "dashed")


def _legend(series: Sequence[Series], printed: bool) -> tuple[LegendEntry, ...]:
    entries = [LegendEntry(name=_name(each), style=_style(place, each[1])) for place, each in enumerate(series)]
    entries.append(LegendEntry(name="one seed", style=SEED))
    if printed:
        entries.append(LegendEntry(name="printed", style=PRINTED))
    return tuple(entries)
