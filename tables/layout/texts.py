"""A table → a grid of finished texts, upright or transposed; the two output formats differ in how a cell is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmark.errors import counted
from benchmark.workloads import METRICS
from tables.layout.table import SAME_CELLS, Below, ColumnKey, LineKey, PaperTable
from tables.numbers import DIGITS, span
from tables.rows.means import horizon_name
from tables.rows.row import IMPORTED, Row

BELOW = {
    "improvement": "improvement, %",
    SAME_CELLS: "the same cells, %",
    "rank": "average rank",
    "first": "first places",
}


class Style(ABC):
    """How one format writes what stands in a cell."""

    hole = ""
    marks: Mapping[str, str] = {}
    """Of a printed number, by its status."""

    def cell(self, table: PaperTable, line: LineKey, column: ColumnKey, metric: str, kind: str) -> str:
        """Ours, the printed number, or the sign of the verdict."""
        row, options = table.row(line, column, metric), table.options
        if kind == "ours":
            place = 1 if (line, column, metric) in table.best else 2 if (line, column, metric) in table.second else 0
            return self.ours(row, place, options.digits, options.std)
        return self.printed(row, options.digits) if kind == "printed" else self.sign(row)

    @abstractmethod
    def escape(self, text: str) -> str:
        """Text as it is."""

    @abstractmethod
    def ours(self, row: Row | None, place: int, digits: int = DIGITS, std: bool = True) -> str:
        """Our mean; `place` 1 is the best of its line, 2 the second."""

    def printed(self, row: Row | None, digits: int = DIGITS) -> str:
        """The printed number with its mark; a dash for a hole."""
        if row is None or row.printed is None:
            return self.hole
        return self.plain(row.printed.value, digits) + self.marks.get(row.printed.status, "")

    @abstractmethod
    def sign(self, row: Row | None) -> str:
        """The sign of the verdict; nothing where there is none."""

    @abstractmethod
    def alone(self, text: str) -> str:
        """The head of a column that is printed only."""

    @abstractmethod
    def plain(self, value: float | None, digits: int) -> str:
        """A number."""


@dataclass(frozen=True)
class Group:
    """Columns that belong together: their common head, their own heads and alignments, their cells line by line."""

    head: str
    heads: tuple[str, ...]
    aligns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TextGrid:
    """A table of texts. `lines`: for each its group and its name; `first_below`: where the lines below the table start."""

    stub: tuple[str, str]
    lines: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    first_below: int

    @property
    def named(self) -> tuple[str, ...]:
        """The heads of its stub; of the first alone, where nothing stands in the second: the task has no horizon."""
        return self.stub if any((self.stub[1], *(name for _, name in self.lines))) else self.stub[:1]


def name(table: PaperTable, column: ColumnKey, style: Style) -> str:
    """A column's head; a SAM setting that is not its own is said; one that is printed only looks different."""
    model, sam = column
    if model not in table.paper.columns:
        return style.alone(style.escape(model))
    return style.escape(model) + ("" if table.own_sam[column] else " with SAM" if sam else " without SAM")


def below_name(below: Below) -> str:
    """What a line below is; a place among columns says among how many of ours, the printed one being among all."""
    count = len({column for column, _ in below.ours})
    return BELOW[below.row] + (f", ours of {count}" if count and below.row in ("rank", "first") else "")


def upright(table: PaperTable, style: Style) -> TextGrid:
    """Lines: data set × horizon; groups of columns: models."""
    lines = [(style.escape(dataset), horizon_name(horizon)) for dataset, horizon in table.lines]
    below = [(style.escape(below_name(below)), "") for below in table.below]
    groups = []
    for column in table.columns:
        parts = list(_parts(table, column))
        cells = [tuple(style.cell(table, line, column, *part) for part in parts) for line in table.lines]
        cells += [tuple(_last(table, style, last, column, *part) for part in parts) for last in table.below]
        heads = tuple(_head(table, column, *part) for part in parts)
        aligns = tuple({"ours": "l", "printed": "r", "sign": "c"}[kind] for _, kind in parts)
        groups.append(Group(name(table, column, style), heads, aligns, tuple(cells)))
    return TextGrid(
        ("data set", "H" if "horizon" in table.paper.axes else ""), tuple(lines + below), tuple(groups), len(lines)
    )


