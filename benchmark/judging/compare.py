"""Ours beside printed numbers, column by column: the one comparison that tables, figures, plan and MLflow share."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.judging.printed import PrintedNumber, stated
from benchmark.judging.spread import moderated
from benchmark.judging.verdict import LEAST_SEEDS, Evidence, Needed, needed, rounded_up
from benchmark.workloads import Metric


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Our number of one cell and metric, over seeds.

    mean, std: of `values` (std with n − 1; None of fewer than two). seeds, values: a seed and its test metric, in one
    order. not_finite: seeds whose training ended without a finite number; they have no part in the rest. digests: of the
    Results behind all of them, whether or not they have this metric.
    """

    mean: float | None = None
    std: float | None = None
    n: int = 0
    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    not_finite: tuple[int, ...] = ()
    digests: tuple[str, ...] = ()

    @classmethod
    def of(cls, by_seed: Mapping[int, float], digests: tuple[str, ...] = (), not_finite: Sequence[int] = ()) -> Ours:
        """The mean and spread of what each seed gave."""
        finite = {seed: value for seed, value in by_seed.items() if math.isfinite(value)}
        values = tuple(finite.values())
        return cls(mean=statistics.fmean(values) if values else None, std=sample_deviation(values), n=len(values),
                   seeds=tuple(finite), values=values, not_finite=(*not_finite, *(by_seed.keys() - finite.keys())),
                   digests=digests)  # fmt: skip


def sample_deviation(values: Sequence[float]) -> float | None:
    """With n − 1; None of fewer than two. (The standard library's is exact in fractions, and a hundred times slower.)"""
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of a comparison. Without a printed number all of it is empty.

    verdict: one of `VERDICTS`. deviation_pct: (mean − printed)/printed in percent. Where it is judged by its numbers:
    spread_pct, that of a seed, in percent of the printed number; degrees of freedom of it; tolerance_pct;
    margin_pct, the X of `within X %`, rounded up. needed: the seeds that would decide what is `within`, or has too few of
    them.
    """

    verdict: str = ""
    deviation_pct: float | None = None
    spread_pct: float | None = None
    degrees: float | None = None
    tolerance_pct: float | None = None
    margin_pct: float | None = None
    needed: Needed | None = None

    @property
    def words(self) -> str:
        """The verdict as it is read: with its X where it has one."""
        return f"within {self.margin_pct:.1f} %" if self.verdict == "within" else self.verdict


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Ours beside the number that the paper prints for it, if it prints one.

    lookback: of ours, in steps; None where the task has none. profile: that ours was trained in. same_task: whether both
    are of the same task.
    """

    ours: Ours
    printed: PrintedNumber | None
    lookback: int | None
    profile: str
    same_task: bool = True

    @property
    def comparable(self) -> bool:
        """The look-back is the one that the paper states, the number is its own, of the same task and above 0, and ours is
        over all windows of the test split (profile paper)."""
        printed = self.printed
        return (
            printed is not None and self.same_task and not printed.differs and printed.value > 0
            and stated(self.lookback) == printed.lookback and not printed.quoted and self.profile == "paper"
        )  # fmt: skip

    @property
    def judged(self) -> bool:
        """Whether numbers decide its verdict: it can be compared, with three seeds or more, all of them finite."""
        return self.comparable and self.ours.n >= LEAST_SEEDS and self.ours.std is not None and not self.ours.not_finite

    @property
    def share(self) -> float:
        """Our mean as a share of the printed number."""
        assert self.ours.mean is not None and self.printed is not None
        return self.ours.mean / self.printed.value

    @property
    def variance(self) -> float:
        """Of seed/printed, with n − 1."""
        assert self.ours.std is not None and self.printed is not None
        return (self.ours.std / self.printed.value) ** 2


