"""Rows that a paper's own table has beside its cells: means over the horizons, and columns that are only printed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmark.config.paper import Paper
from benchmark.config.recipe import STATUSES
from benchmark.grid.plan import default_seeds
from benchmark.judging.printed import PrintedNumber, printed_numbers
from benchmark.judging.verdict import verdict
from tables.rows.row import Row, sample_deviation

AVERAGE = 0
"""The horizon of a mean over all horizons of a data set; printed as `avg`."""


def horizon_name(horizon: int) -> str:
    """A horizon as a table shows it."""
    return "avg" if horizon == AVERAGE else str(horizon)


def means(paper: Paper, rows: Sequence[Row], profile: str) -> list[Row]:
    """The mean over the horizons of each data set, column, SAM setting and metric, seed by seed.

    A seed counts where it has every horizon that the paper has for the data set. Of fewer horizons there is no mean: it
    is missing, never filled.
    """
    groups: dict[tuple[str, str, bool, str], dict[int, Row]] = {}
    for row in rows:
        groups.setdefault((row.dataset, row.model, row.sam, row.metric), {})[row.horizon] = row
    return [_mean(paper, of_horizon, profile) for of_horizon in groups.values()]


def _mean(paper: Paper, of_horizon: dict[int, Row], profile: str) -> Row:
    first = next(iter(of_horizon.values()))
    wanted = paper.horizons_of(first.dataset)
    rows = [of_horizon[h] for h in wanted if h in of_horizon]
    by_seed = [dict(zip(row.seeds, row.values, strict=True)) for row in rows]
    seeds = sorted(set.intersection(*map(set, by_seed))) if len(rows) == len(wanted) else []
    values = tuple(statistics.fmean(of_seed[seed] for of_seed in by_seed) for seed in seeds)
    mean = statistics.fmean(values) if values else None
    std = sample_deviation(values)
    lookbacks = {row.lookback for row in rows}
    lookback = lookbacks.pop() if len(lookbacks) == 1 else 0
    number = _number(paper, first.dataset, AVERAGE, first.model, first.metric) if first.own_sam else None
    words, deviation = "", None
    if number is not None:
        comparable = str(lookback) == number.lookback and not number.quoted and profile == "paper"
        words = verdict(mean, std, len(values), number.value, comparable)
        deviation = None if mean is None or not number.value else 100 * (mean - number.value) / number.value
    known = [row.recipe_status for row in rows if row.recipe_status]
    return Row(
        first.paper, first.dataset, lookback, AVERAGE, first.model, first.sam, first.metric, mean, std, len(values), 1,
        tuple(seeds), number.value if number else None, number.status if number else "", number.lookback if number else "",
        deviation, words, max(known, key=STATUSES.index, default=""), len(set(default_seeds(paper, profile)) - set(seeds)),
        values=values, main=first.main, own_sam=first.own_sam,
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
        Row(paper.name, dataset, 0, horizon, model, False, metric, None, None, 0, 1, (), number.value, number.status,
            number.lookback, None, "", "", 0)
        for (dataset, horizon, model, metric), number in found
    ]  # fmt: skip


def judged(paper: Paper, rows: Sequence[Row], profile: str, metric: str = "mse") -> list[Row]:
    """The rows whose printed number has a verdict: cells; means over the horizons where the paper prints nothing else."""
    found = [row for row in rows if row.metric == metric and row.published is not None]
    if found or all(layout.horizons == "each" for layout in paper.layout):
        return found
    averages = means(paper, [row for row in rows if row.metric == metric], profile)
    return [row for row in averages if row.published is not None]
