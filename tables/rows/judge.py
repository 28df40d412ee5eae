"""Rows → rows with their verdicts, and the verdicts on whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.judging.column import ColumnVerdict, judge_column
from benchmark.judging.compare import Beside, compare
from benchmark.judging.seeds import asked
from benchmark.judging.verdict import Needed
from benchmark.store.judged import Judged, JudgedCell, JudgedColumn, column_key, row_key
from benchmark.workloads import METRICS
from tables.rows.row import Row

Column = tuple[str, bool, str]
"""Model, SAM on or off, metric: of one paper, protocol and profile."""


@dataclass(frozen=True)
class OfColumn:
    """The verdict on a column, and the row of its cell that deviates most."""

    found: ColumnVerdict
    largest: Row


def judge(rows: Sequence[Row], profile: str) -> list[Row]:
    """The rows with what came of their comparisons.

    They are all cells of one paper, protocol and profile, whatever a table shows: the cells of a column tell its spread
    together. Means over horizons are judged apart from the cells that they are of.
    """
    compared = dict[int, Row]()
    for (_, _, metric), places in _columns(rows).items():
        column = [_beside(rows[place], profile) for place in places]
        for place, comparison in zip(places, compare(column, METRICS[metric]), strict=True):
            compared[place] = replace(rows[place], comparison=comparison)
    return [compared[place] for place in range(len(rows))]


def column_verdicts(rows: Sequence[Row], profile: str) -> dict[Column, OfColumn]:
    """The verdict on every column of which a cell is judged; `rows` as for `judge`."""
    found = {}
    for column, places in _columns(rows).items():
        of_column = judge_column([_beside(rows[place], profile) for place in places], METRICS[column[2]])
        if of_column is not None:
            found[column] = OfColumn(of_column, rows[places[of_column.largest]])
    return found


def _columns(rows: Sequence[Row]) -> dict[Column, list[int]]:
    """The places of each column's rows."""
    places: dict[Column, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault((row.key.model, row.key.sam, row.key.metric), []).append(place)
    return places


def _beside(row: Row, profile: str) -> Beside:
    return Beside(ours=row.ours, printed=row.printed, lookback=row.lookback, profile=profile, same_task=row.same_task)


def judged_cells(rows: Sequence[Row], protocol: str, profile: str, metric: str) -> Judged:
    """What a plan needs to know of these rows (as for `judge`): by one metric, the verdicts and seconds of cells that have
    a Result, and the seeds that columns ask for."""
    cells, columns = {}, {}
    for (model, sam, name), places in _columns(rows).items():
        if name != metric:
            continue
        paper, column = rows[places[0]].key.paper, [_beside(rows[place], profile) for place in places]
        found = judge_column(column, METRICS[metric])
        columns[column_key(paper, protocol, profile, model, sam)] = JudgedColumn(
            verdict=found.words if found else "", seeds=asked(column, METRICS[metric])
        )
        for row in (rows[place] for place in places if rows[place].ours.n):
            needed = row.comparison.needed or Needed(None)
            cells[row_key(paper, protocol, profile, row.key.dataset, row.key.horizon, model, sam)] = JudgedCell(
                verdict=row.comparison.words, n=row.ours.n, needed=needed.seeds, why=needed.why, to_judge=needed.to_judge,
                published=row.printed.value if row.printed else None, deviation_pct=row.comparison.deviation_pct,
                seconds=row.seconds, digests=row.ours.digests,
            )  # fmt: skip
    return Judged(cells, columns)
