"""Columns of a paper against each other over all cells: average ranks with intervals, paired tests, never a p without n."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmark.config.paper import Paper
from benchmark.errors import counted, either
from tables.layout.markdown import HOLE, escape, number
from tables.numbers import DIGITS
from tables.pipe import pipe
from tables.rows.row import Row
from tables.statistics import LEAST_PAIRS, LEAST_SETS, CellKey, Estimate, Sample, average_ranks, signed_rank

EXPLAINED = (
    "Over {cells} in which both, or all, columns have a Result. Ranks: 1 is the lowest {metric}, ties by "
    f"the digits shown, with a 95 % interval over the data sets' means (Student's t; none under {LEAST_SETS} data sets). "
    "p: Wilcoxon's signed-rank test, two-sided and exact, of the logarithms of the ratios of the n cells' means, so "
    "that a cell with large errors weighs no more than another, and corrected by Holm over all tests of this document"
    "{dependent}. Cells that are "
    f"equal are left out and counted; below {LEAST_PAIRS} that differ no p can be small, and none is given."
)
DEPENDENT = "; horizons of one data set are no independent samples, so that p is too small rather than too large"


@dataclass(frozen=True)
class Pair:
    """One pair of columns, first and second: in how many (lower) of n cells the first has the lower mean, the mean
    difference in percent (difference_pct; None where a mean of the second is 0), p, and Holm's p (holm).

    equal: of the n, the cells in which both have the same mean: the test leaves them out. no_ratio: those in which a mean
    is 0 or less, which it leaves out too. tied: of the others, those that share the size of their ratio.
    """

    first: str
    second: str
    n: int
    lower: int
    difference_pct: float | None
    p: float | None
    holm: float | None
    equal: int = 0
    tied: int = 0
    no_ratio: int = 0


def samples(paper: Paper, rows: Sequence[Row], metric: str | None = None) -> dict[str, Sample]:
    """Our values by column, with the column's own SAM setting, in the recipe's order."""
    found: dict[str, dict[CellKey, Sequence[float]]] = {name: {} for name in paper.columns}
    for row in rows:
        if row.key.metric == (metric or paper.metric.name) and row.own_sam and row.ours.values:
            cell = row.key.dataset, f"{row.key.horizon} {row.variant}".strip()  # numbers of two tasks share no cell
            found[row.key.model][cell] = row.ours.values
    return {name: sample for name, sample in found.items() if sample}


def ranks(paper: Paper, of_column: dict[str, Sample], digits: int = DIGITS) -> dict[str, Estimate]:
    """The average rank of each main column among the main columns that have Results, ties by the digits shown."""
    main = {name: sample for name, sample in of_column.items() if paper.columns[name].main}
    cells = _shared(list(main.values()))
    return dict(zip(main, average_ranks(list(main.values()), cells, digits), strict=False)) if len(main) > 1 else {}


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
    pairs = list(zip(a, b, strict=True))
    percent = sum(100 * (x - y) / y for x, y in pairs) / len(cells) if all(b) else None
    test = signed_rank(a, b)
    return Pair(
        first=first, second=second, n=len(cells), lower=sum(x < y for x, y in pairs), difference_pct=percent, p=test.p,
        holm=None, equal=len(cells) - test.unequal - test.no_ratio, tied=test.tied, no_ratio=test.no_ratio,
    )  # fmt: skip


def _holm(found: Sequence[Pair]) -> list[Pair]:
    """Holm's step-down: the smallest p times the number of tests, the next times one less, never falling, at most 1."""
    order = sorted((test.p, i) for i, test in enumerate(found) if test.p is not None)
    corrected: dict[int, float] = {}
    least = 0.0
    for place, (p, i) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - place)))
        corrected[i] = least
    return [replace(test, holm=corrected.get(i)) for i, test in enumerate(found)]


def document(paper: Paper, rows: Sequence[Row], digits: int = DIGITS) -> str:
    """Ranks and tests as Markdown; empty where there are no two columns to compare. digits: that the tables show."""
    of_column = samples(paper, rows)
    parts = []
    if ranked := ranks(paper, of_column, digits):
        lines = [
            [escape(name), number(rank.value, 2), _interval(rank), str(rank.cells)]
            for name, rank in sorted(ranked.items(), key=lambda item: item[1].value)
        ]
        heads = ["column", f"average rank of {len(ranked)}", "95 % interval", "cells"]
        parts.append(_table(lines, heads, 1))
    if tested := pairwise(paper, of_column):
        lines = [
            [f"{escape(t.first)} against {escape(t.second)}", str(t.n), f"{t.lower} of {t.n}",
             HOLE if t.difference_pct is None else f"{number(t.difference_pct, 2)} %", _p(t.p, t), _p(t.holm, t)]
            for t in tested
        ]  # fmt: skip
        parts.append(_table(lines, ["pair", "n", "lower in", "mean difference", "p", "p, Holm"], 1))
        parts += _remarks(tested)
    return "\n\n".join([explained(paper), *parts]) if parts else ""


def explained(paper: Paper) -> str:
    """What ranks and tests are over, and how they are made."""
    steps = "horizon" in paper.axes
    cells, dependent = ("cells (data set × horizon)", DEPENDENT) if steps else ("data sets", "")
    return EXPLAINED.format(cells=cells, metric=paper.metric.title, dependent=dependent)


def _interval(found: Estimate) -> str:
    of = found.interval
    return HOLE if of is None else f"{number(of.low, 2)} to {number(of.high, 2)}"


def _p(p: float | None, test: Pair) -> str:
    """Never a p without its n."""
    if p is None:
        return HOLE
    return f"{'< 0.001' if p < 0.001 else number(p, 3)} (n = {test.n - test.equal - test.no_ratio})"


def _remarks(tested: Sequence[Pair]) -> Iterator[str]:
    """What is to be known of single pairs: cells that a test leaves out, ties, a mean of 0."""
    for test in tested:
        said, cells = [], counted(test.n, "cell")
        if test.equal:
            alike = either(
                test.equal, "is equal in both, and the test leaves it", "are equal in both, and the test leaves them"
            )
            said.append(f"{test.equal} of {cells} {alike} out")
        if test.no_ratio:
            has, it = either(test.no_ratio, "has", "have"), either(test.no_ratio, "it", "them")
            said.append(f"{test.no_ratio} of {cells} {has} a mean of 0 or less, and the test leaves {it} out")
        if test.tied:
            said.append(f"{test.tied} ratios share their size, and so their ranks")
        if test.difference_pct is None:
            said.append(f"a mean of {escape(test.second)} is 0, of which there is no percent")
        if said:
            yield f"{escape(test.first)} against {escape(test.second)}: {'; '.join(said)}."


def _table(lines: Sequence[Sequence[str]], heads: Sequence[str], left: int) -> str:
    align = ["left"] * left + ["right"] * (len(heads) - left)
    return pipe(lines, heads, align)
