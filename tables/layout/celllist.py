"""Every cell of a paper in a line: ours beside the printed number, and all that its verdict is by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmark.config.paper import Paper
from benchmark.data import optimum
from benchmark.machine import time_in_words
from benchmark.workloads import METRICS
from tables.layout.markdown import HOLE, escape, marks, number, printed, spread
from tables.pipe import pipe
from tables.rows.row import Row


def table(paper: Paper, rows: Sequence[Row]) -> str:
    """The first metric of each cell beside the printed number, our others behind; of synthetic sets the least possible."""
    first, *more = (METRICS[name] for name in paper.metrics)
    by_key = {r.key: r for r in rows}
    shown = [row for row in rows if row.key.metric == first.name]
    heads, align, lines = _against_printed(paper, shown)
    for other in more:
        heads.append(f"{other.title}, ours (n)")
        align.append("right")
        of_other = [spread(by_key[replace(row.key, metric=other.name)]) for row in shown]
        lines = [[*line, text] for line, text in zip(lines, of_other, strict=True)]
    if paper.synthetic:
        heads.append("optimum")
        align.append("right")
        best = [None if r.variant else optimum(r.key.dataset, r.key.lookback, r.key.horizon) for r in shown]
        lines = [[*line, number(value)] for line, value in zip(lines, best, strict=True)]
    return pipe(lines, heads, align)


def of_others(paper: Paper, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The same of each further metric that the paper prints, over the cells in which it does: a heading and a table."""
    found = []
    for name in paper.metrics[1:]:
        shown = [row for row in rows if row.key.metric == name and row.printed is not None]
        if shown:
            heads, align, lines = _against_printed(paper, shown)
            found.append((f"{METRICS[name].title}, where it is printed", pipe(lines, heads, align)))
    return found


def _against_printed(paper: Paper, shown: Sequence[Row]) -> tuple[list[str], list[str], list[list[str]]]:
    """Heads, alignments and lines of rows of one metric: the cell, ours beside the printed number, what it is judged by."""
    axes = [head for axis, head in AXES.items() if axis in paper.axes]
    theirs = ["its L"] if "lookback" in paper.axes else []
    title = METRICS[shown[0].key.metric if shown else paper.metric.name].title
    heads = ["data set", *axes, "model", "SAM", f"{title}, ours (n)", "printed", *theirs, "deviation"]
    align = ["left", *("right" for _ in axes), "left", "left", "right", "right", *("right" for _ in theirs), "right"]
    lines = [[*_cell(row, paper.axes), *_compared(row, paper.axes)] for row in shown]
    if any(row.printed is not None for row in shown):
        heads += ["spread", "m"]
        align += ["right", "right"]
        lines = [[*line, *judged_by(row)] for line, row in zip(lines, shown, strict=True)]
    heads.append("verdict")
    align.append("left")
    lines = [[*line, verdict(row)] for line, row in zip(lines, shown, strict=True)]
    if any(row.comparison.needed is not None for row in shown):
        heads.append("would decide")
        align.append("left")
        lines = [[*line, would_decide(row)] for line, row in zip(lines, shown, strict=True)]
    return heads, align, lines


AXES = {"lookback": "L", "horizon": "H"}
"""By the axis of a cell, its letter."""


def _cell(row: Row, axes: Sequence[str]) -> list[str]:
    key = row.key
    steps = [str(getattr(key, axis) or HOLE) for axis in AXES if axis in axes]
    return [escape(key.dataset), *steps, escape(key.model), "on" if key.sam else "off"]


def _compared(row: Row, axes: Sequence[str]) -> list[str]:
    deviation = row.comparison.deviation_pct
    theirs = [escape(row.printed.lookback if row.printed is not None else "")] if "lookback" in axes else []
    return [spread(row) + marks(row), printed(row), *theirs,
            HOLE if deviation is None else f"{number(deviation, 1)} %"]  # fmt: skip


def judged_by(row: Row) -> tuple[str, str]:
    """The spread of a seed, in percent of the printed number; over how many seeds the paper took its number, and where it
    does not say so."""
    spread_of_seed, printed_number = row.comparison.spread_pct, row.printed
    return (HOLE if spread_of_seed is None else f"{number(spread_of_seed, 2)} %",
            HOLE if printed_number is None else str(printed_number.seeds or "1 (not said)"))  # fmt: skip


def verdict(row: Row) -> str:
    """The verdict as it is read, with its tolerance where that is not the usual share."""
    found = row.comparison
    if not found.verdict:
        return "no printed number"
    usual = 100 * METRICS[row.key.metric].relative
    other = found.tolerance_pct is not None and abs(found.tolerance_pct - usual) > 1e-9
    return found.words + (f" (tolerance {number(found.tolerance_pct, 1)} %)" if other else "")


def would_decide(row: Row) -> str:
    """How many seeds would decide a cell, and what those that are not there take in time."""
    needed = row.comparison.needed
    if needed is None:
        return HOLE if row.comparison.verdict else ""
    more = needed.more(row.ours.n)
    return f"{needed}" + (f" (+ {time_in_words(more * row.seconds)})" if row.seconds and more else "")
