"""A figure as data: what it shows and what that means, for any renderer; nothing here knows a paper or draws.

A renderer needs no more than this: all names, values and texts are here, a hole is None, colours and shapes are in
`tables.figures.style`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tables.figures.style import Style

Holes = tuple[float | None, ...]
"""Numbers, and None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a panel.

    label: what it shows, with the unit; it is written at the outer panels alone where all panels say the same.
    scale: symlog is linear from −1 to 1 and logarithmic beyond. categories: names of the places 0, 1, 2, …; empty: an
    axis of numbers. limits: least and most, in the axis's unit; None: as the marks need. ticks: all the places that are
    named, in the axis's unit; empty: the renderer's choice. whole: whether its choice are whole numbers alone.
    """

    label: str = ""
    scale: Literal["linear", "log", "symlog"] = "linear"
    categories: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    ticks: tuple[float, ...] = ()
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Points:
    """Points in their order, joined where the style has a line; no line crosses a hole.

    x, y: in the axes' units; on an axis of categories 0 is the first one, and 0.1 a little beside it. spread: the length
    of a bar above and below each point, in the unit of y; empty: no bars. series: the name of the series; empty: of none.
    meaning: what one of the points is, in words. labels: what each of them is about; empty: nothing to add.
    """

    x: tuple[float, ...]
    y: Holes
    style: Style
    meaning: str
    series: str = ""
    spread: Holes = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for lengths that do not agree."""
        _same_length(self.x, self.y, self.spread or self.x, self.labels or self.x)


@dataclass(frozen=True, kw_only=True)
class Arrows:
    """Vertical arrows, each a line from a hollow mark at its start to a filled one at its end.

    x, start, end: in the axes' units, as with Points. style: of line and marks. series, meaning, labels: as with Points,
    of one arrow.
    """

    x: tuple[float, ...]
    start: tuple[float, ...]
    end: tuple[float, ...]
    style: Style
    meaning: str
    series: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for lengths that do not agree."""
        _same_length(self.x, self.start, self.end, self.labels or self.x)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight line across the whole panel, at one place of one axis.

    across: the axis that it stands on. at: where, in that axis's unit. meaning: what it divides, in words.
    """

    across: Literal["x", "y"]
    at: float
    style: Style
    meaning: str


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """One cell of a heat map.

    value: in the map's unit. text: as it is written into the cell. bracketed: whether in brackets. remark: what else is
    to say of it, in words.
    """

    value: float
    text: str
    bracketed: bool = False
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Heat:
    """A heat map: a colour a cell, white at 0, from purple (below) to orange. It fills its panel, the first line on top.

    cells: by line and column, which the panel's axes name as categories; None: grey, nothing there. label: what the
    colours say, with the unit. most: the value at which the colours end, above and below 0, in that unit. meaning: what a
    cell is, in words.
    """

    cells: tuple[tuple[HeatCell | None, ...], ...]
    label: str
    most: float
    meaning: str

    def __post_init__(self) -> None:
        """Raises ValueError for lines of unequal length."""
        _same_length(*self.cells)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A height above every place of the panel: a colour, and lines where it is one of the levels.

    x, y: the places of the grid along the panel's axes, rising, in their units. heights: by y, then by x; None: not known.
    label: what the colours say, with the unit. limits: where they end, least and most. scale: how they go between.
    levels: of the lines, rising. meaning: what a height is, in words.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    heights: tuple[Holes, ...]
    label: str
    limits: tuple[float, float]
    levels: tuple[float, ...]
    meaning: str
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        """Raises ValueError for lengths that do not agree."""
        _same_length(self.y, self.heights)
        _same_length(self.x, *self.heights)


Mark = Points | Arrows | Rule | Heat | Surface
"""What stands in a panel."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes and its marks, the later ones above the earlier.

    title: in bold above. remark: beside the title, at the right.
    """

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """A name below the figure, and the style that it explains."""

    name: str
    style: Style


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure.

    name: one word for what it shows. title: one sentence without its full stop. notes: more such sentences, how to read
    it. panels: line by line. across: how many stand side by side at most. panel_size: width and height of one panel with
    its axis and title, in inches. legend: what stands below.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    panel_size: tuple[float, float]
    across: int = 4
    legend: tuple[LegendEntry, ...] = ()
    notes: tuple[str, ...] = ()


def scale_of(values: Iterable[float | None], wide: float = 2.0) -> Literal["linear", "log"]:
    """Logarithmic where all finite values are above 0 and the largest is more than `wide` times the least: over less, an
    axis of powers has hardly a place to name."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    return "log" if there and min(there) > 0 and max(there) > wide * min(there) else "linear"


def holes(values: Iterable[float | None]) -> Holes:
    """The values with None for what is no finite number."""
    return tuple(float(value) if value is not None and math.isfinite(value) else None for value in values)


def beside(place: int, count: int, width: float) -> float:
    """How far from its category the mark of a series stands, so that none of `count` hides another.

    place: of the series, from 0. width: of all of them together, in categories.
    """
    return (place - (count - 1) / 2) * width / max(count, 2)


def _same_length(*parts: tuple[object, ...]) -> None:
    if len({len(part) for part in parts}) > 1:
        raise ValueError(f"expected as many of each, found {', '.join(str(len(part)) for part in parts)}")