def transposed(table: PaperTable, style: Style) -> TextGrid:
    """Lines: model × ours or printed; groups of columns: data sets. The sign stands behind the printed number."""
    shown = [
        (column, metric, kind)
        for column in table.columns
        for metric, kind in _parts(table, column)
        if kind != "sign"
    ]  # fmt: skip
    several = len(table.layout.metrics) > 1
    lines = [
        (name(table, column, style), f"{METRICS[metric].title}, {kind}" if several else kind)
        for column, metric, kind in shown
    ]
    groups = []
    for dataset in dict.fromkeys(d for d, _ in table.lines):
        of_set = [line for line in table.lines if line[0] == dataset]
        cells = [
            tuple(_with_sign(table, style, line, column, metric, kind) for line in of_set) for column, metric, kind in shown
        ]
        heads = tuple(horizon_name(horizon) for _, horizon in of_set)
        groups.append(Group(style.escape(dataset), heads, ("l",) * len(heads), tuple(cells)))
    if table.below:
        cells = [tuple(_last(table, style, last, c, m, kind) for last in table.below) for c, m, kind in shown]
        heads = tuple(style.escape(below_name(last)) for last in table.below)
        groups.append(Group("all", heads, ("r",) * len(heads), tuple(cells)))
    return TextGrid(("model", ""), tuple(lines), tuple(groups), len(lines))


def _parts(table: PaperTable, column: ColumnKey) -> Iterator[tuple[str, str]]:
    """Metric and kind of each column of a group."""
    for metric in table.layout.metrics:
        ours, printed = table.has(column, metric, "ours"), table.has(column, metric, "printed")
        if ours:
            yield metric, "ours"
        if printed:
            yield metric, "printed"
        if ours and printed:
            yield metric, "sign"
        if not ours and not printed:
            yield metric, "ours"


def _head(table: PaperTable, column: ColumnKey, metric: str, kind: str) -> str:
    """`ours`, `printed`; the metric where there are several, or where the column is printed only; nothing for the sign."""
    if kind == "sign":
        return ""
    alone = not table.has(column, metric, "ours")
    return METRICS[metric].title if alone or (kind == "ours" and len(table.layout.metrics) > 1) else kind


def _with_sign(table: PaperTable, style: Style, line: LineKey, column: ColumnKey, metric: str, kind: str) -> str:
    text = style.cell(table, line, column, metric, kind)
    sign = style.sign(table.row(line, column, metric)) if kind == "printed" and table.has(column, metric, "ours") else ""
    return f"{text} {sign}" if sign else text


def _last(table: PaperTable, style: Style, below: Below, column: ColumnKey, metric: str, kind: str) -> str:
    """A figure below the table; behind ours the number of lines that it is over."""
    digits = 0 if below.row == "first" else 2
    if kind == "ours" and (column, metric) in below.ours:
        value, count = below.ours[column, metric]
        return f"{style.plain(value, digits)} ({count})"
    if kind == "printed" and (column, metric) in below.printed:
        return style.plain(below.printed[column, metric], digits)
    return "" if kind == "sign" else style.hole


OFTEN_WRONG = {
    1: {1: ("4.1", "2.7", "1.8"), 2: ("21", "15", "10"), 5: ("65", "57", "50")},
    5: {1: ("1.3", "0.5", "0.4"), 2: ("7.9", "3.7", "2.1"), 5: ("45", "30", "19")},
}
"""In percent, of 3, 5 and 10 seeds: by the paper's seeds and the spread (%), as the simulation gives it."""


