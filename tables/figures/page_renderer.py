"""Figures as plain data for the page, whose script (`tables/report/assets/charts.js`) draws them with Observable Plot.

Everything is JSON: names of fields as in `tables.figures.data`, a hole is null, what is as by default is left out.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Generic, TypeVar

from tables.figures.data import Arrows, Axis, Figure, Heat, Holes, Mark, Panel, Points, Rule, Surface
from tables.figures.style import Style

FULL, SHORT = 6, 3
"""Significant digits: of a paper's figures, and of the many small ones of single cells."""


Value = TypeVar("Value", bound=Hashable)


@dataclass
class Pool(Generic[Value]):
    """Values that occur often, each once: a cell has their places. found: by value; the order is that of the places."""

    found: dict[Value, int] = field(default_factory=dict)

    def place(self, value: Value) -> int:
        """Where a value stands."""
        return self.found.setdefault(value, len(self.found))


def as_data(figure: Figure, styles: Pool[Style], digits: int = FULL, most: int | None = None) -> dict[str, Any]:
    """The figure as JSON has it, its styles as places in the pool.

    digits: of each number, significant ones. most: points of a line without shapes; of a longer one every second, third, …
    is left, and its last one, and the figure says so (`every`).
    """
    panels = [_panel(panel, styles, digits, most) for panel in figure.panels]
    longest = max((_length(mark) for panel in figure.panels for mark in panel.marks), default=0)
    found = {
        "name": figure.name, "title": figure.title, "notes": list(figure.notes), "size": list(figure.panel_size),
        "across": figure.across, "panels": panels, "every": _every(longest, most),
        "legend": [[entry.name, styles.place(entry.style)] for entry in figure.legend],
    }  # fmt: skip
    return {name: value for name, value in found.items() if value not in ([], 1)}


def style_as_data(style: Style) -> dict[str, Any]:
    """A style's fields, without those that are as by default."""
    said = {each.name: getattr(style, each.name) for each in fields(Style)}
    usual = {each.name: each.default for each in fields(Style)}
    return {name: value for name, value in said.items() if value != usual[name]}


def _every(length: int, most: int | None) -> int:
    return 1 if most is None else max(1, math.ceil(length / most))


def _length(mark: Mark) -> int:
    """Points of a line that may be thinned out; 0 of any other mark."""
    return len(mark.x) if isinstance(mark, Points) and mark.style.shape is None else 0


def _panel(panel: Panel, styles: Pool[Style], digits: int, most: int | None) -> dict[str, Any]:
    found = {"title": panel.title, "remark": panel.remark, "x": _axis(panel.x), "y": _axis(panel.y)}
    said = {name: value for name, value in found.items() if value}
    return {**said, "marks": [_mark(mark, styles, digits, most) for mark in panel.marks]}


def _axis(axis: Axis) -> dict[str, Any]:
    said = {each.name: getattr(axis, each.name) for each in fields(Axis)}
    usual = {each.name: each.default for each in fields(Axis)}
    return {name: value for name, value in said.items() if value != usual[name]}


def _mark(mark: Mark, styles: Pool[Style], digits: int, most: int | None) -> dict[str, Any]:
    if isinstance(mark, Heat):
        cells = [[cell and _heat_cell(_short(cell.value, digits), cell.text, cell.bracketed, cell.remark) for cell in line]
                 for line in mark.cells]  # fmt: skip
        return {"kind": "heat", "cells": cells, "label": mark.label, "most": mark.most, "meaning": mark.meaning}
    if isinstance(mark, Surface):
        heights = [_numbers(line, digits) for line in mark.heights]
        return {
            "kind": "surface", "x": _numbers(mark.x, digits), "y": _numbers(mark.y, digits), "heights": heights,
            "label": mark.label, "limits": list(mark.limits), "levels": list(mark.levels), "scale": mark.scale,
            "meaning": mark.meaning,
        }  # fmt: skip
    common = {"style": styles.place(mark.style), "meaning": mark.meaning}
    if isinstance(mark, Rule):
        return {"kind": "rule", "across": mark.across, "at": mark.at, **common}
    common |= {"series": mark.series} if mark.series else {}
    common |= {"labels": list(mark.labels)} if mark.labels else {}
    if isinstance(mark, Arrows):
        ends = {name: _numbers(getattr(mark, name), digits) for name in ("x", "start", "end")}
        return {"kind": "arrows", **ends, **common}
    kept = _kept(len(mark.x), _every(_length(mark), most))
    common |= {"spread": _numbers(mark.spread, digits)} if mark.spread else {}
    x = _places([mark.x[place] for place in kept], digits)
    return {"kind": "points", "x": x, "y": _numbers([mark.y[place] for place in kept], digits), **common}


def _heat_cell(value: float, text: str, bracketed: bool, remark: str) -> list[Any]:
    return [value, f"({text})" if bracketed else text, remark]


def _kept(count: int, every: int) -> list[int]:
    """The places of the points that are left: every so many, and the last."""
    kept = list(range(0, count, every))
    return kept if not count or kept[-1] == count - 1 else [*kept, count - 1]


def _places(x: Sequence[float], digits: int) -> Any:
    """Numbers one after the other by the first of them alone."""
    if len(x) > 2 and all(b - a == 1 for a, b in pairwise(x)):
        return {"from": x[0]}
    return _numbers(x, max(digits, 4))


def _numbers(values: Sequence[float | None] | Holes, digits: int) -> list[float | int | None]:
    return [None if value is None or not math.isfinite(value) else _short(value, digits) for value in values]


def _short(value: float, digits: int) -> float | int:
    """To so many significant digits; a whole number without its point."""
    found = float(f"{value:.{digits}g}")
    return int(found) if found == int(found) else found
