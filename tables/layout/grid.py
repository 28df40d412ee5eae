"""A sheet → a grid of finished texts, upright or transposed; the two output formats differ in how a cell is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from tables.layout.table import Below, Column, Line, Sheet
from tables.rows.means import horizon_name
from tables.rows.row import Row

BELOW = {
    "improvement": "improvement, %",
    "rank": "average rank",
    "first": "first places",
}


class Style(Protocol):
    """How one format writes what stands in a cell."""

    hole: str

    def escape(self, text: str) -> str:
        """Text as it is."""

    def ours(self, row: Row | None, place: int, digits: int, std: bool) -> str:
        """Our mean; `place` 1 is the best of its line, 2 the second."""

    def printed(self, row: Row | None, digits: int) -> str:
        """The printed number with its mark."""

    def sign(self, row: Row | None) -> str:
        """The sign of the verdict."""

    def alone(self, text: str) -> str:
        """The head of a column that is printed only."""

    def plain(self, value: float, digits: int) -> str:
        """A number."""


@dataclass(frozen=True)
class Group:
    """Columns that belong together: their common head, their own heads and alignments, their cells line by line."""

    head: str
    heads: tuple[str, ...]
    aligns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Grid:
    """A table of texts. `lines`: for each its group and its name; `first_below`: where the lines below the table start."""

    stub: tuple[str, str]
    lines: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    first_below: int


def grid(sheet: Sheet, style: Style) -> Grid:
    """The texts of a sheet."""
    return _transposed(sheet, style) if sheet.options.transposed else _upright(sheet, style)


def name(sheet: Sheet, column: Column, style: Style) -> str:
    """A column's head; a SAM setting that is not its own is said; one that is printed only looks different."""
    model, sam = column
    if model not in sheet.paper.columns:
        return style.alone(style.escape(model))
    return style.escape(model) + ("" if sheet.own_sam[column] else " with SAM" if sam else " without SAM")


def _upright(sheet: Sheet, style: Style) -> Grid:
    """Lines: data set × horizon; groups of columns: models."""
    lines = [(style.escape(dataset), horizon_name(horizon)) for dataset, horizon in sheet.lines]
    below = [(style.escape(BELOW[below.row]), "") for below in sheet.below]
    groups = []
    for column in sheet.columns:
        parts = list(_parts(sheet, column))
        cells = [tuple(_cell(sheet, style, line, column, *part) for part in parts) for line in sheet.lines]
        cells += [tuple(_last(sheet, style, last, column, *part) for part in parts) for last in sheet.below]
        heads = tuple(_head(sheet, column, *part) for part in parts)
        aligns = tuple({"ours": "l", "printed": "r", "sign": "c"}[kind] for _, kind in parts)
        groups.append(Group(name(sheet, column, style), heads, aligns, tuple(cells)))
    return Grid(("data set", "H"), tuple(lines + below), tuple(groups), len(lines))


def _transposed(sheet: Sheet, style: Style) -> Grid:
    """Lines: model × ours or printed; groups of columns: data sets. The sign stands behind the printed number."""
    shown = [
        (column, metric, kind)
        for column in sheet.columns
        for metric, kind in _parts(sheet, column)
        if kind != "sign"
    ]  # fmt: skip
    several = len(sheet.layout.metrics) > 1
    lines = [
        (name(sheet, column, style), f"{metric.upper()}, {kind}" if several else kind) for column, metric, kind in shown
    ]
    groups = []
    for dataset in dict.fromkeys(d for d, _ in sheet.lines):
        of_set = [line for line in sheet.lines if line[0] == dataset]
        cells = [
            tuple(_with_sign(sheet, style, line, column, metric, kind) for line in of_set) for column, metric, kind in shown
        ]
        heads = tuple(horizon_name(horizon) for _, horizon in of_set)
        groups.append(Group(style.escape(dataset), heads, ("l",) * len(heads), tuple(cells)))
    if sheet.below:
        cells = [tuple(_last(sheet, style, last, c, m, kind) for last in sheet.below) for c, m, kind in shown]
        heads = tuple(style.escape(BELOW[last.row]) for last in sheet.below)
        groups.append(Group("all", heads, ("r",) * len(heads), tuple(cells)))
    return Grid(("model", ""), tuple(lines), tuple(groups), len(lines))


def _parts(sheet: Sheet, column: Column) -> Iterator[tuple[str, str]]:
    """Metric and kind of each column of a group."""
    for metric in sheet.layout.metrics:
        ours, printed = sheet.has(column, metric, "ours"), sheet.has(column, metric, "printed")
        if ours:
            yield metric, "ours"
        if printed:
            yield metric, "printed"
        if ours and printed:
            yield metric, "sign"
        if not ours and not printed:
            yield metric, "ours"


def _head(sheet: Sheet, column: Column, metric: str, kind: str) -> str:
    """`ours`, `printed`; the metric where there are several, or where the column is printed only; nothing for the sign."""
    if kind == "sign":
        return ""
    alone = not sheet.has(column, metric, "ours")
    return metric.upper() if alone or (kind == "ours" and len(sheet.layout.metrics) > 1) else kind


def _cell(sheet: Sheet, style: Style, line: Line, column: Column, metric: str, kind: str) -> str:
    row = sheet.row(line, column, metric)
    options = sheet.options
    if kind == "ours":
        place = 1 if (line, column, metric) in sheet.best else 2 if (line, column, metric) in sheet.second else 0
        return style.ours(row, place, options.digits, options.std)
    return style.printed(row, options.digits) if kind == "printed" else style.sign(row)


def _with_sign(sheet: Sheet, style: Style, line: Line, column: Column, metric: str, kind: str) -> str:
    text = _cell(sheet, style, line, column, metric, kind)
    sign = style.sign(sheet.row(line, column, metric)) if kind == "printed" and sheet.has(column, metric, "ours") else ""
    return f"{text} {sign}" if sign else text


def _last(sheet: Sheet, style: Style, below: Below, column: Column, metric: str, kind: str) -> str:
    """A figure below the table; behind ours the number of lines that it is over."""
    digits = 0 if below.row == "first" else 2
    if kind == "ours" and (column, metric) in below.ours:
        value, count = below.ours[column, metric]
        return f"{style.plain(value, digits)} ({count})"
    if kind == "printed" and (column, metric) in below.printed:
        return style.plain(below.printed[column, metric], digits)
    return "" if kind == "sign" else style.hole


def printed_alone(sheet: Sheet) -> bool:
    """Whether the sheet has columns that are printed only."""
    return any(model not in sheet.paper.columns for model, _ in sheet.columns)


def lookbacks(rows: Iterable[Row]) -> dict[str, set[str]]:
    """The look-backs that printed numbers are stated to have, by column; `not stated` where the paper does not say."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row.printed is not None:
            found.setdefault(row.key.model, set()).add(row.printed.lookback or "not stated")
    return found
