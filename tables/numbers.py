"""Numbers as they are printed, and which of them are best: both by the digits that a reader sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

DIGITS = 3
"""After the point, as the papers print errors."""


def known(value: float | None) -> bool:
    """Whether there is a number at all: None, NaN and infinity are holes."""
    return isinstance(value, int | float) and math.isfinite(value)


def fixed(value: float | None, digits: int = DIGITS) -> str | None:
    """A number with fixed digits (0.380 keeps its zero), never −0.000; None for a hole."""
    if value is None or not math.isfinite(value):
        return None
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def best_and_second(values: Sequence[float | None], digits: int = DIGITS) -> tuple[set[int], set[int]]:
    """The places of the smallest number and of the next one, ties alike, by the printed digits.

    Among fewer than two numbers nothing is best; where all are equal nothing is second.
    """
    shown = [fixed(value, digits) for value in values]
    printed = [None if text is None else float(text) for text in shown]
    order = sorted({p for p in printed if p is not None})
    if sum(p is not None for p in printed) < 2:
        return set(), set()
    best, second = order[0], order[1] if len(order) > 1 else None
    return (
        {i for i, p in enumerate(printed) if p == best},
        {i for i, p in enumerate(printed) if p is not None and p == second},
    )


def span(values: Sequence[int]) -> str:
    """Whole numbers as ``3`` where all are equal, else ``1 to 5``."""
    least, most = min(values), max(values)
    return str(least) if least == most else f"{least} to {most}"