def compare(column: Sequence[Beside], metric: Metric) -> list[Comparison]:
    """Every cell of a column against its printed number, in their order.

    A column is one paper, protocol, model, SAM setting and metric. All of its done cells belong into it, whatever is shown:
    they tell the spread together.
    """
    judged = [cell for cell in column if cell.judged]
    spreads, degrees = moderated([cell.variance for cell in judged], [cell.ours.n - 1 for cell in judged])
    of_judged = zip(spreads.tolist(), degrees.tolist(), strict=True)
    return [_judge(cell, *next(of_judged), metric) if cell.judged else _unjudged(cell, judged, metric) for cell in column]


def evidence_of(cell: Beside, spread: float, degrees: float, metric: Metric) -> Evidence:
    """What decides a judged cell's verdict. spread: of a seed, as a share of the printed number, with its degrees."""
    assert cell.printed is not None
    n, m = cell.ours.n, cell.printed.seeds_behind
    return Evidence(
        deviation=cell.share - 1, error=spread / math.sqrt(n), error_of_both=spread * math.sqrt(1 / n + 1 / m),
        degrees=degrees, half_unit=cell.printed.half_unit / cell.printed.value,
        tolerance=metric.tolerance(cell.printed.value) / cell.printed.value,
    )  # fmt: skip


def _judge(cell: Beside, spread: float, degrees: float, metric: Metric) -> Comparison:
    assert cell.printed is not None
    evidence = evidence_of(cell, spread, degrees, metric)
    verdict = evidence.verdict(higher_is_better=metric.higher_is_better)
    decides = needed(evidence, spread, cell.ours.n, cell.printed.seeds_behind) if verdict == "within" else None
    return Comparison(
        verdict=verdict, deviation_pct=_deviation(cell), spread_pct=100 * spread, degrees=degrees,
        tolerance_pct=100 * evidence.tolerance, margin_pct=rounded_up(evidence.margin), needed=decides,
    )  # fmt: skip


def _unjudged(cell: Beside, judged: Sequence[Beside], metric: Metric) -> Comparison:
    """`judged`: the cells of its column that are."""
    ours, printed = cell.ours, cell.printed
    if printed is None:
        return Comparison()
    if not ours.n and not ours.not_finite:
        word = "missing"
    elif not cell.comparable:
        word = "not comparable"
    else:
        word = "not finite" if ours.not_finite else "too few seeds"
    decides = _once_judged(cell, judged, metric) if word == "too few seeds" else None
    # where ours is not of the same task, not even their distance is told
    return Comparison(verdict=word, deviation_pct=_deviation(cell) if cell.same_task else None, needed=decides)


def _once_judged(cell: Beside, judged: Sequence[Beside], metric: Metric) -> Needed:
    """What a cell of too few seeds needs: as many as are judged at all, and what the rule would ask for then, were its
    deviation to stay and its seeds to differ as those of the column's judged cells do."""
    if not judged or cell.printed is None:
        return Needed(None, to_judge=LEAST_SEEDS)
    spread, degrees = pooled(judged)
    evidence = evidence_of(replace(cell, ours=replace(cell.ours, n=LEAST_SEEDS)), spread, degrees, metric)
    if evidence.verdict(higher_is_better=metric.higher_is_better) != "within":
        return Needed(LEAST_SEEDS, to_judge=LEAST_SEEDS)
    return replace(needed(evidence, spread, LEAST_SEEDS, cell.printed.seeds_behind), to_judge=LEAST_SEEDS)


def pooled(cells: Sequence[Beside]) -> tuple[float, float]:
    """The spread of a seed over judged cells, by their own variances, and its degrees."""
    degrees = sum(cell.ours.n - 1 for cell in cells)
    return math.sqrt(sum((cell.ours.n - 1) * cell.variance for cell in cells) / degrees), float(degrees)


def _deviation(cell: Beside) -> float | None:
    """In percent of the printed number; None without one of ours, or of what is not above 0."""
    if cell.ours.mean is None or cell.printed is None or cell.printed.value <= 0:
        return None
    return 100 * (cell.ours.mean - cell.printed.value) / cell.printed.value
