"""Figures over many cells: with a bootstrap interval over seeds and cells, ranks, and Wilcoxon's test. numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tables.numbers import DIGITS

Array = NDArray[np.float64]
CellKey = tuple[str, str]
"""Data set and horizon, as printed."""
Sample = Mapping[CellKey, Sequence[float]]
"""The values of each cell, one a seed."""
Statistic = Callable[[Array], Array]
"""[columns, draws, cells] → [draws]; the first column is the one that a claim is about."""

DRAWS = 1000
SEED = 2402
"""Of the bootstrap: the same Results give the same interval."""


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval (None over fewer than two cells), and the cells that it is over.

    value: NaN where a column that is divided by has a mean of 0. low, high: None where a draw has such a mean.
    """

    value: float
    low: float | None
    high: float | None
    cells: int


def ratio_of_sums(means: Array) -> Array:
    """By how many percent the first column's sum over the cells is lower than the second's."""
    return np.asarray(100 * (1 - means[0].sum(-1) / means[1].sum(-1)))


def mean_per_cell(means: Array) -> Array:
    """By how many percent the first column is lower than the second, averaged over the cells."""
    return np.asarray(100 * (1 - means[0] / means[1]).mean(-1))


def share_of_start(means: Array) -> Array:
    """By how much the second column's sum is lower than the first's, in percent of the third's."""
    return np.asarray(100 * (means[0].sum(-1) - means[1].sum(-1)) / means[2].sum(-1))


def sums_times(means: Array) -> Array:
    """How many times the first column's sum over the cells the second's is."""
    return np.asarray(means[1].sum(-1) / means[0].sum(-1))


def cells_times(means: Array) -> Array:
    """How many times the first column the second is, averaged over the cells."""
    return np.asarray((means[1] / means[0]).mean(-1))


def as_shown(values: Array, digits: int = DIGITS) -> Array:
    """The numbers that a reader sees. (numpy's own rounding gives other last digits than a printed number has.)"""
    return np.array([round(value, digits) for value in values.ravel().tolist()]).reshape(values.shape)


def ranks(values: Array, digits: int = DIGITS) -> Array:
    """[columns, …] → [columns, …]: the rank of each column among all, 1 the lowest, by the digits that a reader sees.

    Columns that are equal to the digits share the mean of their places. The one definition, for tables, tests and claims.
    """
    shown = as_shown(values, digits)
    return np.stack([(shown < own).sum(0) + ((shown == own).sum(0) + 1) / 2 for own in shown])


def average_rank(means: Array) -> Array:
    """The first column's rank among all (`ranks`), averaged over the cells."""
    return np.asarray(ranks(means)[0].mean(-1))


def estimate(samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic) -> Estimate | None:
    """A statistic of the columns' means over `cells`, with its interval. None without a cell.

    A draw takes as many cells as there are, with replacement, and in each, column by column, as many seeds as there
    are, with replacement: so the interval has both what another seed and what another choice of data sets would change.
    """
    if not cells:
        return None
    return _estimate(_means(samples, cells), _drawn(samples, cells) if len(cells) > 1 else None, statistic)


def average_ranks(samples: Sequence[Sample], cells: Sequence[CellKey], digits: int = DIGITS) -> list[Estimate]:
    """The average rank of every column among all, from the same draws. Empty without a cell."""
    if not cells:
        return []
    of_means = ranks(_means(samples, cells), digits)
    of_draws = ranks(_drawn(samples, cells), digits) if len(cells) > 1 else None
    return [
        _estimate(of_means[[i]], None if of_draws is None else of_draws[[i]], lambda column: column[0].mean(-1))
        for i in range(len(samples))
    ]


def _means(samples: Sequence[Sample], cells: Sequence[CellKey]) -> Array:
    return np.array([[sum(sample[cell]) / len(sample[cell]) for cell in cells] for sample in samples])[:, None, :]


def _estimate(means: Array, drawn: Array | None, statistic: Statistic) -> Estimate:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(means)[0])
        value = value if np.isfinite(value) else float("nan")
        draws = np.array([np.nan]) if drawn is None else statistic(drawn)
    if not np.isfinite(draws).all():
        return Estimate(value, None, None, means.shape[-1])
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high), means.shape[-1])


def _drawn(samples: Sequence[Sample], cells: Sequence[CellKey]) -> Array:
    """[columns, draws, cells]: means over drawn seeds, of drawn cells (the same for every column)."""
    rng = np.random.default_rng(SEED)
    drawn = np.empty((len(samples), DRAWS, len(cells)))
    for k, sample in enumerate(samples):
        sizes = np.array([len(sample[cell]) for cell in cells])
        for n in np.unique(sizes):
            places = np.flatnonzero(sizes == n)
            values = np.array([sample[cells[int(place)]] for place in places], dtype=np.float64)  # [places, n]
            picked = rng.integers(n, size=(DRAWS, len(places), n), dtype=np.uint16)
            drawn[k][:, places] = values[np.arange(len(places))[:, None], picked].mean(-1)
    chosen = rng.integers(len(cells), size=(DRAWS, len(cells)))
    return np.take_along_axis(drawn, np.broadcast_to(chosen, drawn.shape), axis=2)


def rounding(
    samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic, half_unit: float
) -> tuple[float, float] | tuple[None, None]:
    """The least and the largest value of a two-column statistic that the printed digits leave possible.

    None, None where they leave 0 possible for what is divided by.
    """
    means = _means(samples, cells)
    shift = np.array([half_unit, -half_unit])[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [float(statistic(means + sign * shift)[0]) for sign in (1, -1)]
    return (min(ends), max(ends)) if np.isfinite(ends).all() else (None, None)


LEAST_PAIRS = 6
"""Of fewer unequal pairs Wilcoxon's two-sided test cannot come below 0.05, whatever they are: 2 / 2⁵ is 0.06."""


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's signed-rank test of paired differences: p, two-sided and exact; None of fewer than `LEAST_PAIRS`.

    unequal: pairs that differ, the test is over these. tied: of them, how many share the size of their difference.
    """

    p: float | None
    unequal: int
    tied: int


def signed_rank(first: Sequence[float], second: Sequence[float]) -> SignedRank:
    """The test of first[i] − second[i] (Wilcoxon 1945: pairs that are equal are left out; ties share their ranks).

    p is over all 2ⁿ patterns of signs of the ranks that there are, so that ties and equal pairs do not make it too small
    (the normal approximation, which scipy takes then, can fall below the least possible p, 2 / 2ⁿ).
    """
    pairs = zip(first, second, strict=True)
    # to twelve digits: a mean over other seeds differs from an equal one in the last bits
    differences = np.array([float(f"{a - b:.12g}") for a, b in pairs if not math.isclose(a, b, rel_tol=1e-12)])
    _, place, count = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    tied = int(count[count > 1].sum())
    if len(differences) < LEAST_PAIRS:
        return SignedRank(None, len(differences), tied)
    twice = (2 * count.cumsum() - count + 1)[place]  # twice the rank, ties sharing theirs: whole numbers
    patterns = np.ones(1)  # [sum]: the share of sign patterns with this sum of (twice) the positive ranks
    for rank in twice.tolist():
        patterns = (np.pad(patterns, (0, rank)) + np.pad(patterns, (rank, 0))) / 2
    less = min(twice[differences > 0].sum(), twice[differences < 0].sum())
    return SignedRank(float(min(1.0, 2 * patterns[: less + 1].sum())), len(differences), tied)
