"""``python -m tables.claims.simulation``: how often a claim's interval covers, what becomes of claims too large."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np

from benchmark.console import prints
from tables.claims.outcome import FAILS, HOLDS, SMALLER, UNDECIDED, UNSIZED, Effect, outcome
from tables.pipe import pipe
from tables.statistics import MEAN_PER_CELL, RATIO_OF_SUMS, Array, Sample, Statistic, by_set, over_sets

DRAWS = 4_000
HORIZONS = 4
EFFECTS = ("normal", "t, 5 degrees", "a few sets carry most")
STATISTICS = {"ratio of sums": RATIO_OF_SUMS, "mean per cell": MEAN_PER_CELL}
WITHIN = 0.6
"""The share of the improvements' variance that is the data sets', as in printed tables (0.55 to 0.75)."""
SHOWN = (HOLDS, UNSIZED, SMALLER, FAILS, UNDECIDED)


def drawn(rng: np.random.Generator, sets: int, effects: str, mean: float, spread: float) -> Array:
    """Improvements in percent, [sets, horizons]: of a data set, and of its horizons about it; all of the given mean."""
    if effects == "normal":
        of_set = rng.standard_normal(sets)
    elif effects.startswith("t"):
        of_set = rng.standard_t(5, sets) / np.sqrt(5 / 3)
    else:
        of_set = rng.standard_exponential(sets) - 1
    of_cell = rng.standard_normal((sets, HORIZONS))
    noise: Array = np.sqrt(WITHIN) * of_set[:, None] + np.sqrt(1 - WITHIN) * of_cell
    return mean + spread * noise


def columns(rng: np.random.Generator, improvements: Array) -> tuple[Sample, Sample]:
    """Two columns of errors, the first lower by these improvements, over data sets whose errors differ in size."""
    over = np.exp(0.4 * rng.standard_normal(len(improvements)))[:, None] * np.linspace(0.9, 1.2, HORIZONS)
    first = over * (1 - improvements / 100)
    cells = [(str(d), str(h)) for d in range(len(improvements)) for h in range(HORIZONS)]
    return tuple(dict(zip(cells, ((v,) for v in c.ravel().tolist()), strict=True)) for c in (first, over))  # type: ignore[return-value]


def coverage(sets: int, effects: str, statistic: Statistic, draws: int = DRAWS) -> float:
    """In percent, how often the interval has the mean improvement of all data sets that there might be (10 %)."""
    rng, covered = np.random.default_rng(16), 0
    for _ in range(draws):
        samples = columns(rng, drawn(rng, sets, effects, 10.0, 8.0))
        interval = over_sets(by_set(samples, list(samples[0]), statistic))
        covered += interval is not None and interval.low <= 10.0 <= interval.high
    return 100 * covered / draws


def outcomes(true: float, claimed: float, sets: int, beside: bool, draws: int = DRAWS) -> dict[str, float]:
    """In percent, what becomes of a claim where the improvement is `true`, by the mean per cell.

    beside: whether the paper prints its cells: they are ours and `claimed` − `true` points more, each 1 point off by luck.
    """
    rng, counts = np.random.default_rng(16), Counter[str]()
    for _ in range(draws):
        improvements = drawn(rng, sets, "normal", true, 8.0)
        printed = improvements + claimed - true + rng.standard_normal(improvements.shape)
        pair = over_sets((improvements - printed).mean(1)) if beside else None
        effect = Effect(float(improvements.mean()), over_sets(improvements.mean(1)), pair)
        counts[outcome(effect, claimed, half_unit=0.005)] += 1
    return {word: 100 * sum(n for found, n in counts.items() if found.startswith(word)) / draws for word in SHOWN}


def document(draws: int = DRAWS) -> str:
    """Two tables as Markdown."""
    covered = ([effects, name, *(f"{coverage(sets, effects, statistic, draws):.1f}" for sets in (3, 5, 8, 12))]
               for effects in EFFECTS for name, statistic in STATISTICS.items())  # fmt: skip
    return "\n\n".join([
        f"### How often the 95 % interval covers, in percent of {draws} draws, by the number of data sets",
        _table(["data sets' effects", "by", "3", "5", "8", "12"], covered, left=2),
        "### What becomes of a claim of 15 % over 8 data sets, in percent",
        _table(["true", "the paper's cells", *SHOWN], (
            [f"{true:g} %", "printed" if beside else "not printed",
             *(f"{share:.1f}" for share in outcomes(true, 15.0, 8, beside, draws).values())]
            for true in (15.0, 12.5, 6.5, 0.0) for beside in (True, False)
        ), left=2),
    ])  # fmt: skip


def _table(heads: list[str], lines: Iterator[list[str]], left: int) -> str:
    align = ["left"] * left + ["right"] * (len(heads) - left)
    return pipe(lines, heads, align)


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; returns the exit status: 0, 2 (usage), 130 (interrupted)."""
    return prints("python -m tables.claims.simulation", "How sure the outcome of a claim is.", document, arguments)


if __name__ == "__main__":
    sys.exit(main())
