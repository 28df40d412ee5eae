"""A paper's own table as data: which lines and columns, the row of each cell, what is best, what stands below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmark.config.paper import Last, Layout, Paper
from benchmark.judging.printed import printed_numbers
from benchmark.workloads import METRICS
from tables.numbers import DIGITS, best_and_second
from tables.rows.judge import Column, OfColumn, column_verdicts
from tables.rows.means import AVERAGE, means, printed_only
from tables.rows.row import Row
from tables.statistics import as_shown, ranks

LineKey = tuple[str, int]
"""Data set and horizon."""
ColumnKey = tuple[str, bool]
"""A column and whether SAM is on."""


@dataclass(frozen=True)
class Options:
    """How tables are shown. No `metrics`, no `models`: as the paper's layout has them; `models` also names variants.

    also: columns behind those, where they have a Result. digits: after the point. std: with deviations. transposed: a line
    a model. figures: whether they are drawn too, which takes longer than all tables together.
    """

    metrics: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    digits: int = DIGITS
    std: bool = True
    transposed: bool = False
    figures: bool = True
    also: tuple[str, ...] = ()

    @property
    def extra(self) -> tuple[str, ...]:
        """Of the metrics, those that decide nothing: rows have them where they are asked for."""
        return tuple(name for name in self.metrics if METRICS[name].extra)


AS_IT_IS = Options()


@dataclass(frozen=True)
class Below:
    """A line below a table: a number of ours, over how many lines, and the printed number, by column and metric."""

    row: str
    ours: dict[tuple[ColumnKey, str], tuple[float, int]] = field(default_factory=dict)
    printed: dict[tuple[ColumnKey, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper, as data.

    paper, layout, options: what it is of, and how it is shown. lines, columns: in their order. own_sam: of a column,
    whether it has its own SAM setting. cells: the row by line, column and metric. best, second: of ours, by line and
    metric, in the digits that are shown. below: the lines below it. not_run: data sets without a Result. verdicts: on
    columns, each by all of its cells, whatever the table shows of them.
    """

    paper: Paper
    layout: Layout
    options: Options
    lines: tuple[LineKey, ...]
    columns: tuple[ColumnKey, ...]
    own_sam: dict[ColumnKey, bool]
    cells: dict[tuple[LineKey, ColumnKey, str], Row]
    best: frozenset[tuple[LineKey, ColumnKey, str]]
    second: frozenset[tuple[LineKey, ColumnKey, str]]
    below: tuple[Below, ...]
    not_run: tuple[str, ...]
    verdicts: Mapping[Column, OfColumn] = field(default_factory=dict)

    def row(self, line: LineKey, column: ColumnKey, metric: str) -> Row | None:
        """The row of a cell, if there is one."""
        return self.cells.get((line, column, metric))

    def has(self, column: ColumnKey, metric: str, kind: str) -> bool:
        """Whether a column has numbers of a `kind`: ours (or a place for them) or printed."""
        if kind == "ours":
            return column[0] in self.paper.columns
        return any(r.printed is not None for (_, c, m), r in self.cells.items() if (c, m) == (column, metric))


def paper_tables(paper: Paper, rows: Sequence[Row], profile: str, options: Options) -> list[PaperTable]:
    """The paper's tables, in its own layout; without one, a table a metric. Tables without a Result are left out.

    Of the metrics that are asked for, each that no table of the paper's has gets one behind them.
    """
    layouts = paper.layout or tuple(Layout("", (metric,)) for metric in paper.metrics)
    layouts += tuple(Layout("", (name,)) for name in options.extra)
    found = []
    for layout in layouts:
        metrics = tuple(m for m in layout.metrics if not options.metrics or m in options.metrics)
        if metrics:
            found.append(_paper_table(paper, rows, profile, options, replace(layout, metrics=metrics)))
    return [table for table in found if table.lines]


def _paper_table(paper: Paper, rows: Sequence[Row], profile: str, options: Options, layout: Layout) -> PaperTable:
    main = [name for name, column in paper.columns.items() if column.main]
    names = list(options.models or layout.columns or main)
    done = {row.key.model for row in rows if row.ours.n and row.key.metric in layout.metrics}
    names += [name for name in options.also if name in paper.columns and name in done and name not in names]
    datasets = layout.datasets or paper.datasets
    averages = [] if layout.horizons == "each" else means(paper, rows, profile)
    cells_ = averages if layout.horizons == "mean" else [*rows, *averages]
    mine = [r for r in cells_ if r.key.model in names and r.key.dataset in datasets and r.key.metric in layout.metrics]
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
    table = PaperTable(paper, layout, options, tuple(order), columns, own, cells, best, second, (),
                  tuple(d for d in datasets if d not in run),
                  column_verdicts(averages if layout.horizons == "mean" else rows, profile))  # fmt: skip
    return replace(table, below=tuple(below for last in layout.last for below in _below(table, last))) if order else table


Cells = dict[tuple[LineKey, ColumnKey, str], Row]


def _emphasised(
    lines: Iterable[LineKey], columns: Sequence[ColumnKey], metrics: Sequence[str], cells: Cells, digits: int
) -> tuple[frozenset[tuple[LineKey, ColumnKey, str]], frozenset[tuple[LineKey, ColumnKey, str]]]:
    best, second = set(), set()
    for line in lines:
        for metric in metrics:
            rows = [cells.get((line, column, metric)) for column in columns]
            sign = -1 if METRICS[metric].higher_is_better else 1
            for variant in sorted({row.variant for row in rows if row}):  # among numbers of one task
                means_ = [row.ours.mean if row and row.variant == variant else None for row in rows]
                values = [None if mean is None else sign * mean for mean in means_]
                first, next_ = best_and_second(values, digits)
                best |= {(line, columns[i], metric) for i in first}
                second |= {(line, columns[i], metric) for i in next_}
    return frozenset(best), frozenset(second)


