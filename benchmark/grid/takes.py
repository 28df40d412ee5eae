"""What it would take: how many seeds would decide what is open, and how long that would last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmark.config.paper import Paper
from benchmark.errors import counted, either
from benchmark.grid.cells import Cell, Planned
from benchmark.grid.plan import own_protocol
from benchmark.machine import time_in_words
from benchmark.store.judged import Judged, JudgedCell, row_key

MOST_SEEDS = 100
"""More than anybody runs: what needs more counts as out of reach."""

Known = Mapping[str, JudgedCell]
"""By the key of a row: a cell's without its seed."""


def known(cells: Sequence[Planned], papers: Mapping[str, Paper], judged: Judged | None) -> Known:
    """What is known of the rows of a plan, as far as it is by Results of these very cells."""
    if judged is None:
        return {}
    found = {}
    for row, members in rows(cells):
        cell = members[0].cell
        protocol = own_protocol(papers[cell.paper], cell.protocol)
        key = row_key(cell.paper, protocol, cell.profile, cell.dataset, cell.horizon, cell.model, cell.sam)
        of_row = judged.cells.get(key)
        if of_row is not None and not {planned.digest for planned in members}.isdisjoint(of_row.digests):
            found[row] = of_row
    return found


def rows(cells: Sequence[Planned]) -> Iterator[tuple[str, list[Planned]]]:
    """A plan's rows: the cells that differ in their seed alone."""
    for row, members in groupby(cells, key=lambda planned: row_of(planned.cell)):
        yield row, list(members)


def row_of(cell: Cell) -> str:
    """A cell's key without its seed."""
    return cell.key.rpartition("/")[0]


def said(found: JudgedCell | None) -> str:
    """A row's verdict, and what would decide it; nothing where nothing is known or all is decided."""
    if found is None or not found.open:
        return ""
    said = found.verdict
    if found.to_judge:
        said += f": {found.to_judge} seeds to be judged at all"
        if found.needed == found.to_judge:
            return f"{said}, which would decide it{_lasts(found, found.needed)}"
        if found.needed is None and not found.why:
            return f"{said}{_lasts(found, found.to_judge)}"
    if found.needed is None:
        return f"{said}{'; then' if found.to_judge else ', and'} no number of seeds decides it: {found.why}"
    if found.needed > MOST_SEEDS:
        return f"{said}; more than {MOST_SEEDS} seeds would decide it"
    return f"{said}; {found.needed} seeds would decide it{_lasts(found, found.needed)}"


def _lasts(found: JudgedCell, seeds: int) -> str:
    return "" if found.seconds is None else f" (+ {time_in_words((seeds - found.n) * found.seconds)})"


def _open(still: Sequence[JudgedCell]) -> str:
    """A line on the open cells: those that a number of seeds decides, those of which it shows once they are judged, and
    the others."""
    decide = [(each, each.needed) for each in still if each.needed is not None and each.needed <= MOST_SEEDS]
    judge = [(each, each.to_judge) for each in still if each.needed is None and not each.why]
    parts = []
    for goals, what in ((decide, "would decide"), (judge, "would have a verdict on")):
        more = sum(goal - each.n for each, goal in goals)
        seconds = sum((goal - each.n) * (each.seconds or 0.0) for each, goal in goals)
        lasts = f", {time_in_words(seconds)} on one core" if all(each.seconds is not None for each, _ in goals) else ""
        parts += [f"{counted(more, 'more seed')} {what} {len(goals)} of them{lasts}"] if goals else []
    beyond = len(still) - len(decide) - len(judge)
    parts += [f"{beyond} {either(beyond, 'is', 'are')} out of reach of {MOST_SEEDS} seeds"] if beyond else []
    return f"{counted(len(still), 'open cell')}: {'; '.join(parts)}"


def summary(found: Known) -> list[str]:
    """A line on the open cells, as far as they are known."""
    still = [of_row for of_row in found.values() if of_row.open]
    return [_open(still)] if still else []


def open_cells(found: Known) -> list[dict[str, Any]]:
    """The open rows of a plan for JSON: `seeds_needed` is null where no number of seeds would decide, as `why` says, or
    where that is not known; `seeds_to_judge` is what a row with too few seeds needs for any verdict, else null."""
    return [
        {"row": row, "verdict": of_row.verdict, "n": of_row.n, "seeds_needed": of_row.needed, "why": of_row.why,
         "seeds_to_judge": of_row.to_judge or None, "seconds_each": of_row.seconds}
        for row, of_row in found.items() if of_row.open
    ]  # fmt: skip
