"""Columns of a paper against each other over all cells: average ranks with intervals, paired tests, never a p without n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from benchmark.config.paper import Paper
from tables.layout.markdown import HOLE, escape, number
from tables.rows.row import Row
from tables.statistics import CellKey, Estimate, Sample, average_ranks

LEAST_CELLS = 6
"""Of fewer pairs Wilcoxon's two-sided test cannot come below 0.05, whatever they are."""

EXPLAINED = (
    "Over cells (data set × horizon) in which both, or all, columns have a Result. Ranks: 1 is the lowest MSE, with a 95 % "
    "bootstrap interval over cells and seeds. p: Wilcoxon's signed-rank test, two-sided, on the means of the n cells, and "
    "corrected by Holm over the tests of this table; horizons of one data set are no independent samples, so that p is "
    f"too small rather than too large. Below {LEAST_CELLS} cells no p can be small, and none is given."
)


@dataclass(frozen=True)
class Pair:
    """One pair of columns, first and second: in how many (lower) of n cells the first has the lower mean, the mean
    difference in percent (difference_pct), p and Holm's p (holm).
    """

    first: str
    second: str
    n: int
    lower: int
    difference_pct: float
    p: float | None
    holm: float | None


def samples(paper: Paper, rows: Sequence[Row], metric: str | None = None) -> dict[str, Sample]:
    """Our values by column, with the column's own SAM setting, in the recipe's order."""
    found: dict[str, dict[CellKey, Sequence[float]]] = {name: {} for name in paper.columns}
    for row in rows:
        if row.key.metric == (metric or paper.metric.name) and row.own_sam and row.ours.values:
            found[row.key.model][row.key.dataset, str(row.key.horizon)] = row.ours.values
    return {name: sample for name, sample in found.items() if sample}


def ranks(paper: Paper, of_column: dict[str, Sample]) -> dict[str, Estimate]:
    """The average rank of each main column among the main columns that have Results."""
    main = {name: sample for name, sample in of_column.items() if paper.columns[name].main}
    cells = _shared(list(main.values()))
    return dict(zip(main, average_ranks(list(main.values()), cells), strict=False)) if len(main) > 1 else {}


def pairwise(paper: Paper, of_column: dict[str, Sample]) -> list[Pair]:
    """The first main column against each other one, and X+SAM against X; tests of all of them corrected together."""
    main = [name for name in of_column if paper.columns[name].main]
    pairs = [(main[0], other) for other in main[1:]] if main else []
    pairs += [(f"{name}+SAM", name) for name in of_column if f"{name}+SAM" in of_column]
    found = [_test(first, second, of_column) for first, second in dict.fromkeys(pairs)]
    return _holm([test for test in found if test is not None])


def _shared(columns: Sequence[Sample]) -> list[CellKey]:
    return [cell for cell in columns[0] if all(cell in sample for sample in columns)] if columns else []


def _test(first: str, second: str, of_column: dict[str, Sample]) -> Pair | None:
    cells = _shared([of_column[first], of_column[second]])
    if not cells:
        return None
    a, b = ([sum(s[cell]) / len(s[cell]) for cell in cells] for s in (of_column[first], of_column[second]))
    differences = [x - y for x, y in zip(a, b, strict=True)]
    percent = sum(100 * d / y for d, y in zip(differences, b, strict=True)) / len(cells)
    p = None
    if len(cells) >= LEAST_CELLS and any(differences):
        from scipy.stats import wilcoxon  # takes a second to import

        p = float(wilcoxon(differences).pvalue)
    return Pair(first, second, len(cells), sum(d < 0 for d in differences), percent, p, None)


def _holm(found: Sequence[Pair]) -> list[Pair]:
    """Holm's step-down: the smallest p times the number of tests, the next times one less, never falling, at most 1."""
    order = sorted((test.p, i) for i, test in enumerate(found) if test.p is not None)
    corrected: dict[int, float] = {}
    least = 0.0
    for place, (p, i) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - place)))
        corrected[i] = least
    return [
        Pair(t.first, t.second, t.n, t.lower, t.difference_pct, t.p, corrected.get(i)) for i, t in enumerate(found)
    ]  # fmt: skip


def document(paper: Paper, rows: Sequence[Row]) -> str:
    """Ranks and tests as Markdown; empty where there are no two columns to compare."""
    of_column = samples(paper, rows)
    parts = []
    if ranked := ranks(paper, of_column):
        lines = [
            [escape(name), number(rank.value, 2), _interval(rank), str(rank.cells)]
            for name, rank in sorted(ranked.items(), key=lambda item: item[1].value)
        ]
        heads = ["column", f"average rank of {len(ranked)}", "95 % interval", "cells"]
        parts.append(_table(lines, heads, 1))
    if tested := pairwise(paper, of_column):
        lines = [
            [f"{escape(t.first)} against {escape(t.second)}", str(t.n), f"{t.lower} of {t.n}",
             f"{number(t.difference_pct, 2)} %", _p(t.p, t.n), _p(t.holm, t.n)]
            for t in tested
        ]  # fmt: skip
        parts.append(_table(lines, ["pair", "n", "lower in", "mean difference", "p", "p, Holm"], 1))
    return "\n\n".join([EXPLAINED, *parts]) if parts else ""


def _interval(found: Estimate) -> str:
    return HOLE if found.low is None or found.high is None else f"{number(found.low, 2)} to {number(found.high, 2)}"


def _p(p: float | None, n: int) -> str:
    """Never a p without its n."""
    if p is None:
        return HOLE
    return f"{'< 0.001' if p < 0.001 else number(p, 3)} (n = {n})"


def _table(lines: Sequence[Sequence[str]], heads: Sequence[str], left: int) -> str:
    align = ["left"] * left + ["right"] * (len(heads) - left)
    return str(tabulate(lines, heads, tablefmt="pipe", disable_numparse=True, colalign=align))
