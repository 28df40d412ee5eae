"""Rows that a paper's own table has beside its cells: means over the horizons, and columns that are only printed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmark.config.paper import Paper
from benchmark.config.recipe import STATUSES
from benchmark.grid.plan import default_seeds
from benchmark.judging.compare import Ours
from benchmark.judging.printed import PrintedNumber, printed_numbers
from tables.rows.judge import judge
from tables.rows.row import IMPORTED, Key, Row

AVERAGE = -1
"""The horizon of a mean over all horizons of a data set; printed as `avg`."""


def horizon_name(horizon: int) -> str:
    """A horizon as a table shows it; nothing where the task has none."""
    return "avg" if horizon == AVERAGE else str(horizon or "")


def cell_name(dataset: str, horizon: int, between: str = " ") -> str:
    """A data set and a horizon as a text shows them; the data set alone where the task has no horizon."""
    return between.join(filter(None, (dataset, horizon_name(horizon))))


def means(paper: Paper, rows: Sequence[Row], profile: str) -> list[Row]:
    """The mean over the horizons of each data set, column, SAM setting and metric, seed by seed.

    A seed counts where it has every horizon that the paper has for the data set. Of fewer horizons there is no mean: it
    is missing, never filled. Nor is there one of different tasks.
    """
    groups: dict[tuple[str, str, bool, str], dict[int, Row]] = {}
    for row in rows:
        groups.setdefault((row.key.dataset, row.key.model, row.key.sam, row.key.metric), {})[row.key.horizon] = row
    return judge([_mean(paper, of_horizon, profile) for of_horizon in groups.values()], profile)


def _mean(paper: Paper, of_horizon: dict[int, Row], profile: str) -> Row:
    first = next(iter(of_horizon.values()))
    wanted = paper.horizons_of(first.key.dataset)
    rows = [of_horizon[h] for h in wanted if h in of_horizon]
    by_seed = [dict(zip(row.ours.seeds, row.ours.values, strict=True)) for row in rows]
    alike = len(rows) == len(wanted) and len({row.variant for row in rows}) == 1
    seeds = sorted(set.intersection(*map(set, by_seed))) if alike else []
    lost = sorted({seed for row in rows for seed in row.ours.not_finite})
    ours = Ours.of({seed: statistics.fmean(of_seed[seed] for of_seed in by_seed) for seed in seeds}, not_finite=lost)
    lookbacks = {row.key.lookback for row in rows}
    key = replace(first.key, horizon=AVERAGE, lookback=lookbacks.pop() if len(lookbacks) == 1 else 0)
    printed = _number(paper, key.dataset, AVERAGE, key.model, key.metric) if first.own_sam else None
    known = [row.recipe_status for row in rows if row.recipe_status]
    same_task = all(row.same_task for row in rows)
    return Row(
        key=key, ours=ours, printed=printed,
        missing=len(set(default_seeds(paper, profile)) - set(seeds)), main=first.main, own_sam=first.own_sam,
        recipe_status=IMPORTED if IMPORTED in known else max(known, key=STATUSES.index, default=""), filled=first.filled,
        variant=first.variant, same_task=same_task,
        other_code=tuple(sorted({source for row in rows for source in row.other_code})),
    )  # fmt: skip


def _number(paper: Paper, dataset: str, horizon: int, model: str, metric: str) -> PrintedNumber | None:
    if paper.printed is None:
        return None
    name = paper.columns[model].printed_as or model if model in paper.columns else model
    return printed_numbers(paper.printed).get((dataset, horizon_name(horizon), name, metric))


def printed_only(
    paper: Paper, models: Iterable[str], lines: Iterable[tuple[str, int]], metrics: Iterable[str]
) -> list[Row]:
    """Columns that the recipe does not have, as they are printed: rows without a number and a verdict of ours."""
    cells = [(d, h, model, metric) for d, h in lines for model in models for metric in metrics]
    found = [(cell, number) for cell in cells if (number := _number(paper, *cell)) is not None]
    return [
        Row(key=Key(paper=paper.name, dataset=dataset, lookback=0, horizon=horizon, model=model, sam=False, metric=metric),
            printed=number)
        for (dataset, horizon, model, metric), number in found
    ]  # fmt: skip


def judged(paper: Paper, rows: Sequence[Row], profile: str, metric: str | None = None) -> list[Row]:
    """The rows whose printed number has a verdict: cells; means over the horizons where the paper prints nothing else."""
    metric = metric or paper.metric.name
    found = [row for row in rows if row.key.metric == metric and row.printed is not None]
    if found or all(layout.horizons == "each" for layout in paper.layout):
        return found
    averages = means(paper, [row for row in rows if row.key.metric == metric], profile)
    return [row for row in averages if row.printed is not None]
