"""Does a printed number hold? One rule for cells and for columns, printed with every table (docs/verdicts.md).

Deviations, spreads and tolerances are shares of the printed number. All functions of numbers take arrays of them, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmark.judging.spread import Array, student
from benchmark.workloads import Metric

LEAST_SEEDS = 3
"""Of fewer a cell has no verdict, and no say in the spread of its column."""
VERDICTS = ("reproduced", "better", "worse", "within", "too few seeds", "not finite", "not comparable", "missing")
"""In the order in which they are counted."""
ROUNDING = 1e-12
"""What a float may be off by: 0.408 is within 2 % of 0.4."""
MOST_SEEDS = 100
"""More seeds than anybody runs: how many more is not told."""
TWO_SIDED, POWER = 1.645 + 0.842, 2.8
"""Normal quantiles of the seeds that would decide: 0.95 (0.975) for the test, 0.8 for the chance that it is met."""


def rule(metric: Metric) -> str:
    """The rule in words, for the numbers of one metric."""
    tolerance = f"{100 * metric.relative:g} % of the printed number, or {metric.absolute:g} where that is more"
    return (
        "Verdict of a printed number, by the deviation d = mean/printed − 1 of our mean over n seeds, the spread s of a "
        "seed (a share of the printed number, by all cells of the column with three seeds or more) and the paper's "
        f"number of seeds m (1 where it does not say). The tolerance is {tolerance}. `reproduced`: the 90 % interval of d, "
        "d ± t·s/√n, lies inside the tolerance; `better`, `worse`: d lies beyond it even less half a unit of the last "
        "printed digit and less t·s·√(1/n + 1/m), at 95 %; else `within X %`: the 90 % interval lies inside X. "
        "`missing`: no seed done; `not comparable`: other or unstated look-back, a quoted number, other windows or another "
        f"task, a printed number that is not above 0; `not finite`: a seed diverged; `too few seeds`: n < {LEAST_SEEDS}."
    )


def margin(deviation: ArrayLike, error: ArrayLike, degrees: ArrayLike) -> Array:
    """The X of `within X`: how far from the printed number the 90 % interval of a deviation reaches.

    error: the standard error of our mean, spread/√n.
    """
    return np.asarray(np.abs(deviation) + student(0.95, degrees) * np.asarray(error))


def excess(deviation: ArrayLike, error: ArrayLike, degrees: ArrayLike, half_unit: ArrayLike) -> Array:
    """By how much a deviation surely differs from 0: less the printed number's rounding and half the 95 % interval.

    error: the standard error of the difference to what the paper's method gives on average, spread·√(1/n + 1/m).
    """
    return np.asarray(np.abs(deviation) - np.asarray(half_unit) - student(0.975, degrees) * np.asarray(error))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict is by, as shares of the printed number: of a cell, or on average over a column.

    deviation: mean/printed − 1. error: the standard error of our mean. error_of_both: of its difference to what the
    paper's method gives on average. degrees: of freedom, of both. half_unit: half a unit of the last printed digit.
    tolerance: what counts as the same.
    """

    deviation: float
    error: float
    error_of_both: float
    degrees: float
    half_unit: float
    tolerance: float

    @property
    def margin(self) -> float:
        """The X of `within X`."""
        return float(margin(self.deviation, self.error, self.degrees))

    def verdict(self, *, higher_is_better: bool) -> str:
        """`reproduced`, `better`, `worse` or `within`."""
        if self.margin <= self.tolerance + ROUNDING:
            return "reproduced"
        if excess(self.deviation, self.error_of_both, self.degrees, self.half_unit) > self.tolerance + ROUNDING:
            return "better" if (self.deviation > 0) == higher_is_better else "worse"
        return "within"


def rounded_up(share: float) -> float:
    """A share in percent, up to the next 0.1: a margin that is rounded down is not proven."""
    return math.ceil(1000 * share - 1e-9) / 10


@dataclass(frozen=True)
class Needed:
    """The seeds that would decide a cell if its deviation stays as it is: how many in all, None: no number of them does.

    why: what stands in the way of any number; with no `seeds` and no `why` it is not known. to_judge: of a cell that has
    too few seeds for any verdict, the least that it takes; 0 where it has them.
    """

    seeds: int | None
    why: str = ""
    to_judge: int = 0

    @property
    def too_many(self) -> bool:
        """Whether nobody runs so many."""
        return self.seeds is not None and self.seeds > MOST_SEEDS

    def more(self, n: int) -> int:
        """How many of them are not there yet, where there are n; of those that it takes to be judged where no more is
        known, and 0 where no number of seeds, or none that anybody runs, decides it."""
        goal = (0 if self.too_many else self.seeds) if self.seeds is not None else 0 if self.why else self.to_judge
        return max(0, goal - n)

    def __str__(self) -> str:
        first = f"{self.to_judge} seeds to be judged at all"
        if not self.to_judge:
            return self._decides
        return f"{first}, which would decide it" if self.seeds == self.to_judge else f"{first}; then {self._decides}"

    @property
    def _decides(self) -> str:
        if self.seeds is None:
            return f"no number of seeds: {self.why}" if self.why else "it is seen how many would decide it"
        return f"more than {MOST_SEEDS} seeds" if self.too_many else f"{self.seeds} seeds"


def needed(evidence: Evidence, spread: float, n: int, m: int) -> Needed:
    """How many seeds would decide a cell that `n` of them leave open. spread: of a seed. m: the paper's seeds."""
    away = abs(evidence.deviation)
    inside, beyond = evidence.tolerance - away, away - evidence.half_unit - evidence.tolerance
    if inside > 0:
        return Needed(_at_least(n, (TWO_SIDED * spread / inside) ** 2))
    if beyond <= 0:
        return Needed(None, "the digits that are printed may explain it")
    inverse = (beyond / (POWER * spread)) ** 2 - 1 / m
    return Needed(_at_least(n, 1 / inverse)) if inverse > 0 else Needed(None, "the paper's own may explain it")


def _at_least(n: int, seeds: float) -> int:
    """A whole number, and more than there are: those that there are have not decided it."""
    return max(n + 1, math.ceil(min(seeds, MOST_SEEDS + 1)))