SAME_CELLS = "improvement, same cells"


def _below(table: PaperTable, last: Last) -> list[Below]:
    """Computed from ours and from the printed numbers; where the paper prints its own, those.

    Improvements over other cells than the printed ones are no comparison with them: a second line then has ours beside
    what the printed numbers give over the same cells.
    """
    ours: dict[tuple[ColumnKey, str], tuple[float, int]] = {}
    printed: dict[tuple[ColumnKey, str], float] = {}
    lines = [line for line in table.lines if table.layout.horizons != "both" or line[1] != AVERAGE]
    as_printed = last.row != "improvement" or table.columns[0][0] == (table.layout.columns or [table.columns[0][0]])[0]
    prints_its_own = last.table is not None and as_printed
    same = Below(SAME_CELLS)
    for metric in table.layout.metrics:
        of_kind: dict[str, dict[ColumnKey, dict[LineKey, float]]] = {}
        for kind in ("ours", "printed"):
            numbers = {column: _numbers(table, lines, column, metric, kind) for column in table.columns}
            of_kind[kind] = {column: of_line for column, of_line in numbers.items() if of_line}
            found = _figures(last.row, of_kind[kind], table)
            if kind == "ours":
                ours |= {(column, metric): value for column, value in found.items()}
            else:
                printed |= {(column, metric): value for column, (value, _) in found.items()}
        if last.row == "improvement":
            _add_same_cells(same, of_kind, table, metric, whole=not (prints_its_own and table.not_run))
    if last.table is not None and last.metric is not None and table.paper.printed is not None and as_printed:
        theirs = printed_numbers(replace(table.paper.printed, tables=(last.table,), metrics=(last.metric,)))
        of_model = {model: number.value for (_, _, model, _), number in theirs.items()}
        names = {c: (table.paper.columns[c[0]].printed_as if c[0] in table.paper.columns else None) or c[0]
                 for c in table.columns if table.own_sam[c]}  # fmt: skip
        metric = table.layout.metrics[0]
        printed = {(column, metric): of_model[name] for column, name in names.items() if name in of_model}
    if not same.ours:
        return [Below(last.row, ours, printed)]
    apart = {place: figure for place, figure in ours.items() if place not in same.ours}
    return [Below(last.row, apart, printed), same]


def _add_same_cells(
    same: Below, of_kind: Mapping[str, dict[ColumnKey, dict[LineKey, float]]], table: PaperTable, metric: str,
    *, whole: bool,
) -> None:  # fmt: skip
    """Both improvements of every column that has ours and printed numbers, over the cells that have both of both columns;
    none where these are all that the printed figure is over (`whole`: it is over no cells that the table lacks)."""
    ours, printed = of_kind["ours"], of_kind["printed"]
    first = table.columns[0]
    found: dict[ColumnKey, list[tuple[float, int]]] = {}
    for column in table.columns[1:]:
        of_both = [kind[which] for kind in (ours, printed) for which in (first, column) if which in kind]
        shared = set[LineKey].intersection(*map(set, of_both)) if len(of_both) == 4 else set[LineKey]()
        if shared:
            whole = whole and all(shared == set(numbers) for numbers in of_both)
            pair = ({c: {line: kind[c][line] for line in shared} for c in (first, column)} for kind in (ours, printed))
            figures = [_figures("improvement", numbers, table) for numbers in pair]
            if all(column in of for of in figures):
                found[column] = [of[column] for of in figures]
    for column, (of_ours, of_printed) in found.items() if not whole else ():
        same.ours[column, metric] = of_ours
        same.printed[column, metric] = of_printed[0]


def _numbers(
    table: PaperTable, lines: Sequence[LineKey], column: ColumnKey, metric: str, kind: str
) -> dict[LineKey, float]:
    found = {}
    for line in lines:
        row, first = table.row(line, column, metric), table.row(line, table.columns[0], metric)
        other = row is not None and (not row.same_task or (first is not None and row.variant != first.variant))
        if kind == "ours" and other:
            continue  # of another task than what is printed, or than the first column's
        value = None if row is None else row.ours.mean if kind == "ours" else row.printed.value if row.printed else None
        if value is not None:
            found[line] = value
    return found


def _figures(
    what: str, numbers: dict[ColumnKey, dict[LineKey, float]], table: PaperTable
) -> dict[ColumnKey, tuple[float, int]]:
    """The figure of each column with the lines that it is over; none where there is nothing to compare."""
    if what == "improvement":
        first = numbers.get(table.columns[0], {})
        found = {}
        for column in table.columns[1:]:
            shared = first.keys() & numbers.get(column, {}).keys()
            over = sum(numbers[column][line] for line in shared)
            if over:  # of nothing there is no percent
                found[column] = (100 * (1 - sum(first[line] for line in shared) / over), len(shared))
        return found
    if len(numbers) < 2:
        return {}
    columns = list(numbers)
    lines = [line for line in table.lines if all(line in of_line for of_line in numbers.values())]
    if not lines:
        return {}
    values = np.array([[numbers[column][line] for line in lines] for column in columns])  # [columns, lines]
    if what == "first":
        shown = as_shown(values, table.options.digits)
        of_columns = (shown == shown.min(0)).sum(1)
    else:
        of_columns = ranks(values, table.options.digits).mean(1)
    return {column: (float(figure), len(lines)) for column, figure in zip(columns, of_columns, strict=True)}
