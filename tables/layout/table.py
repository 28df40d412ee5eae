"""A paper's own table as data: which lines and columns, the row of each cell, what is best, what stands below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmark.config.paper import Last, Layout, Paper, Printed
from benchmark.judging.printed import printed_numbers
from tables.numbers import DIGITS, best_and_second, fixed
from tables.rows.means import AVERAGE, means, printed_only
from tables.rows.row import Row

Line = tuple[str, int]
"""Data set and horizon."""
Column = tuple[str, bool]
"""A column and whether SAM is on."""


@dataclass(frozen=True)
class Options:
    """How tables are shown. No `metrics`, no `models`: as the paper's layout has them; `models` also names variants.

    `figures`: whether they are drawn too, which takes longer than all tables together.
    """

    metrics: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    digits: int = DIGITS
    std: bool = True
    transposed: bool = False
    figures: bool = True


AS_IT_IS = Options()


@dataclass(frozen=True)
class Below:
    """A line below a table: a number of ours, over how many lines, and the printed number, by column and metric."""

    row: str
    ours: dict[tuple[Column, str], tuple[float, int]] = field(default_factory=dict)
    printed: dict[tuple[Column, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """One table. `best` and `second` are of ours, by line and metric, in the digits that are shown."""

    paper: Paper
    layout: Layout
    options: Options
    lines: tuple[Line, ...]
    columns: tuple[Column, ...]
    own_sam: dict[Column, bool]
    cells: dict[tuple[Line, Column, str], Row]
    best: frozenset[tuple[Line, Column, str]]
    second: frozenset[tuple[Line, Column, str]]
    below: tuple[Below, ...]
    not_run: tuple[str, ...]

    def row(self, line: Line, column: Column, metric: str) -> Row | None:
        """The row of a cell, if there is one."""
        return self.cells.get((line, column, metric))

    def has(self, column: Column, metric: str, kind: str) -> bool:
        """Whether a column has numbers of a `kind`: ours (or a place for them) or printed."""
        if kind == "ours":
            return column[0] in self.paper.columns
        return any(r.printed is not None for (_, c, m), r in self.cells.items() if (c, m) == (column, metric))


def sheets(paper: Paper, rows: Sequence[Row], profile: str, options: Options) -> list[Sheet]:
    """The paper's tables, in its own layout; without one, a table a metric. Tables without a Result are left out."""
    layouts = paper.layout or (Layout("", ("mse",)), Layout("", ("mae",)))
    found = []
    for layout in layouts:
        metrics = tuple(m for m in layout.metrics if not options.metrics or m in options.metrics)
        if metrics:
            found.append(_sheet(paper, rows, profile, options, replace(layout, metrics=metrics)))
    return [sheet for sheet in found if sheet.lines]


def _sheet(paper: Paper, rows: Sequence[Row], profile: str, options: Options, layout: Layout) -> Sheet:
    main = [name for name, column in paper.columns.items() if column.main]
    names = list(options.models or layout.columns or main)
    datasets = layout.datasets or paper.datasets
    mine = [r for r in rows if r.key.model in names and r.key.dataset in datasets and r.key.metric in layout.metrics]
    if layout.horizons != "each":
        averages = means(paper, mine, profile)
        mine = averages if layout.horizons == "mean" else mine + averages
    run = {r.key.dataset for r in rows if r.ours.n and r.key.model in names}
    mine = [r for r in mine if r.key.dataset in run]
    place = {name: i for i, name in enumerate(datasets)}
    order = sorted({(r.key.dataset, r.key.horizon) for r in mine}, key=lambda k: (place[k[0]], k[1] == AVERAGE, k[1]))
    others = [name for name in names if name not in paper.columns]
    mine += printed_only(paper, others, order, layout.metrics)
    own = {(r.key.model, r.key.sam): r.own_sam for r in mine}
    columns = tuple(sorted(own, key=lambda c: (names.index(c[0]), not own[c])))
    cells = {((r.key.dataset, r.key.horizon), (r.key.model, r.key.sam), r.key.metric): r for r in mine}
    best, second = _emphasised(order, columns, layout.metrics, cells, options.digits)
    sheet = Sheet(paper, layout, options, tuple(order), columns, own, cells, best, second, (),
                  tuple(d for d in datasets if d not in run))  # fmt: skip
    return replace(sheet, below=tuple(_below(sheet, last) for last in layout.last)) if order else sheet


