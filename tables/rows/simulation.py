"""``python -m tables.rows.simulation``: how often a verdict is wrong, by drawing seeds (docs/verdicts.md).

Beside the suite's rule stands the one that it took the place of: each cell by its own seeds alone. It is nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from benchmark.console import Parser, command
from benchmark.judging.seeds import STEPS, wide
from benchmark.judging.spread import Array, Flags, moderated, student
from benchmark.judging.verdict import excess, margin

TOLERANCE = 0.02
CELLS, COLUMNS = 16, 4000
"""Of a column; drawn for each line."""
VARY = 0.4
"""Standard deviation of the log of a cell's spread within its column."""
SPREADS, SEEDS = (0.01, 0.02, 0.05), (3, 5, 10)
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
    shares, true = _seeds(spread, n, truth, m, cells, columns)
    return seen(shares, true, m)


def _seeds(spread: float, n: int, truth: float | None, m: float, cells: int, columns: int) -> tuple[Array, Array]:
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


def by_both(spread: float, n: int, columns: int = COLUMNS) -> list[list[float]]:
    """A line of the first table: decided, false reproduced, false worse, +10 % seen; in percent, by the old rule and the
    suite's."""
    right, off, far = (draw(spread=spread, n=n, truth=truth, columns=columns) for truth in (0.0, 0.02, 0.1))
    found = []
    for rule in (each_alone, todays):
        of_right, of_off, of_far = rule(right), rule(off), rule(far)
        found.append([
            percent(of_right.reproduced | of_right.beyond), percent(of_off.reproduced), percent(of_off.beyond),
            percent(of_far.beyond & (of_far.sign > 0)),
        ])  # fmt: skip
    return [list(pair) for pair in zip(*found, strict=True)]


def column_reproduced(spread: float, n: int, truth: float, columns: int = COLUMNS) -> float:
    """How often a column of 32 cells is `reproduced`, in percent."""
    drawn = draw(spread=spread, n=n, truth=truth, cells=32, columns=columns)
    error = np.sqrt(drawn.own.mean(-1) / (n * 32))
    return percent(margin(drawn.deviation.mean(-1), error, 32 * (n - 1.0)) <= TOLERANCE)


def with_noise(spread: float, n: int, m: float, columns: int = COLUMNS) -> list[float]:
    """A line of the second table: reproduced where the paper is right, and where its mean is 2 % off; better or worse
    where it is right; +10 % seen; within 5 % proven. In percent."""
    drawn = [draw(spread=spread, n=n, truth=truth, m=m, columns=columns) for truth in (0.0, 0.02, 0.1)]
    right, off, far = map(todays, drawn)
    deviations, degrees = moderated(drawn[0].own, n - 1.0)
    proven = margin(drawn[0].deviation, deviations / np.sqrt(n), degrees) <= 0.05
    return [percent(right.reproduced), percent(off.reproduced), percent(right.beyond), percent(far.beyond & (far.sign > 0)),
            percent(proven)]  # fmt: skip


def wrong_of_given(rule: Rule, spread: float, n: int, m: float, columns: int = COLUMNS) -> list[float]:
    """Of the verdicts that are given, how many are wrong: of `reproduced` those whose true deviation is beyond the
    tolerance, of `better` and `worse` those whose is not, or to the other side. In percent."""
    drawn = draw(spread=spread, n=n, truth=None, m=m, columns=columns)
    said, off = rule(drawn), np.abs(drawn.truth) > TOLERANCE
    false = said.beyond & ~(off & (said.sign == np.sign(drawn.truth)))
    return [100 * float(wrong.sum()) / max(1, int(given.sum()))
            for wrong, given in ((said.reproduced & off, said.reproduced), (false, said.beyond))]  # fmt: skip