def often_wrong() -> str:
    """How often a `better` or `worse` is wrong, in a sentence, to stand below a table that shows one."""
    at = {m: {spread: "/".join(of[spread]) for spread in (2, 5)} for m, of in OFTEN_WRONG.items()}
    return (
        "How often a better or worse that is given is wrong depends on what is true: where six of ten printed numbers are "
        f"exactly right and the others off by N(0, 4 %), with 3/5/10 seeds of ours, in {at[1][2]} % of cases at a spread "
        f"of 2 % and in {at[1][5]} % at 5 % against a paper that ran once, in {at[5][2]} % and {at[5][5]} % against five "
        "seeds of it."
    )


def printed_alone(table: PaperTable) -> str:
    """Why columns of the table are printed only; empty where none is."""
    if all(model in table.paper.columns for model, _ in table.columns):
        return ""
    imported = any(row.recipe_status == IMPORTED for row in table.cells.values())
    return "the imported numbers have none of it" if imported else "this suite has no recipe for it"


def printed_lookbacks(table: PaperTable, escape: Callable[[str], str]) -> str:
    """The look-backs that the printed numbers are stated to have: the one of all, or by column; `not stated` where the
    paper does not say; empty where nothing is printed."""
    found: dict[str, set[str]] = {}
    for row in table.cells.values():
        if row.printed is not None:
            found.setdefault(row.key.model, set()).add(row.printed.lookback or "not stated")
    by_lookback: dict[str, list[str]] = {}
    for model, stated in found.items():
        by_lookback.setdefault(" or ".join(sorted(stated)), []).append(model)
    if len(by_lookback) == 1:
        return escape(next(iter(by_lookback)))
    return "; ".join(f"{escape(stated)}: {escape(', '.join(models))}" for stated, models in by_lookback.items())


def of_lookbacks(table: PaperTable, escape: Callable[[str], str]) -> str:
    """What windows the table's numbers were made from, ours and the printed ones, in a sentence; nothing where a table's
    examples are no windows, or where nothing is printed."""
    theirs = printed_lookbacks(table, escape) if "horizon" in table.paper.axes else ""
    return f"Look-back, ours: {own_lookbacks(table, escape, 'H = {}')}. Look-back, printed: {theirs}." if theirs else ""


def own_lookbacks(table: PaperTable, escape: Callable[[str], str], at_horizon: str) -> str:
    """Our one look-back, or what it depends on: the horizon, which `at_horizon` names, the column, the data set; or the
    range."""
    rows = [row for row in table.cells.values() if row.key.lookback and row.key.model in table.paper.columns]
    if len({row.key.lookback for row in rows}) == 1:
        return str(rows[0].key.lookback)
    for name, unit in (("horizon", at_horizon), ("model", "{}"), ("dataset", "{}")):
        found: dict[str, set[int]] = {}
        for row in rows:
            found.setdefault(str(getattr(row.key, name)), set()).add(row.key.lookback)
        if found and all(len(each) == 1 for each in found.values()):
            return ", ".join(f"{each.pop()} ({unit.format(escape(name))})" for name, each in found.items())
    return span([row.key.lookback for row in rows]) + ", cell by cell" if rows else "by horizon"


def on_average(table: PaperTable, style: Style) -> str:
    """The verdicts on the table's columns, in a sentence each; nothing where no cell of one is judged."""
    said = []
    for column in table.columns:
        for metric in table.layout.metrics:
            if (found := table.verdicts.get((*column, metric))) is not None:
                of, what = found.found, METRICS[metric].title if len(table.layout.metrics) > 1 else ""
                said.append(
                    f"{name(table, column, style)}{' ' * bool(what)}{what} {style.escape(of.words)} "
                    f"({style.plain(of.deviation_pct, 1)} {style.escape('%')} over {counted(of.cells, 'cell')})"
                )
    return f"Columns on average, over all their cells that are judged: {', '.join(said)}." if said else ""