Cells = dict[tuple[Line, Column, str], Row]


def _emphasised(
    lines: Iterable[Line], columns: Sequence[Column], metrics: Sequence[str], cells: Cells, digits: int
) -> tuple[frozenset[tuple[Line, Column, str]], frozenset[tuple[Line, Column, str]]]:
    best, second = set(), set()
    for line in lines:
        for metric in metrics:
            rows = [cells.get((line, column, metric)) for column in columns]
            first, next_ = best_and_second([row.ours.mean if row else None for row in rows], digits)
            best |= {(line, columns[i], metric) for i in first}
            second |= {(line, columns[i], metric) for i in next_}
    return frozenset(best), frozenset(second)


def _below(sheet: Sheet, last: Last) -> Below:
    """Computed from ours and from the printed numbers; where the paper prints its own, those."""
    ours: dict[tuple[Column, str], tuple[float, int]] = {}
    printed: dict[tuple[Column, str], float] = {}
    lines = [line for line in sheet.lines if sheet.layout.horizons != "both" or line[1] != AVERAGE]
    for metric in sheet.layout.metrics:
        for kind in ("ours", "printed"):
            numbers = {column: _numbers(sheet, lines, column, metric, kind) for column in sheet.columns}
            found = _figures(last.row, {column: of_line for column, of_line in numbers.items() if of_line}, sheet)
            if kind == "ours":
                ours |= {(column, metric): value for column, value in found.items()}
            else:
                printed |= {(column, metric): value for column, (value, _) in found.items()}
    as_printed = last.row != "improvement" or sheet.columns[0][0] == (sheet.layout.columns or [sheet.columns[0][0]])[0]
    if last.table is not None and last.metric is not None and sheet.paper.printed is not None and as_printed:
        theirs = printed_numbers(Printed(sheet.paper.printed.file, (last.table,), (last.metric,)))
        of_model = {model: number.value for (_, _, model, _), number in theirs.items()}
        names = {c: (sheet.paper.columns[c[0]].printed_as if c[0] in sheet.paper.columns else None) or c[0]
                 for c in sheet.columns if sheet.own_sam[c]}  # fmt: skip
        metric = sheet.layout.metrics[0]
        printed = {(column, metric): of_model[name] for column, name in names.items() if name in of_model}
    return Below(last.row, ours, printed)


def _numbers(sheet: Sheet, lines: Sequence[Line], column: Column, metric: str, kind: str) -> dict[Line, float]:
    found = {}
    for line in lines:
        row = sheet.row(line, column, metric)
        value = None if row is None else row.ours.mean if kind == "ours" else row.printed.value if row.printed else None
        if value is not None:
            found[line] = value
    return found


def _figures(what: str, numbers: dict[Column, dict[Line, float]], sheet: Sheet) -> dict[Column, tuple[float, int]]:
    """The figure of each column with the lines that it is over; none where there is nothing to compare."""
    if what == "improvement":
        first = numbers.get(sheet.columns[0], {})
        found = {}
        for column in sheet.columns[1:]:
            shared = first.keys() & numbers.get(column, {}).keys()
            if shared:
                over = sum(numbers[column][line] for line in shared)
                found[column] = (100 * (1 - sum(first[line] for line in shared) / over), len(shared))
        return found
    if len(numbers) < 2:
        return {}
    columns = list(numbers)
    lines = [line for line in sheet.lines if all(line in of_line for of_line in numbers.values())]
    if not lines:
        return {}
    shown = np.array([[float(fixed(numbers[c][line], sheet.options.digits) or "nan") for c in columns] for line in lines])
    if what == "first":
        count = (shown == shown.min(1, keepdims=True)).sum(0)
        return {column: (float(n), len(lines)) for column, n in zip(columns, count, strict=True)}
    lower = (shown[:, None, :] < shown[:, :, None]).sum(2)
    equal = (shown[:, None, :] == shown[:, :, None]).sum(2)
    ranks = (lower + (equal + 1) / 2).mean(0)
    return {column: (float(rank), len(lines)) for column, rank in zip(columns, ranks, strict=True)}
