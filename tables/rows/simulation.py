"""``python -m tables.rows.simulation``: how often a verdict is wrong, by drawing seeds (docs/verdicts.md)."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from tabulate import tabulate

from benchmark.console import Parser, command
from benchmark.judging.verdict import half_interval, verdict
from benchmark.workloads import FORECASTING

METRIC = FORECASTING.metrics[0]
PUBLISHED = 0.4
"""Where the tolerance is 2 %, as for most printed errors."""
DRAWS = 20_000
SHOWN = ("reproduced", "better", "worse", "inconclusive")

Rule = Callable[[float, float, int, float], str]
"""Our mean, its sample standard deviation, n, the printed number → the verdict."""


def ours(mean: float, std: float, n: int, published: float) -> str:
    """The suite's rule."""
    return verdict(mean, std, n, published, True, METRIC)


def narrow_only(mean: float, std: float, n: int, published: float) -> str:
    """The rule before: every interval wider than the tolerance is inconclusive, wherever it lies."""
    return "inconclusive" if half_interval(std, n) > METRIC.tolerance(published) else ours(mean, std, n, published)


def shares(rule: Rule, *, sigma: float, n: int, deviation: float, of_paper: int | None = None,
           draws: int = DRAWS) -> dict[str, float]:  # fmt: skip
    """In percent, how often each verdict comes out.

    A seed's error is normal, with standard deviation `sigma` (a share of the printed number); its true mean deviates by
    `deviation` (a share, too) from what the paper's number estimates. `of_paper`: the printed number is itself the mean
    of so many seeds of the same spread, and wrong by as much; None: it is exact.
    """
    rng = np.random.default_rng(8)
    truth = PUBLISHED * (1 + deviation)
    seeds = truth + PUBLISHED * sigma * rng.standard_normal((draws, n))
    noise = rng.standard_normal(draws) * (sigma / math.sqrt(of_paper) if of_paper else 0)
    counts: Counter[str] = Counter()
    means, stds = seeds.mean(1).tolist(), seeds.std(1, ddof=1).tolist()
    for mean, std, off in zip(means, stds, noise.tolist(), strict=True):
        counts[rule(mean, std, n, PUBLISHED * (1 + off))] += 1
    return {word: 100 * counts[word] / draws for word in SHOWN}


def _table(heads: list[str], lines: Iterator[list[str]]) -> str:
    heads = [*heads, *SHOWN, *(f"{word}, before" for word in SHOWN)]
    return str(tabulate(list(lines), heads, tablefmt="pipe", disable_numparse=True, colalign=["right"] * len(heads)))


def _figures(*, sigma: float, n: int, deviation: float, of_paper: int | None = None) -> list[str]:
    found = [shares(rule, sigma=sigma, n=n, deviation=deviation, of_paper=of_paper) for rule in (ours, narrow_only)]
    return [f"{of_rule[word]:.1f}" for of_rule in found for word in SHOWN]


def document() -> str:
    """Three tables as Markdown: no deviation, a true deviation, a printed number that is itself drawn."""
    nothing = _table(["spread of a seed", "n"], (
        [f"{100 * sigma:g} %", str(n), *_figures(sigma=sigma, n=n, deviation=0)]
        for sigma in (0.005, 0.01, 0.02, 0.05) for n in (3, 5, 10)
    ))  # fmt: skip
    true = _table(["true deviation", "n"], (
        [f"{100 * deviation:g} %", str(n), *_figures(sigma=0.05, n=n, deviation=deviation)]
        for deviation in (0.02, 0.05, 0.1, 0.2) for n in (3, 5, 10)
    ))  # fmt: skip
    drawn = _table(["seeds of the paper", "spread of a seed", "n"], (
        [str(of_paper), f"{100 * sigma:g} %", str(n), *_figures(sigma=sigma, n=n, deviation=0, of_paper=of_paper)]
        for of_paper in (5, 1) for sigma in (0.01, 0.05) for n in (3, 5)
    ))  # fmt: skip
    return "\n\n".join([
        "### The paper is right: our true mean is the printed number", nothing,
        "### Our true mean deviates (spread of a seed: 5 %)", true,
        "### The paper is right, but its number is the mean of a few seeds itself", drawn,
    ])  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; returns the exit status: 0, 2 (usage), 130 (interrupted)."""
    with command("python -m tables.rows.simulation") as ended:
        Parser(prog="python -m tables.rows.simulation", description="How often the rule of verdicts is wrong.").parse_args(
            arguments
        )
        print(document())
    return ended.status


if __name__ == "__main__":
    sys.exit(main())
