"""A table's short form, as plain text for a terminal: columns, how far they are off on average, verdicts counted."""

from __future__ import annotations

import statistics
import textwrap
from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from benchmark.config.paper import Paper
from benchmark.grid.asked import Shown
from benchmark.judging.verdict import VERDICTS
from benchmark.workloads import METRICS
from tables.claims.evidence import Evidence
from tables.layout.texts import OFTEN_WRONG
from tables.numbers import fixed, span
from tables.rows.judge import OfColumn, column_verdicts
from tables.rows.means import judged
from tables.rows.row import Row

WIDTH = 80
"""Characters of a line: it is read in a terminal, in a log, in a mail."""


def brief(evidence: Evidence, shown: Shown) -> str:
    """The tables of what a run was about, one below the other."""
    parts = []
    for name, protocol, profile in shown.kinds:
        paper = evidence.catalogue.papers.get(name)
        rows = evidence.rows_of.get(name, {}).get((protocol, profile), ())
        done = [row for row in rows if row.ours.n or row.ours.not_finite]
        if paper is not None and done:
            parts.append(_table(paper, rows, protocol, profile))
    return "\n\n".join(parts)


def _table(paper: Paper, rows: Sequence[Row], protocol: str, profile: str) -> str:
    metric = METRICS[paper.metric.name].title
    mine = [row for row in rows if row.key.metric == paper.metric.name]
    printed = paper.printed is not None and profile == "paper"
    compared = judged(paper, rows, profile) if printed else []
    verdicts = column_verdicts(compared, profile)
    columns: dict[tuple[str, bool], list[Row]] = {}
    for row in mine:
        columns.setdefault((row.key.model, row.key.sam), []).append(row)
    lines = []
    for (model, sam), cells in columns.items():
        done = [row for row in cells if row.ours.n]
        if not done and not any(row.ours.not_finite for row in cells):
            continue
        own = cells[0].own_sam
        name = model + ("" if own else " with SAM" if sam else " without SAM")
        line = [name, f"{len(done)} of {len(cells)}", span([row.ours.n for row in done] or [0])]
        if printed:
            beside = [row for row in compared if (row.key.model, row.key.sam) == (model, sam)]
            line += _judged(beside, verdicts.get((model, sam, paper.metric.name)))
        else:
            means = [row.ours.mean for row in done if row.ours.mean is not None]
            line.append(fixed(statistics.fmean(means)) or "" if means else "")
        lines.append(line)
    about = f"{paper.name}, protocol {protocol}, profile {profile}"
    heads = ["column", "cells", "seeds", *(["off by", "verdict", "of its cells"] if printed else [f"mean {metric}"])]
    what = f": our {metric} beside the printed one" if printed else f": {metric}, nothing to compare it with"
    text = str(tabulate(lines, heads, tablefmt="simple", disable_numparse=True))
    table = map(str.rstrip, text.splitlines())
    return "\n".join([*textwrap.wrap(about + what, WIDTH), *table, *_often_wrong(compared)])


def _often_wrong(compared: Sequence[Row]) -> list[str]:
    """How often a `better` or `worse` is wrong, by the fewest seeds of ours and of the paper's that one is by; nothing
    where none is given."""
    given = [row for row in compared if row.comparison.verdict in ("better", "worse")]
    if not given:
        return []
    n = min(row.ours.n for row in given)
    m = min(row.printed.seeds_behind for row in given if row.printed is not None)
    at_2, at_5 = (OFTEN_WRONG[5 if m >= 5 else 1][spread][(n >= 5) + (n >= 10)] for spread in (2, 5))
    return [f"better, worse: wrong in {at_2} % at a spread of 2 %, {at_5} % at 5 % (docs/verdicts.md)"]


def _judged(cells: Sequence[Row], of: OfColumn | None) -> list[str]:
    """The mean deviation of a column, its verdict, and how many of its cells have which."""
    counts = Counter(row.comparison.verdict for row in cells if row.ours.n or row.ours.not_finite)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    wrapped = "\n".join(textwrap.wrap(words, 30))
    if of is not None:
        return [f"{of.found.deviation_pct:+.1f} %", of.found.words, wrapped]
    known = [
        row.comparison.deviation_pct for row in cells
        if row.comparison.deviation_pct is not None and row.comparison.verdict != "not comparable"
    ]  # fmt: skip
    off = f"{statistics.fmean(known):+.1f} %" if known else ""
    return [off, "none yet" if known else "none", wrapped]
