"""What the rule of verdicts does where its assumptions do not hold: a part of the simulation (docs/verdicts.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from benchmark.judging.spread import Array, Flags
from benchmark.judging.verdict import margin
from tables.rows.drawn import CELLS, COLUMNS, EXACT, ONCE, TOLERANCE, Drawn, percent, seen, todays

SEEDS = (3, 5, 10)


def _drawn(rng: np.random.Generator, sigma: Array, noise: Array, truth: float, m: float) -> Drawn:
    """Columns whose seeds are `truth` off and differ by sigma [columns, cells] times noise [columns, cells, n]."""
    printed = 1 + rng.standard_normal(sigma.shape) * sigma / math.sqrt(m)
    shares = (1 + truth + sigma[..., None] * noise) / printed[..., None]
    return seen(shares, np.full(sigma.shape, truth), m)


def wide_cells(n: int, columns: int) -> float:
    """False `better` or `worse` among cells that differ five times as much as the other half of their column (1 %)."""
    rng = np.random.default_rng(8)
    sigma = np.where(np.arange(CELLS) % 2, 0.05, 0.01) * np.ones((columns, 1))
    beyond: Flags = todays(_drawn(rng, sigma, rng.standard_normal((columns, CELLS, n)), 0.0, ONCE)).beyond
    return percent(beyond[:, 1::2])


def skewed(n: int, columns: int) -> float:
    """False `reproduced` 2 % off where seeds are exponential: most lie below their mean (spread 1 %)."""
    rng = np.random.default_rng(8)
    noise = rng.exponential(size=(columns, CELLS, n)) - 1
    return percent(todays(_drawn(rng, np.full((columns, CELLS), 0.01), noise, TOLERANCE, EXACT)).reproduced)


def failing(n: int, columns: int) -> float:
    """`reproduced` of cells that are right in four seeds of five, and fail (20 % worse) in the fifth (spread 1 %)."""
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((columns, CELLS, n)) + 20 * (rng.random((columns, CELLS, n)) < 0.2)
    noise[:, 1:] = rng.standard_normal((columns, CELLS - 1, n))  # one cell of the column is so
    return percent(todays(_drawn(rng, np.full((columns, CELLS), 0.01), noise, 0.0, EXACT)).reproduced[:, :1])


def shared_luck(correlation: float, n: int, columns: int) -> float:
    """False `reproduced` of a column that is 2 % off where a seed's luck in its cells is correlated (spread 2 %)."""
    rng = np.random.default_rng(8)
    common, own = rng.standard_normal((columns, 1, n)), rng.standard_normal((columns, CELLS, n))
    noise = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
    drawn = _drawn(rng, np.full((columns, CELLS), 0.02), noise, TOLERANCE, EXACT)
    error = np.sqrt(drawn.own.mean(-1) / (n * CELLS))
    return percent(margin(drawn.deviation.mean(-1), error, CELLS * (n - 1.0)) <= TOLERANCE)


def table(columns: int = COLUMNS) -> Iterator[list[str]]:
    """A line a violation, by our seeds."""
    lines = (
        ("half of the cells differ five times as much", "better + worse of these, truth 0, the paper ran once", wide_cells),
        ("seeds are skewed (exponential)", "false reproduced, 2 % off", skewed),
        ("a cell fails in one seed of five", "it is reproduced all the same", failing),
        ("a seed's luck is shared, correlation 0.1", "a column of 16 false reproduced, 2 % off",
         lambda n, columns: shared_luck(0.1, n, columns)),
        ("the same, correlation 0.3", "the same", lambda n, columns: shared_luck(0.3, n, columns)),
    )  # fmt: skip
    for what, counted, of in lines:
        yield [what, counted, *(f"{of(n, columns):.1f}" for n in SEEDS)]
