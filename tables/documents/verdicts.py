"""What became of a paper's printed numbers: so many of so many, by data set and by horizon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from benchmark.config.paper import Paper
from benchmark.judging.verdict import VERDICTS
from benchmark.workloads import METRICS
from tables.layout.markdown import HOLE, MARKS, escape, number
from tables.layout.texts import OFTEN_WRONG
from tables.numbers import span
from tables.pipe import pipe
from tables.rows.judge import OfColumn, column_verdicts
from tables.rows.means import AVERAGE, cell_name, horizon_name, judged
from tables.rows.row import Row


def summary(paper: Paper, rows: Sequence[Row], profile: str) -> str:
    """Counts as Markdown: one sentence a metric, the first metric by data set and by horizon, then the verdicts on whole
    columns. Empty without printed numbers."""
    parts, columns = [], []
    for metric in paper.metrics:
        found = judged(paper, rows, profile, metric)
        if found:
            parts.append(_sentence(found, metric))
            columns += [_column(paper, of) for of in column_verdicts(found, profile).values()]
        if found and metric == paper.metric.name:
            verdicts = [v for v in VERDICTS if any(row.comparison.verdict == v for row in found)]
            parts.append(_counts(found, verdicts, "data set", lambda row: row.key.dataset))
            horizons = sorted({row.key.horizon for row in found})
            if len(horizons) > 1:
                by_horizon = sorted(found, key=lambda row: row.key.horizon)
                parts.append(_counts(by_horizon, verdicts, "horizon", lambda row: horizon_name(row.key.horizon)))
    if columns:
        parts += [ON_AVERAGE, _table(columns, COLUMN_HEADS, 1)]
    if any(row.comparison.verdict in ("better", "worse") for row in judged(paper, rows, profile)):
        parts.append(_often_wrong())
    return "\n\n".join(parts)


ON_AVERAGE = (
    "Columns as a whole, over all their cells with three seeds or more: the mean deviation with its 90 % interval, judged "
    "by the mean of the cells' tolerances, and the cell that deviates most, since a mean hides cells that cancel. The "
    "spread is pooled from the cells' own variances; in the line of a cell it is another figure, its own variance drawn "
    "towards those of its column. The interval takes a seed's luck in one cell for independent of that in another; in "
    "brackets its standard error, and the one from the seeds' means over the column, in which that luck is, where all "
    "cells have the same seeds."
)
COLUMN_HEADS = ["column", "cells", "n", "m", "pooled spread", "mean deviation", "90 % interval", "(standard errors)",
                "largest", "verdict"]  # fmt: skip


def _often_wrong() -> str:
    """How often a `better` or `worse` is wrong, to stand beside those that are given."""
    lines = [[str(m), *(" / ".join(found) for found in by_spread.values())] for m, by_spread in OFTEN_WRONG.items()]
    heads = ["the paper's seeds (m)", *(f"spread {spread} %" for spread in OFTEN_WRONG[1])]
    return (
        "How often a `better` or `worse` that is given is wrong depends on what is true. Where six of ten printed numbers "
        "are exactly right and the others off by N(0, 4 %): in so many percent, with 3 / 5 / 10 seeds of ours.\n\n"
    ) + _table(lines, heads)


def _column(paper: Paper, of: OfColumn) -> list[str]:
    """A line of the table of columns."""
    found, key = of.found, of.largest.key
    deviation = of.largest.comparison.deviation_pct
    sam = "" if key.model not in paper.columns or of.largest.own_sam else " with SAM" if key.sam else " without SAM"
    metric = "" if key.metric == paper.metric.name else f", {METRICS[key.metric].title}"
    errors = [found.error_pct, *([] if found.shared_error_pct is None else [found.shared_error_pct])]
    return [
        escape(f"{key.model}{sam}{metric}"), str(found.cells), span(found.seeds), str(found.paper_seeds),
        f"{number(found.spread_pct, 2)} %", f"{number(found.deviation_pct, 1)} %",
        f"{number(found.low_pct, 1)} to {number(found.high_pct, 1)} %", f"({', '.join(number(e, 2) for e in errors)} %)",
        f"{number(deviation, 1)} % ({cell_name(escape(key.dataset), key.horizon)})", found.words,
    ]  # fmt: skip


def _sentence(found: Sequence[Row], metric: str) -> str:
    """``MSE: of 32 printed numbers 20 reproduced, …``, and how many of them carry which mark."""
    counts = Counter(row.comparison.verdict for row in found)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    of = "means over the horizons" if all(row.key.horizon == AVERAGE for row in found) else "printed numbers"
    text = f"{METRICS[metric].title}: of {len(found)} {of} {words}."
    marks = Counter(row.printed.status for row in found if row.printed is not None and row.printed.status in MARKS)
    marked = [f"{n} {status} ({MARKS[status]})" for status, n in sorted(marks.items())]
    weak = sum(row.ours.n > 0 and row.weak for row in found)
    marked += [f"{weak} against a recipe of ours that is not verified (§)"] if weak else []
    return text + (f" Of these numbers {', '.join(marked)}." if marked else "")


def _counts(found: Sequence[Row], verdicts: Sequence[str], head: str, key: Callable[[Row], str]) -> str:
    groups = dict.fromkeys(map(key, found))
    lines = []
    for group in groups:
        counts = Counter(row.comparison.verdict for row in found if key(row) == group)
        lines.append([escape(group), *(str(counts[v]) if counts[v] else HOLE for v in verdicts), str(sum(counts.values()))])
    return _table(lines, [head, *verdicts, "of"])


def _table(lines: Sequence[Sequence[str]], heads: Sequence[str], words: int = 0) -> str:
    """The first column is text, and the last `words`."""
    align = ["left"] + ["right"] * (len(heads) - 1 - words) + ["left"] * words
    return pipe(lines, heads, align)
