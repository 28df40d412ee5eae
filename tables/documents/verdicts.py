"""What became of a paper's printed numbers: so many of so many, by data set and by horizon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tabulate import tabulate

from benchmark.config.paper import Paper
from benchmark.judging.verdict import VERDICTS
from benchmark.workloads import METRICS
from tables.layout.markdown import HOLE, MARKS, escape
from tables.rows.means import horizon_name, judged
from tables.rows.row import Row


def summary(paper: Paper, rows: Sequence[Row], profile: str) -> str:
    """Counts as Markdown: one sentence a metric, then the MSE by data set and by horizon. Empty without printed numbers."""
    parts = []
    for metric in paper.metrics:
        found = judged(paper, rows, profile, metric)
        if found:
            parts.append(_sentence(found, metric))
        if found and metric == paper.metric.name:
            verdicts = [v for v in VERDICTS if any(row.comparison.verdict == v for row in found)]
            parts.append(_counts(found, verdicts, "data set", lambda row: row.key.dataset))
            horizons = sorted({row.key.horizon for row in found})
            if len(horizons) > 1:
                by_horizon = sorted(found, key=lambda row: row.key.horizon)
                parts.append(_counts(by_horizon, verdicts, "horizon", lambda row: horizon_name(row.key.horizon)))
    return "\n\n".join(parts)


def _sentence(found: Sequence[Row], metric: str) -> str:
    """``MSE: of 32 printed numbers 20 reproduced, …``, and how many of them carry which mark."""
    counts = Counter(row.comparison.verdict for row in found)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    of = "means over the horizons" if not any(row.key.horizon for row in found) else "printed numbers"
    text = f"{METRICS[metric].title}: of {len(found)} {of} {words}."
    marks = Counter(row.printed.status for row in found if row.printed is not None and row.printed.status in MARKS)
    marked = [f"{n} {status} ({MARKS[status]})" for status, n in sorted(marks.items())]
    weak = sum(row.ours.n > 0 and row.recipe_status != "verified" for row in found)
    marked += [f"{weak} against a recipe of ours that is not verified (§)"] if weak else []
    return text + (f" Of these numbers {', '.join(marked)}." if marked else "")


def _counts(found: Sequence[Row], verdicts: Sequence[str], head: str, key: Callable[[Row], str]) -> str:
    groups = dict.fromkeys(map(key, found))
    lines = []
    for group in groups:
        counts = Counter(row.comparison.verdict for row in found if key(row) == group)
        lines.append([escape(group), *(str(counts[v]) if counts[v] else HOLE for v in verdicts), str(sum(counts.values()))])
    align = ["left"] + ["right"] * (len(verdicts) + 1)
    return str(tabulate(lines, [head, *verdicts, "of"], tablefmt="pipe", disable_numparse=True, colalign=align))
