"""Claims about a column's cells one by one: its number is the one claimed, or lower than another column's. What becomes of
each is by the rule of verdicts (docs/verdicts.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.judging.compare import Beside, compare
from benchmark.judging.printed import PrintedNumber, stated
from benchmark.judging.verdict import LEAST_SEEDS
from benchmark.workloads import METRICS
from tables.claims.evidence import Evidence
from tables.claims.outcome import FAILS, HOLDS, NOT_MEASURED, NOT_PRINTED, UNDECIDED
from tables.claims.reader import Claim
from tables.rows.row import Row
from tables.statistics import CellKey

LOWER = {"better": HOLDS, "worse": FAILS, "reproduced": f"{FAILS} (the same)", "within": UNDECIDED}
"""What becomes of 'lower', by the verdict on the one column with the other's mean in the printed number's place."""


@dataclass(frozen=True)
class OfCell:
    """What becomes of a claim in one cell. figure: the number, or by how many percent it is lower; None where there is
    none. seeds: the least and the most behind it."""

    cell: CellKey
    figure: float | None
    seeds: tuple[int, ...]
    verdict: str


def on_printed(claim: Claim, evidence: Evidence, cells: Sequence[CellKey]) -> Iterator[OfCell]:
    """On the printed numbers, which are read: no seed has a part in it."""
    samples = [evidence.printed(ref, claim.metric) for ref in claim.refs]
    for cell in cells:
        if any(cell not in sample for sample in samples):
            yield OfCell(cell, None, (), NOT_PRINTED)
            continue
        first, *other = (sample[cell][0] for sample in samples)
        figure = _percent(first, other[0]) if other else first
        holds = figure > 0 if other else abs(first - claim.value) < 10**-claim.digits / 2
        yield OfCell(cell, figure, (), HOLDS if holds else FAILS)


def on_ours(claim: Claim, evidence: Evidence, cells: Sequence[CellKey], protocol: str) -> list[OfCell]:
    """On our numbers under a protocol."""
    rows = [evidence.rows(ref, claim.metric, protocol) for ref in claim.refs]
    there = [cell for cell in cells if all(cell in of and of[cell].ours.n for of in rows)]
    found = _number(rows[0], there) if len(rows) == 1 else _lower(rows[0], rows[1], there, claim.metric)
    return [found.get(cell) or OfCell(cell, None, (), NOT_MEASURED) for cell in cells]


def _number(rows: Mapping[CellKey, Row], cells: Sequence[CellKey]) -> dict[CellKey, OfCell]:
    """The verdict that the tables give each cell."""
    return {
        cell: OfCell(cell, row.ours.mean, (row.ours.n, row.ours.n), row.comparison.words or NOT_PRINTED)
        for cell in cells if (row := rows[cell])
    }  # fmt: skip


def _lower(
    rows: Mapping[CellKey, Row], over: Mapping[CellKey, Row], cells: Sequence[CellKey], metric: str
) -> dict[CellKey, OfCell]:  # fmt: skip
    """The verdict on one column with the other's mean, which is over so many seeds, in the printed number's place."""
    column = [
        Beside(ours=row.ours, printed=_as_printed(other), lookback=row.lookback, profile="paper",
               same_task=row.same_task and other.same_task)
        for row, other in ((rows[cell], over[cell]) for cell in cells)
    ]  # fmt: skip
    found = {}
    for cell, beside, comparison in zip(cells, column, compare(column, METRICS[metric]), strict=True):
        ours, other = beside.ours, over[cell].ours
        seeds = tuple(sorted((ours.n, other.n)))
        verdict = LOWER.get(comparison.verdict, comparison.words) if seeds[0] >= LEAST_SEEDS else "too few seeds"
        assert ours.mean is not None and other.mean is not None
        found[cell] = OfCell(cell, _percent(ours.mean, other.mean), seeds, verdict)
    return found


def _as_printed(row: Row) -> PrintedNumber:
    assert row.ours.mean is not None
    return PrintedNumber(row.ours.mean, row.ours.std, stated(row.lookback), "ours", "measured", row.ours.n)


def _percent(value: float, over: float) -> float:
    return 100 * (1 - value / over) if over else 0.0
