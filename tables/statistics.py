"""Figures over many cells: with an interval over data sets, ranks, and Wilcoxon's test on log ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.judging.spread import student
from tables.numbers import DIGITS

Array = NDArray[np.float64]
CellKey = tuple[str, str]
"""Data set and horizon, as printed."""
Sample = Mapping[CellKey, Sequence[float]]
"""The values of each cell, one a seed."""

LEAST_SETS = 3
"""Of fewer data sets there is no interval."""


@dataclass(frozen=True)
class Statistic:
    """A figure over cells.

    of: [columns, cells] → the figure; the first column is the one that a claim is about. by_cell: whether it is a mean over
    the cells, so that one data set has a figure of its own; else a data set's part in it is found by leaving it out.
    """

    of: Callable[[Array], float]
    by_cell: bool


@dataclass(frozen=True)
class Interval:
    """A centre, and the 95 % interval about it: Student's t over the values of data sets."""

    centre: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A figure over cells.

    value: NaN where a column that is divided by has a mean of 0. interval: over data sets; None over fewer than
    `LEAST_SETS`, or where leaving one out makes such a mean. cells, sets: how many it is over.
    """

    value: float
    interval: Interval | None
    cells: int
    sets: int


def _ratio_of_sums(means: Array) -> float:
    return float(100 * (1 - means[0].sum() / means[1].sum()))


def _share_of_start(means: Array) -> float:
    return float(100 * (means[0].sum() - means[1].sum()) / means[2].sum())


RATIO_OF_SUMS = Statistic(_ratio_of_sums, by_cell=False)
"""By how many percent the first column's sum over the cells is lower than the second's."""
MEAN_PER_CELL = Statistic(lambda means: float(100 * (1 - means[0] / means[1]).mean()), by_cell=True)
"""By how many percent the first column is lower than the second, averaged over the cells."""
SHARE_OF_START = Statistic(_share_of_start, by_cell=False)
"""By how much the second column's sum is lower than the first's, in percent of the third's."""
SUMS_TIMES = Statistic(lambda means: float(means[1].sum() / means[0].sum()), by_cell=False)
"""How many times the first column's sum over the cells the second's is."""
CELLS_TIMES = Statistic(lambda means: float((means[1] / means[0]).mean()), by_cell=True)
"""How many times the first column the second is, averaged over the cells."""


def as_shown(values: Array, digits: int = DIGITS) -> Array:
    """The numbers that a reader sees. (numpy's own rounding gives other last digits than a printed number has.)"""
    return np.array([round(value, digits) for value in values.ravel().tolist()]).reshape(values.shape)


def ranks(values: Array, digits: int = DIGITS) -> Array:
    """[columns, …] → [columns, …]: the rank of each column among all, 1 the lowest, by the digits that a reader sees.

    Columns that are equal to the digits share the mean of their places. The one definition, for tables, tests and claims.
    """
    shown = as_shown(values, digits)
    return np.stack([(shown < own).sum(0) + ((shown == own).sum(0) + 1) / 2 for own in shown])


def rank_of(place: int, digits: int = DIGITS) -> Statistic:
    """The rank of the column at a place among all (`ranks`), averaged over the cells."""
    return Statistic(lambda means: float(ranks(means, digits)[place].mean()), by_cell=True)


def estimate(samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic) -> Estimate | None:
    """A statistic of the columns' means over `cells`, with its interval over their data sets. None without a cell.

    The interval says what other data sets would show, not what other seeds would: cells of one data set are alike, so
    that a data set counts once, however many horizons it has.
    """
    if not cells:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic.of(_means(samples, cells))
    of_sets = by_set(samples, cells, statistic)
    return Estimate(value if math.isfinite(value) else math.nan, over_sets(of_sets), len(cells), len(of_sets))


