"""Numbers of other code → rows of a paper's table: which column and cell each is of, and what of them has no place."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.config.paper import Column, Layout, Paper
from benchmark.errors import nearest
from benchmark.judging.compare import Ours
from benchmark.judging.printed import printed_numbers
from tables.imported.number import Number, Read
from tables.rows.judge import judge
from tables.rows.row import IMPORTED, Key, Row

ALIASES = {"electricity": "ECL", "exchange_rate": "Exchange", "solar-energy": "Solar", "solar_al": "Solar"}
"""What other code calls data sets, without regard to case, where that is another name than ours."""
Cell = tuple[str, int, str]
"""Data set, horizon, column."""


@dataclass(frozen=True)
class Placed:
    """paper: with the columns that there are numbers of. whole: with these beside all of its own. rows: of `paper`."""

    paper: Paper
    whole: Paper
    rows: list[Row]


def place(read: Read, paper: Paper, lookback: int) -> Placed:
    """lookback: of numbers that do not say theirs; 0: it stays unknown, and they are compared with no printed number.

    What has no place in the paper's grid, or stands twice, is added to `read.left`.
    """
    names = _columns(paper)
    cells: dict[Cell, dict[int, list[Number]]] = {}
    for number in read.numbers:
        cell = _cell(number, paper, names)
        if isinstance(cell, str):
            read.left.append((number.line, cell))
        else:
            cells.setdefault(cell, {}).setdefault(number.lookback or lookback, []).append(number)
    columns = {name: _column(paper, name) for name in dict.fromkeys(model for _, _, model in cells)}
    order = [name for name in (*paper.columns, *columns) if name in columns]
    columns = {name: columns[name] for name in dict.fromkeys(order)}
    metrics = {metric for number in read.numbers for metric in number.metrics}
    shown = replace(paper, columns=columns, overridden=(), layout=_layout(paper, columns, metrics))
    rows = []
    for dataset in paper.datasets:
        for horizon in paper.horizons_of(dataset):
            for column in columns.values():
                found = _chosen(
                    cells.get((dataset, horizon, column.name), {}), read, _printed_lookback(paper, dataset, horizon, column)
                )
                rows += _rows(paper, column, dataset, horizon, found)
    whole = replace(paper, columns={**paper.columns, **{n: c for n, c in columns.items() if n not in paper.columns}})
    return Placed(shown, whole, judge(rows, "paper"))


def _columns(paper: Paper) -> dict[str, str]:
    """Every name that a column goes by, case folded: as in the recipe, as printed, and those that are printed alone."""
    printed = [model for _, _, model, _ in printed_numbers(paper.printed)] if paper.printed else []
    found = {name.casefold(): name for name in printed}
    found |= {(column.printed_as or name).casefold(): name for name, column in paper.columns.items()}
    return found | {name.casefold(): name for name in paper.columns}


def _cell(number: Number, paper: Paper, names: Mapping[str, str]) -> Cell | str:
    """Its place; in words why it has none."""
    folded = number.dataset.casefold()
    known = {name.casefold(): name for name in paper.datasets}
    dataset = known.get(folded) or known.get(ALIASES.get(folded, "").casefold())
    if dataset is None:
        return f"dataset: '{number.dataset}' is not in the grid of {paper.name}{nearest(number.dataset, paper.datasets)}"
    horizons = paper.horizons_of(dataset)
    if number.horizon not in horizons:
        among = ", ".join(map(str, horizons))
        return f"horizon: {paper.name} has {among} for {dataset}, found {number.horizon}"
    return dataset, number.horizon, names.get(number.model.casefold(), number.model)


def _column(paper: Paper, name: str) -> Column:
    """The paper's, among the main ones; of another name one without a recipe."""
    if name in paper.columns:
        return replace(paper.columns[name], main=True)
    return Column(name=name, model="", main=True, what="", sam=False, printed_as=None, arguments={}, recipe={})


def _layout(paper: Paper, columns: Mapping[str, Column], metrics: Collection[str]) -> tuple[Layout, ...]:
    """The paper's, with the columns that it does not show behind its own, as far as there are numbers of its metrics."""
    found = []
    for each in paper.layout or [Layout("", (metric,)) for metric in paper.metrics]:
        names = tuple(dict.fromkeys((*each.columns, *columns))) if each.columns else ()
        found.append(replace(each, columns=names, metrics=tuple(metric for metric in each.metrics if metric in metrics)))
    return tuple(each for each in found if each.metrics)


def _printed_lookback(paper: Paper, dataset: str, horizon: int, column: Column) -> str:
    if paper.printed is None:
        return ""
    key = (dataset, str(horizon), column.printed_as or column.name, paper.printed.metrics[0])
    found = printed_numbers(paper.printed).get(key)
    return found.lookback if found else ""


def _chosen(by_lookback: Mapping[int, Sequence[Number]], read: Read, printed: str) -> tuple[int, list[Number]]:
    """The numbers of one look-back, the printed one if there are any of it, each training once."""
    if not by_lookback:
        return 0, []
    lookback = next((each for each in by_lookback if str(each) == printed), next(iter(by_lookback)))
    for other, numbers in by_lookback.items():
        if other != lookback:
            kept = f"those of look-back {lookback or 'unknown'} stand in the table"
            read.left += [(n.line, f"lookback: {other or 'not said'}, of a cell of which {kept}") for n in numbers]
    first: dict[int | None, Number] = {}
    numbers = by_lookback[lookback]
    for number in numbers:
        before = first.setdefault(number.seed if numbers[0].seed is not None else None, number)
        if before is not number:
            same = all(_same(value, number.metrics.get(name)) for name, value in before.metrics.items())
            what = f"{'stands' if same else 'has other numbers'} in line {before.line}{', too' if same else ''}"
            read.left.append((number.line, f"the same training {what}, which is taken"))
    return lookback, list(first.values())


def _same(first: float, second: float | None) -> bool:
    return second is not None and (first == second or (math.isnan(first) and math.isnan(second)))


def _rows(paper: Paper, column: Column, dataset: str, horizon: int, found: tuple[int, list[Number]]) -> list[Row]:
    lookback, numbers = found
    rows = []
    for metric in paper.metrics:
        printed = None
        if paper.printed is not None:
            printed = printed_numbers(paper.printed).get((dataset, str(horizon), column.printed_as or column.name, metric))
        rows.append(Row(
            key=Key(paper=paper.name, dataset=dataset, lookback=lookback, horizon=horizon, model=column.name,
                    sam=column.sam, metric=metric),
            ours=_ours([number for number in numbers if metric in number.metrics], metric), printed=printed,
            recipe_status=IMPORTED,
        ))  # fmt: skip
    return rows


def _ours(numbers: Sequence[Number], metric: str) -> Ours:
    if not numbers:
        return Ours()
    first = numbers[0]
    if first.seed is not None:
        return Ours.of({number.seed: number.metrics[metric] for number in numbers if number.seed is not None})
    if not math.isfinite(first.metrics[metric]):
        return Ours(not_finite=(0,))
    return Ours(mean=first.metrics[metric], std=first.std, n=first.n)
