"""Ours beside a printed number: the one comparison that tables, figures and MLflow share."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.judging.printed import PrintedNumber
from benchmark.judging.verdict import verdict
from benchmark.workloads import Metric


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Our number of one cell and metric, over seeds.

    mean, std: of `values` (std with n − 1; None of fewer than two). seeds, values: a seed and its test metric, in one
    order. digests: of the Results behind them, whether or not they have this metric.
    """

    mean: float | None = None
    std: float | None = None
    n: int = 0
    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    digests: tuple[str, ...] = ()

    @classmethod
    def of(cls, by_seed: Mapping[int, float], digests: tuple[str, ...] = ()) -> Ours:
        """The mean and spread of what each seed gave."""
        values = tuple(by_seed.values())
        mean = statistics.fmean(values) if values else None
        return cls(mean=mean, std=sample_deviation(values), n=len(values), seeds=tuple(by_seed), values=values,
                   digests=digests)  # fmt: skip


def sample_deviation(values: Sequence[float]) -> float | None:
    """With n − 1; None of fewer than two. (The standard library's is exact in fractions, and a hundred times slower.)"""
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison: the verdict's word, and (mean − printed)/printed in percent; empty without a number."""

    verdict: str = ""
    deviation_pct: float | None = None


def compare(
    ours: Ours, printed: PrintedNumber | None, *, metric: Metric, lookback: int, profile: str, same_task: bool = True
) -> Comparison:
    """Ours against a printed number, if there is one.

    They can be compared where the look-back (steps) is the one that the paper states, the number is its own, and the
    windows are all of the test split (profile paper). Where ours is not of the same task, not even their distance is told.
    """
    if printed is None:
        return Comparison()
    if not same_task:
        return Comparison("not comparable" if ours.n else "missing")
    comparable = str(lookback) == printed.lookback and not printed.quoted and profile == "paper"
    word = verdict(ours.mean, ours.std, ours.n, printed.value, comparable, metric)
    known = ours.mean is not None and printed.value
    return Comparison(word, 100 * ((ours.mean or 0.0) - printed.value) / printed.value if known else None)
