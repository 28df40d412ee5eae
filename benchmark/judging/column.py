"""Does a whole column hold on average? The same rule on the mean of its cells' deviations (docs/verdicts.md, rule 5)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.judging.compare import Beside, evidence_of, pooled, sample_deviation
from benchmark.judging.spread import student
from benchmark.judging.verdict import Evidence, rounded_up
from benchmark.workloads import Metric


@dataclass(frozen=True, kw_only=True)
class ColumnVerdict:
    """What came of a column.

    verdict: `reproduced`, `better`, `worse` or `within`. In percent: deviation_pct, the mean over the cells; low_pct and
    high_pct, its 90 % interval; spread_pct, of a seed; tolerance_pct, the mean of the cells'; margin_pct, the X of
    `within X %`, rounded up; error_pct, the standard error of the deviation; shared_error_pct, the same from the seeds'
    column means, None where the cells have not all the same seeds. cells: how many. seeds: the least and the most of a
    cell. paper_seeds: the least of a cell. largest: the place, among the cells given, of the one that deviates most.
    """

    verdict: str
    deviation_pct: float
    low_pct: float
    high_pct: float
    spread_pct: float
    tolerance_pct: float
    margin_pct: float
    error_pct: float
    shared_error_pct: float | None
    cells: int
    seeds: tuple[int, int]
    paper_seeds: int
    largest: int

    @property
    def words(self) -> str:
        """The verdict as it is read: with its X where it has one."""
        return f"within {self.margin_pct:.1f} %" if self.verdict == "within" else self.verdict


def judge_column(column: Sequence[Beside], metric: Metric) -> ColumnVerdict | None:
    """The verdict on a column (`compare` says what belongs into one); None where none of its cells is judged.

    It takes the seeds' luck in one cell for independent of that in another.
    """
    places = [place for place, cell in enumerate(column) if cell.judged]
    cells = [column[place] for place in places]
    if not cells:
        return None
    spread, degrees = pooled(cells)
    of_cells = [evidence_of(cell, spread, degrees, metric) for cell in cells]
    ours = sum(1 / cell.ours.n for cell in cells)
    theirs = sum(1 / cell.printed.seeds_behind for cell in cells if cell.printed is not None)
    evidence = Evidence(
        deviation=statistics.fmean(cell.share for cell in cells) - 1,
        error=spread * math.sqrt(ours) / len(cells), error_of_both=spread * math.sqrt(ours + theirs) / len(cells),
        degrees=degrees, half_unit=statistics.fmean(of.half_unit for of in of_cells),
        tolerance=statistics.fmean(of.tolerance for of in of_cells),
    )  # fmt: skip
    half = float(student(0.95, degrees)) * evidence.error
    counts = [cell.ours.n for cell in cells]
    shared = shared_error(cells)
    return ColumnVerdict(
        verdict=evidence.verdict(higher_is_better=metric.higher_is_better),
        deviation_pct=100 * evidence.deviation, low_pct=100 * (evidence.deviation - half),
        high_pct=100 * (evidence.deviation + half), spread_pct=100 * spread, tolerance_pct=100 * evidence.tolerance,
        margin_pct=rounded_up(evidence.margin), error_pct=100 * evidence.error,
        shared_error_pct=None if shared is None else 100 * shared, cells=len(cells), seeds=(min(counts), max(counts)),
        paper_seeds=min(cell.printed.seeds_behind for cell in cells if cell.printed is not None),
        largest=max(places, key=lambda place: abs(column[place].share - 1)),
    )  # fmt: skip


def shared_error(cells: Sequence[Beside]) -> float | None:
    """The standard error of the mean deviation from the seeds' means over all cells; None unless all have the same seeds.

    What a seed's luck has in common between cells is in it, and not in the other one.
    """
    seeds = cells[0].ours.seeds
    if any(set(cell.ours.seeds) != set(seeds) or len(cell.ours.values) != cell.ours.n for cell in cells):
        return None
    deviation = sample_deviation([statistics.fmean(_share_of(cell, seed) for cell in cells) for seed in seeds])
    return None if deviation is None else deviation / math.sqrt(len(seeds))


def _share_of(cell: Beside, seed: int) -> float:
    """What a seed gave, as a share of the printed number."""
    assert cell.printed is not None
    return cell.ours.values[cell.ours.seeds.index(seed)] / cell.printed.value
