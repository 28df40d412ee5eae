"""``python -m tables.rows.simulation``: how often a verdict is wrong, by drawing seeds (docs/verdicts.md)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmark.console import prints
from benchmark.judging.seeds import STEPS, wide
from benchmark.judging.spread import moderated
from benchmark.judging.verdict import margin
from tables.pipe import pipe
from tables.rows import outside
from tables.rows.drawn import (
    COLUMNS,
    EXACT,
    FIVE,
    ONCE,
    TOLERANCE,
    Rule,
    Said,
    draw,
    each_alone,
    percent,
    seeds_of,
    seen,
    todays,
)

SPREADS, SEEDS = (0.01, 0.02, 0.05), (3, 5, 10)


def by_both(spread: float, n: int, columns: int = COLUMNS) -> list[list[float]]:
    """A line of the first table: a verdict given where the paper is right, of these the false ones, false reproduced, false
    worse, +10 % seen; in percent, by the rule that judges each cell alone and by the suite's."""
    right, off, far = (draw(spread=spread, n=n, truth=truth, columns=columns) for truth in (0.0, 0.02, 0.1))
    found = []
    for rule in (each_alone, todays):
        of_right, of_off, of_far = rule(right), rule(off), rule(far)
        found.append([
            percent(of_right.reproduced | of_right.beyond), percent(of_right.beyond), percent(of_off.reproduced),
            percent(of_off.beyond), percent(of_far.beyond & (of_far.sign > 0)),
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
    shares, true = seeds_of(spread, STEPS[-1], truth, m, cells, columns)
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
            given, false, *others = by_both(spread, n, columns)
            decided = [f"{_shown(all_)} ({_shown(wrong)})" for all_, wrong in zip(given, false, strict=True)]
            found = [" → ".join(pair) for pair in (decided, *(map(_shown, pair) for pair in others))]
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
        ("spread", "n", "decided (falsely), paper right", "false reproduced, 2 % off", "false worse, truth +2 %",
         "sees +10 %", "column of 32: reproduced / false at 2 %"),
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
    (
        "Where the assumptions do not hold",
        ("what is otherwise", "counted", *(f"n = {n}" for n in SEEDS)),
        outside.table,
    ),
)  # fmt: skip


def document(columns: int = COLUMNS) -> str:
    """The tables as Markdown."""
    parts = []
    for title, heads, lines in TABLES:
        parts += [f"### {title}", _table(heads, list(lines(columns)))]
    return "\n\n".join(parts)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return pipe(lines, heads, ["right"] * len(heads))


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables; returns the exit status: 0, 2 (usage), 130 (interrupted)."""
    return prints("python -m tables.rows.simulation", "How often the rule of verdicts is wrong.", document, arguments)


if __name__ == "__main__":
    sys.exit(main())
