"""Does a printed number hold? One rule, printed with every table (docs/verdicts.md)."""

from __future__ import annotations

import math
from functools import cache

from benchmark.workloads import Metric

LEAST_SEEDS = 3
VERDICTS = ("reproduced", "better", "worse", "inconclusive", "too few seeds", "not comparable", "missing")
"""In the order in which they are counted."""


def rule(metric: Metric) -> str:
    """The rule in words, for the numbers of one metric."""
    tolerance = f"max({metric.absolute:g}, {100 * metric.relative:g} % of the printed number)"
    return (
        "Verdict of a printed number, by our mean over n seeds and its 95 % interval (± t·std/√n): `missing` (no seed "
        "done); `not comparable` (other or unstated look-back, a quoted number, other windows); `too few seeds` (n < 3); "
        f"where the interval is no wider to either side than the tolerance, {tolerance}: `reproduced` (|deviation| ≤ "
        "tolerance), else `better` or `worse`; where it is wider: `better` or `worse` if the printed number lies beyond "
        "even what one more seed of ours would give (± t·std·√(1 + 1/n)) by more than the tolerance, else `inconclusive`."
    )


def half_interval(std: float, n: int) -> float:
    """Half the 95 % interval of a mean of n values with sample deviation `std` (n − 1), by Student's t."""
    return _quantile(n - 1) * std / math.sqrt(n)


@cache
def _quantile(degrees: int) -> float:
    from scipy.special import stdtrit  # the t quantile; scipy.stats takes a second to import

    return float(stdtrit(degrees, 0.975))


def verdict(mean: float | None, std: float | None, n: int, published: float, comparable: bool, metric: Metric) -> str:
    """The verdict on a printed number of a metric. Why a wide interval may still decide: docs/verdicts.md."""
    if not n or mean is None:
        return "missing"
    if not comparable:
        return "not comparable"
    if n < LEAST_SEEDS or std is None:
        return "too few seeds"
    most, half, deviation = metric.tolerance(published), half_interval(std, n), mean - published
    one_more_seed = half * math.sqrt(n + 1)  # half of the interval in which a further seed would lie
    if half > most and abs(deviation) <= most + one_more_seed:
        return "inconclusive"
    if abs(deviation) <= most + 1e-12:
        return "reproduced"
    return "better" if (deviation > 0) == metric.higher_is_better else "worse"
