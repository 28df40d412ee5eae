"""Columns of cells drawn at random, and what two rules say of them: the ground of the simulation (docs/verdicts.md).

Beside the suite's rule stands the one that it took the place of: each cell by its own seeds alone. It is nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmark.judging.spread import Array, Flags, moderated, student
from benchmark.judging.verdict import excess, margin

TOLERANCE = 0.02
CELLS, COLUMNS = 16, 4000
"""Of a column; drawn for each line."""
VARY = 0.4
"""Standard deviation of the log of a cell's spread within its column."""
ONCE, FIVE, EXACT = 1.0, 5.0, np.inf
"""Seeds of the paper."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Columns of cells as a verdict sees them, and what is true of them; [columns, cells] each.

    deviation: of our mean from the printed number; own: variance of seed/printed; truth: the deviation of our true mean
    from the paper's. n, m: our seeds and the paper's.
    """

    deviation: Array
    own: Array
    truth: Array
    n: int
    m: float


@dataclass(frozen=True)
class Said:
    """What a rule says of each cell: reproduced, beyond the tolerance (better or worse), and to which side (sign)."""

    reproduced: Flags
    beyond: Flags
    sign: Array


Rule = Callable[[Drawn], Said]


def draw(
    *, spread: float, n: int, truth: float | None, m: float = EXACT, cells: int = CELLS, columns: int = COLUMNS
) -> Drawn:
    """Columns whose cells' spreads vary about `spread` (a share of the printed number). Seeds are normal.

    truth: of every cell; None: six of ten cells are exactly right, the others are off by N(0, 4 %).
    """
    shares, true = seeds_of(spread, n, truth, m, cells, columns)
    return seen(shares, true, m)


def seeds_of(spread: float, n: int, truth: float | None, m: float, cells: int, columns: int) -> tuple[Array, Array]:
    """seed/printed, [columns, cells, n], and what is true of the cells, [columns, cells]."""
    rng = np.random.default_rng(8)
    sigma = spread * np.exp(VARY * rng.standard_normal((columns, cells)))
    off = 0.04 * rng.standard_normal((columns, cells)) * (rng.random((columns, cells)) < 0.4)
    true = off if truth is None else np.full((columns, cells), truth)
    printed = 1 + rng.standard_normal((columns, cells)) * sigma / np.sqrt(m)
    seeds = 1 + true[..., None] + sigma[..., None] * rng.standard_normal((columns, cells, n))
    return seeds / printed[..., None], true


def seen(shares: Array, truth: Array, m: float) -> Drawn:
    """What a verdict sees of seeds/printed, [columns, cells, n]."""
    return Drawn(deviation=shares.mean(-1) - 1, own=shares.var(-1, ddof=1), truth=truth, n=shares.shape[-1], m=m)


def todays(drawn: Drawn) -> Said:
    """The suite's rule, without the rounding of the printed number."""
    spread, degrees = moderated(drawn.own, drawn.n - 1.0)
    reproduced = margin(drawn.deviation, spread / np.sqrt(drawn.n), degrees) <= TOLERANCE
    both = spread * np.sqrt(1 / drawn.n + 1 / drawn.m)
    beyond = excess(drawn.deviation, both, degrees, 0.0) > TOLERANCE
    return Said(reproduced, np.asarray(beyond & ~reproduced), np.sign(drawn.deviation))


def each_alone(drawn: Drawn) -> Said:
    """The rule that each cell's own seeds decide: where their 95 % interval is no wider than the tolerance, by the
    deviation, else where the printed number lies beyond what one more seed might give."""
    half = student(0.975, drawn.n - 1) * np.sqrt(drawn.own / drawn.n)
    away = np.abs(drawn.deviation)
    decided = (half <= TOLERANCE) | (away > TOLERANCE + half * np.sqrt(drawn.n + 1))
    return Said(decided & (away <= TOLERANCE), decided & (away > TOLERANCE), np.sign(drawn.deviation))


def percent(which: Flags) -> float:
    """How many are."""
    return float(100 * np.mean(which))
