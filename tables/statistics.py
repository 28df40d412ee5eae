"""Figures over many cells with a bootstrap interval over seeds and cells. numpy only: scipy is where tests are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """A figure, its 95 % interval (None over fewer than two cells), and the cells that it is over."""

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


def average_rank(means: Array) -> Array:
    """The first column's rank among all, 1 the lowest, averaged over the cells; equal columns share their ranks."""
    first, others = means[0], means[1:]
    return np.asarray((1 + (others < first).sum(0) + 0.5 * (others == first).sum(0)).mean(-1))


def estimate(samples: Sequence[Sample], cells: Sequence[CellKey], statistic: Statistic) -> Estimate | None:
    """A statistic of the columns' means over `cells`, with its interval. None without a cell.

    A draw takes as many cells as there are, with replacement, and in each, column by column, as many seeds as there
    are, with replacement: so the interval has both what another seed and what another choice of data sets would change.
    """
    if not cells:
        return None
    return _estimate(_means(samples, cells), _drawn(samples, cells) if len(cells) > 1 else None, statistic)


def average_ranks(samples: Sequence[Sample], cells: Sequence[CellKey]) -> list[Estimate]:
    """The average rank of every column among all, from the same draws. Empty without a cell."""
    if not cells:
        return []
    means, drawn = _means(samples, cells), _drawn(samples, cells) if len(cells) > 1 else None
    orders = [[i, *(j for j in range(len(samples)) if j != i)] for i in range(len(samples))]
    return [_estimate(means[order], None if drawn is None else drawn[order], average_rank) for order in orders]


def _means(samples: Sequence[Sample], cells: Sequence[CellKey]) -> Array:
    return np.array([[sum(sample[cell]) / len(sample[cell]) for cell in cells] for sample in samples])[:, None, :]


def _estimate(means: Array, drawn: Array | None, statistic: Statistic) -> Estimate:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(means)[0])
        if drawn is None:
            return Estimate(value, None, None, means.shape[-1])
        low, high = np.quantile(statistic(drawn), [0.025, 0.975])
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
) -> tuple[float, float]:
    """The least and the largest value of a two-column statistic that the printed digits leave possible."""
    means = _means(samples, cells)
    shift = np.array([half_unit, -half_unit])[:, None, None]
    ends = [float(statistic(means + sign * shift)[0]) for sign in (1, -1)]
    return min(ends), max(ends)
