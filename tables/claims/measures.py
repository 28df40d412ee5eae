"""A claim about trained weights: by how many times a measure of theirs is lower in one column than in another, over seeds.

What `python -m benchmark.analysis` has found in each cell is compared with what it has found in the other column's cell of
the same seed, over the same windows: the two trainings begin with the same weights and see the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.judging.spread import student
from benchmark.judging.verdict import LEAST_SEEDS
from benchmark.store.text import Damaged
from tables.claims.outcome import DIRECTION, FAILS, HOLDS, NONE_SEEN, NOT_MEASURED, UNDECIDED, too_few
from tables.statistics import CellKey, Estimate, Interval

if TYPE_CHECKING:
    from benchmark.store.measured import Measured
    from tables.claims.evaluate import Finding
    from tables.claims.reader import Claim

BY_SEED = "ratio, seed by seed"


@dataclass(frozen=True)
class Measure:
    """A number that analysis finds. title: in words. command: that finds it. array: its name there. over: the arrays that
    say over which windows it is."""

    title: str
    command: str
    array: str
    over: tuple[str, ...]


MEASURES: Mapping[str, Measure] = {
    "lambda_max": Measure("λmax", "sharpness", "lambda_max", ("split", "windows")),
    "entropy": Measure("row entropy", "attention", "selected_entropy", ("count",)),
}
"""By the name that a claim has for it."""
Found = Mapping[CellKey, Mapping[int, "Mapping[str, Measured]"]]
"""Of a column's cells, by seed: the files of analysis by command."""


def compared(claim: Claim, blank: Finding, cells: Sequence[CellKey], columns: tuple[Found, Found]) -> Finding:
    """By how many times the first column's measure is lower: the geometric mean over the seeds that all of the claim's
    measured cells share, with Student's t over the seeds' logarithms, 95 %."""
    measure = MEASURES[claim.measure]
    ratios = {cell: of for cell in cells if (of := _log_ratios(measure, *(column.get(cell, {}) for column in columns)))}
    if not ratios:
        return replace(blank, average=BY_SEED, verdict=NOT_MEASURED, note=_how(claim, measure))
    seeds = sorted(set.intersection(*(set(of) for of in ratios.values())))
    by_seed = [sum(of[seed] for of in ratios.values()) / len(ratios) for seed in seeds]
    mean = sum(by_seed) / len(by_seed) if by_seed else math.nan
    interval = _interval(by_seed, mean)
    found = Estimate(math.exp(mean), interval, len(ratios), len({dataset for dataset, _ in ratios}))
    finding = replace(blank, average=BY_SEED, estimate=found, seeds=(len(seeds), len(seeds)))
    if len(ratios) < len(cells):
        return replace(finding, verdict=too_few(len(ratios), len(cells)), note=_how(claim, measure))
    if interval is None:
        return replace(finding, verdict=f"too few seeds ({len(seeds)} of {LEAST_SEEDS})", note=_how(claim, measure))
    if interval.low > 1:
        return replace(finding, verdict=HOLDS if claim.is_check else DIRECTION)
    return replace(finding, verdict=FAILS if interval.high < 1 else NONE_SEEN if found.value <= 1 else UNDECIDED)


def _log_ratios(measure: Measure, lower: Mapping[int, Any], higher: Mapping[int, Any]) -> dict[int, float]:
    """By seed, the logarithm of how many times the second is the first; of seeds that were measured over other windows, or
    whose measure is not above 0, there is none."""
    found = {}
    for seed in lower.keys() & higher.keys():
        first, second = (_value(measure, of[seed]) for of in (lower, higher))
        if first is not None and second is not None and first[1] == second[1] and min(first[0], second[0]) > 0:
            found[seed] = math.log(second[0] / first[0])
    return found


def _value(measure: Measure, of: Mapping[str, Measured]) -> tuple[float, tuple[str, ...]] | None:
    """A measure, and over what; None where it was not taken, or its file is damaged."""
    try:
        arrays = of[measure.command]
        return float(arrays[measure.array]), tuple(str(arrays[name]) for name in measure.over)
    except (KeyError, Damaged):
        return None


def _interval(values: Sequence[float], mean: float) -> Interval | None:
    if len(values) < LEAST_SEEDS:
        return None
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = float(student(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def _how(claim: Claim, measure: Measure) -> str:
    """The commands that measure it."""
    sets = f" --subset {','.join(claim.datasets)}" if claim.datasets else ""
    horizons = f" --horizons {','.join(map(str, claim.horizons))}" if claim.horizons else ""
    models = ",".join(ref.column for ref in claim.refs)
    return (
        f"`python run_all.py --papers {claim.paper}{sets}{horizons} --models {models} --seeds {LEAST_SEEDS} "
        f"--keep weights`, then `python -m benchmark.analysis {measure.command}` with the keys of these cells"
    )
