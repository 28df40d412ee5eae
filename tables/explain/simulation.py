"""``python -m tables.explain.simulation``: how often an explanation is sure where protocols are equally near, or not."""

from __future__ import annotations

import sys

import numpy as np

from benchmark.console import prints
from tables.explain.nearness import surely
from tables.pipe import pipe
from tables.statistics import over_sets

DRAWS = 4_000
HORIZONS = 4
SETS = (3, 5, 8, 12)
LUCK = 1.0
"""Percent: the deviation of a cell's mean that seeds alone give."""


def sure(sets: int, biases: tuple[float, ...], between: float, draws: int = DRAWS) -> tuple[float, float]:
    """In percent, how often the words are sure: of the protocol that is nearest in truth, and of another.

    biases: of each protocol, how far its cells lie from the printed ones (the median of |deviation|, percent); where
    several are the least, to be sure of any is wrong. between: the spread of that from data set to data set, as a share
    of it.
    """
    rng = np.random.default_rng(16)
    size = np.array(biases)[:, None, None]
    nearest = biases.index(min(biases)) if biases.count(min(biases)) == 1 else None
    right = wrong = 0
    for _ in range(draws):
        of_set = size * np.exp(between * rng.standard_normal((len(biases), sets, 1)))
        sign = rng.choice([-1.0, 1.0], (len(biases), sets, 1))  # [protocols, data sets, horizons]
        off = np.abs(sign * of_set + LUCK * rng.standard_normal((len(biases), sets, HORIZONS)))
        first, second = np.argsort(off.mean((1, 2)))[:2]
        if surely(over_sets((off[second] - off[first]).mean(1))):
            right += first == nearest
            wrong += first != nearest
    return 100 * right / draws, 100 * wrong / draws


CASES: tuple[tuple[str, tuple[float, ...], float], ...] = (
    ("two equally near, data sets alike", (3.0, 3.0), 0.2),
    ("two equally near, data sets that differ", (3.0, 3.0), 0.8),
    ("three equally near", (3.0, 3.0, 3.0), 0.8),
    ("five equally near", (3.0, 3.0, 3.0, 3.0, 3.0), 0.8),
    ("two equally near, a third far", (1.0, 1.0, 6.0), 0.8),
    ("1 % against 2 %", (1.0, 2.0), 0.4),
    ("1 % against 4 %", (1.0, 4.0), 0.4),
    ("1 % against 4 %, data sets that differ", (1.0, 4.0), 0.8),
)


def document(draws: int = DRAWS) -> str:
    """A table as Markdown: sure of the nearest / sure of another, in percent."""
    lines = []
    for name, biases, between in CASES:
        found = [sure(sets, biases, between, draws) for sets in SETS]
        equal = biases.count(min(biases)) > 1
        lines.append([name, *(f"– / {wrong:.1f}" if equal else f"{right:.1f} / {wrong:.1f}" for right, wrong in found)])
    heads = ["protocols", *(f"{sets} data sets" for sets in SETS)]
    align = ["left"] + ["right"] * len(SETS)
    table = pipe(lines, heads, align)
    return f"### How often an explanation is sure of the nearest / of another, in percent of {draws} draws\n\n{table}"


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit status: 0, 2 (usage), 130 (interrupted)."""
    return prints("python -m tables.explain.simulation", "How sure an explanation is.", document, arguments)


if __name__ == "__main__":
    sys.exit(main())
