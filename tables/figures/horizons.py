"""MSE by horizon, a panel a data set, with the seeds' spread and the printed values as marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmark.config.paper import Paper
from tables.figures.data import Axis, Figure, LegendEntry, Panel, Points, beside, holes
from tables.figures.style import Style, style_of_series
from tables.rows.means import horizon_name
from tables.rows.row import Row

Series = tuple[str, bool]
"""A column and whether SAM is on."""

FEW = 4
"""Series that a narrow panel has room for."""
BESIDE_THE_MEAN, OF_THE_WAY = 0.09, 0.36
"""How far the seeds stand at its right and the printed value at its left: in horizons, and at most of the way to the next
series."""
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
    several = any(row.ours.n > 1 for row in shown)
    names = _named(series)
    return Figure(
        name="horizons",
        title=f"{about}: " + ("mean ± standard deviation over seeds" if several else "one seed"),
        panels=tuple(_panel(paper, d, [row for row in shown if row.key.dataset == d], names) for d in datasets),
        panel_size=(2.6 + 0.2 * min(max(0, len(series) - FEW), 7), 2.3),
        across=4 if len(series) <= FEW else 3,
        legend=_legend(names, several, any(row.printed is not None and row.same_task for row in shown)),
    )


def axis_of(paper: Paper, horizons: Sequence[int]) -> Axis:
    """Horizons at equal distances; without a name, where the paper's task has none."""
    named = "horizon (steps)" if "horizon" in paper.axes else ""
    return Axis(label=named, categories=tuple(map(horizon_name, horizons)))


def _named(series: Sequence[Series]) -> dict[Series, tuple[str, Style]]:
    """Name and style of each series: with SAM filled and drawn through, without it hollow and dashed; all are filled, and
    named by their columns alone, where none has SAM."""
    with_sam = any(sam for _, sam in series)
    return {
        (model, sam): (
            f"{model}, SAM {'on' if sam else 'off'}" if with_sam else model,
            style_of_series(place, size=5, width=1.1, filled=sam or not with_sam,
                            line="solid" if sam or not with_sam else "dashed"),
        )
        for place, (model, sam) in enumerate(series)
    }  # fmt: skip


def _series(row: Row) -> Series:
    return row.key.model, row.key.sam


def _panel(paper: Paper, dataset: str, rows: Sequence[Row], names: Mapping[Series, tuple[str, Style]]) -> Panel:
    """One data set: horizons at equal distances, the series beside one another so that none hides another."""
    horizons = sorted({row.key.horizon for row in rows})
    marks: list[Points] = []
    width = 0.5 if len(names) <= FEW else 0.8
    apart = min(BESIDE_THE_MEAN, OF_THE_WAY * width / max(len(names), 2))
    for place, (each, (name, style)) in enumerate(names.items()):
        of_horizon = {row.key.horizon: row for row in rows if _series(row) == each}
        found = [of_horizon.get(horizon) for horizon in horizons]
        marks += _marks(name, style, beside(place, len(names), width), apart, found)
    return Panel(
        title=dataset + (f" ({rows[0].variant})" if rows[0].variant else ""), marks=tuple(marks),
        x=axis_of(paper, horizons), y=Axis(label=f"test {paper.metric.title}"),
    )  # fmt: skip


def _marks(name: str, style: Style, shift: float, apart: float, rows: Sequence[Row | None]) -> list[Points]:
    """Of one series, horizon by horizon: its means, its seeds where they are several, what is printed."""
    at = [place + shift for place in range(len(rows))]
    seeds = [
        (x + apart, value, f"seed {seed}")
        for x, row in zip(at, rows, strict=True) if row and row.ours.n > 1
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
            x=tuple(x - apart for x in at),
            y=holes(row.printed.value if row and row.printed and row.same_task else None for row in rows),
        ),
    )  # fmt: skip
    return [mark for mark in marks if any(value is not None for value in mark.y)]


def _legend(names: Mapping[Series, tuple[str, Style]], several: bool, printed: bool) -> tuple[LegendEntry, ...]:
    entries = [LegendEntry(name=name, style=style) for name, style in names.values()]
    if several:
        entries.append(LegendEntry(name="one seed", style=SEED))
    if printed:
        entries.append(LegendEntry(name="printed", style=PRINTED))
    return tuple(entries)
