"""GSAM's schedules (github.com/juntang-zhuang/GSAM at a770275, `scheduler.py`) as pure functions of the call's number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Schedule:
    """A value by the number of the call, from 0.

    kind: how it falls. total: calls until it is at `lowest`; nothing stops there, so that after it linear falls further and
    cosine rises again. highest, lowest: between which it moves; poly has no end. warmup: calls in which it rises, in a
    straight line, from `first`. order: poly's exponent, at most 0.
    """

    kind: Literal["linear", "cosine", "poly"]
    total: int
    highest: float
    lowest: float
    warmup: int = 0
    first: float = 0.0
    order: float = -0.5

    def __post_init__(self) -> None:
        """Raises ValueError where there is nothing to fall in."""
        if self.kind not in ("linear", "cosine", "poly"):
            raise ValueError(f"expected a schedule linear, cosine or poly, found '{self.kind}'")
        if not 0 <= self.warmup < self.total:
            raise ValueError(f"expected a warm-up of fewer calls than the {self.total} in all, found {self.warmup}")

    def at(self, call: int) -> float:
        """The value of a call: with τ the calls since the warm-up, and N = total − warmup of them,

        linear max + (min − max)·τ/N; cosine min + (max − min)(1 + cos(π τ/N))/2; poly min + (max − min)·τ^order.
        """
        since, length = call - self.warmup, self.total - self.warmup
        if since < 0:
            return self.first + (self.highest - self.first) * call / self.warmup
        fall = self.highest - self.lowest
        if since == 0:
            return self.highest
        if self.kind == "linear":
            return self.highest - fall * since / length
        if self.kind == "cosine":
            return self.lowest + fall * (1 + math.cos(math.pi * since / length)) / 2
        return float(self.lowest + fall * since**self.order)


def in_proportion(rate: float, rates: tuple[float, float], radii: tuple[float, float]) -> float:
    """GSAM's rho of a step from its learning rate [the paper, arXiv 2203.08065, algorithm 1]: as far between the two
    `radii` (lowest, highest) as the rate is between the two `rates`; the highest where these are one.

    A rate outside them, such as that of a warm-up, has the nearer radius: a negative one would move downhill.
    """
    (low, high), (least, most) = rates, radii
    if high <= low:
        return most
    return least + (most - least) * min(1.0, max(0.0, (rate - low) / (high - low)))