def with_auto(spread: float, truth: float, m: float, cells: int, columns: int = COLUMNS) -> tuple[list[float], Said]:
    """What `--seeds auto` does: the percentages of columns that end with 3, 5 and 10 seeds, and what is said of cells."""
    shares, true = _seeds(spread, STEPS[-1], truth, m, cells, columns)
    going = np.ones(columns, dtype=bool)
    ended, said = [], []
    for n in STEPS:
        pooled = np.sqrt(shares[..., :n].var(-1, ddof=1).mean(-1))  # [columns]
        more = going & wide(pooled, cells * (n - 1.0), n, TOLERANCE) & (n != STEPS[-1])
        stops = going & ~more
        ended.append(percent(stops))
        if stops.any():
            said.append(todays(seen(shares[stops, :, :n], true[stops], m)))
        going = more
    return ended, Said(*(np.concatenate([getattr(of, name) for of in said]) for name in ("reproduced", "beyond", "sign")))


def fourth_table(columns: int = COLUMNS) -> Iterator[list[str]]:
    """Both false rates with `--seeds auto`, the stopping in it."""
    for spread in (0.005, *SPREADS):
        for cells in (2, 4, 16):
            ended, off = with_auto(spread, TOLERANCE, EXACT, cells, columns)
            right = with_auto(spread, 0.0, ONCE, cells, columns)[1]
            yield [f"{100 * spread:g} %", str(cells), " / ".join(map(_shown, ended)), _shown(percent(off.reproduced)),
                   _shown(percent(right.beyond))]  # fmt: skip


def _shown(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def first_table(columns: int = COLUMNS) -> Iterator[list[str]]:
    """Both rules, where the printed number is exact and judged as exact."""
    for spread in SPREADS:
        for n in SEEDS:
            found = [" → ".join(map(_shown, pair)) for pair in by_both(spread, n, columns)]
            column = " / ".join(_shown(column_reproduced(spread, n, truth, columns)) for truth in (0.0, TOLERANCE))
            yield [f"{100 * spread:g} %", str(n), *found, column]


def second_table(columns: int = COLUMNS) -> Iterator[list[str]]:
    """The suite's rule, where the printed number is exact / the mean of five seeds / one seed."""
    for spread in SPREADS:
        for n in SEEDS:
            found = zip(*(with_noise(spread, n, m, columns) for m in (EXACT, FIVE, ONCE)), strict=True)
            yield [f"{100 * spread:g} %", str(n), *(" / ".join(map(_shown, of_each)) for of_each in found)]


def third_table(columns: int = COLUMNS) -> Iterator[list[str]]:
    """Of the verdicts that are given, how many are wrong, by both rules."""
    for spread in SPREADS:
        for m in (FIVE, ONCE):
            for n in SEEDS:
                both = zip(*(wrong_of_given(rule, spread, n, m, columns) for rule in (each_alone, todays)), strict=True)
                yield [f"{100 * spread:g} %", f"{m:g}", str(n), *(" → ".join(map(_shown, pair)) for pair in both)]


TABLES: tuple[tuple[str, tuple[str, ...], Callable[[int], Iterator[list[str]]]], ...] = (
    (
        "Each cell alone → this rule, the printed number exact",
        ("spread", "n", "decided, paper right", "false reproduced, 2 % off", "false worse, truth +2 %", "sees +10 %",
         "column of 32: reproduced / false at 2 %"),
        first_table,
    ),
    (
        "This rule, the printed number exact / the mean of five seeds / one seed",
        ("spread", "n", "reproduced, truth 0", "reproduced, the paper's mean is 2 % off", "better + worse, truth 0",
         "sees +10 %", "within 5 % proven"),
        second_table,
    ),
    (
        "Of the verdicts that are given, how many are wrong (each cell alone → this rule)",
        ("spread", "seeds of the paper", "n", "reproduced", "better, worse"),
        third_table,
    ),
    (
        "With --seeds auto",
        ("spread", "cells of the column", "columns with 3 / 5 / 10 seeds", "false reproduced, 2 % off",
         "better + worse, truth 0, the paper ran once"),
        fourth_table,
    ),
)  # fmt: skip


def document(columns: int = COLUMNS) -> str:
    """The tables as Markdown."""
    parts = []
    for title, heads, lines in TABLES:
        parts += [f"### {title}", _table(heads, list(lines(columns)))]
    return "\n\n".join(parts)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return str(tabulate(lines, heads, tablefmt="pipe", disable_numparse=True, colalign=["right"] * len(heads)))


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
