"""Does a printed number hold? One rule, printed with every table (interfaces: Verdict of a published cell)."""

from __future__ import annotations

import math
from functools import cache

MOST_ABSOLUTE = 0.005
MOST_RELATIVE = 0.02
LEAST_SEEDS = 3

RULE = (
    "Verdict of a printed number, by our mean over n seeds: `missing` (no seed done); `not comparable` (other "
    "look-back, a quoted number, other windows); `too few seeds` (n < 3); `inconclusive` (the 95 % interval of our "
    "mean, ± t·std/√n, is wider than the tolerance); `reproduced` (|deviation| ≤ max(0.005, 2 % of the printed "
    "number)); else `better` or `worse`."
)


def tolerance(published: float) -> float:
    """The largest deviation that counts as the same number."""
    return max(MOST_ABSOLUTE, MOST_RELATIVE * abs(published))


def half_interval(std: float, n: int) -> float:
    """Half the 95 % interval of a mean of n values with sample deviation `std` (n − 1), by Student's t."""
    return _quantile(n - 1) * std / math.sqrt(n)


@cache
def _quantile(degrees: int) -> float:
    from scipy.special import stdtrit  # the t quantile; scipy.stats takes a second to import

    return float(stdtrit(degrees, 0.975))


def verdict(mean: float | None, std: float | None, n: int, published: float, comparable: bool) -> str:
    """The verdict on a printed number."""
    if not n or mean is None:
        return "missing"
    if not comparable:
        return "not comparable"
    if n < LEAST_SEEDS or std is None:
        return "too few seeds"
    most = tolerance(published)
    if half_interval(std, n) > most:
        return "inconclusive"
    deviation = mean - published
    if abs(deviation) <= most + 1e-12:
        return "reproduced"
    return "better" if deviation < 0 else "worse"