def by_set(samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic) -> Array:
    """What each data set says of a statistic, [sets].

    Of a mean over cells: its own mean. Else the jackknife's pseudo-value S·θ − (S − 1)·θ₍ᵢ₎ of S sets, θ₍ᵢ₎ being the
    figure without set i (Tukey 1958). Not finite where the figure is not.
    """
    means, sets = _means(samples, cells), np.array([dataset for dataset, _ in cells])
    names = list(dict.fromkeys(sets.tolist()))
    with np.errstate(divide="ignore", invalid="ignore"):
        if statistic.by_cell:
            return np.array([statistic.of(means[:, sets == name]) for name in names])
        if len(names) < 2:
            return np.array([statistic.of(means)])
        without = np.array([statistic.of(means[:, sets != name]) for name in names])
        return len(names) * statistic.of(means) - (len(names) - 1) * without


def over_sets(values: Array) -> Interval | None:
    """The 95 % interval of the mean of independent values; None of fewer than `LEAST_SETS`, or if one is not finite."""
    if len(values) < LEAST_SETS or not np.isfinite(values).all():
        return None
    centre, half = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    half *= float(student(0.975, len(values) - 1))
    return Interval(centre, centre - half, centre + half)


def average_ranks(samples: Sequence[Sample], cells: Sequence[CellKey], digits: int = DIGITS) -> list[Estimate]:
    """The average rank of every column among all. Empty without a cell."""
    found = [estimate(samples, cells, rank_of(place, digits)) for place in range(len(samples))]
    return [rank for rank in found if rank is not None]


def _means(samples: Sequence[Sample], cells: Sequence[CellKey]) -> Array:
    """[columns, cells]: over the seeds."""
    return np.array([[sum(sample[cell]) / len(sample[cell]) for cell in cells] for sample in samples])


def rounding(
    samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic, half_unit: float
) -> tuple[float, float] | tuple[None, None]:
    """The least and the largest value of a two-column statistic that the printed digits leave possible.

    None, None where they leave 0 possible for what is divided by.
    """
    means = _means(samples, cells)
    shift = np.array([half_unit, -half_unit])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [statistic.of(means + sign * shift) for sign in (1, -1)]
    return (min(ends), max(ends)) if np.isfinite(ends).all() else (None, None)


LEAST_PAIRS = 6
"""Of fewer unequal pairs Wilcoxon's two-sided test cannot come below 0.05, whatever they are: 2 / 2⁵ is 0.06."""


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's signed-rank test of log ratios: p, two-sided and exact; None of fewer than `LEAST_PAIRS`.

    unequal: pairs that differ, the test is over these. tied: of them, how many share the size of their ratio. no_ratio:
    pairs in which a value is 0 or less; they have no log ratio, and are left out.
    """

    p: float | None
    unequal: int
    tied: int
    no_ratio: int = 0


def signed_rank(first: Sequence[float], second: Sequence[float]) -> SignedRank:
    """The test of log(first[i] / second[i]), so that a cell of large errors weighs no more than one of small errors.

    Wilcoxon 1945: pairs that are equal are left out; ties share their ranks. p is over all 2ⁿ patterns of signs of the
    ranks that there are, so that ties and equal pairs do not make it too small (the normal approximation, which scipy
    takes then, can fall below the least possible p, 2 / 2ⁿ).
    """
    pairs = list(zip(first, second, strict=True))
    whole = [(a, b) for a, b in pairs if a > 0 and b > 0]
    # to twelve digits: a mean over other seeds differs from an equal one in the last bits
    ratios = np.array([round(math.log(a / b), 12) for a, b in whole if not math.isclose(a, b, rel_tol=1e-12)])
    _, place, count = np.unique(np.abs(ratios), return_inverse=True, return_counts=True)
    tied, no_ratio = int(count[count > 1].sum()), len(pairs) - len(whole)
    if len(ratios) < LEAST_PAIRS:
        return SignedRank(None, len(ratios), tied, no_ratio)
    twice = (2 * count.cumsum() - count + 1)[place]  # twice the rank, ties sharing theirs: whole numbers
    patterns = np.ones(1)  # [sum]: the share of sign patterns with this sum of (twice) the positive ranks
    for rank in twice.tolist():
        patterns = (np.pad(patterns, (0, rank)) + np.pad(patterns, (rank, 0))) / 2
    less = min(twice[ratios > 0].sum(), twice[ratios < 0].sum())
    return SignedRank(float(min(1.0, 2 * patterns[: less + 1].sum())), len(ratios), tied, no_ratio)
