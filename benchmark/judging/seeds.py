"""How many seeds a column gets by `--seeds auto`: as many as its spread asks for (docs/verdicts.md).

It never looks at a verdict. Who stops when a verdict falls stops at the lucky ones: of cells at the border 13 % come out
falsely `reproduced` and 8 % falsely `better` or `worse` by that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from benchmark.judging.compare import Beside, pooled
from benchmark.judging.spread import Array, Flags, student
from benchmark.workloads import Metric

STEPS = (3, 5, 10)
"""Seeds of all cells of a column: the first everywhere, the next as long as the spread is wide."""


def wide(spread: Array | float, degrees: float, n: int, tolerance: float) -> Flags:
    """Whether half the 90 % interval of a cell's mean over n seeds is more than half the tolerance; spread and tolerance
    are shares of the printed number."""
    return np.asarray(student(0.95, degrees) * spread / math.sqrt(n) > tolerance / 2)


def asked(column: Sequence[Beside], metric: Metric) -> int:
    """The seeds that a column's cells should have, by what those that it has differ by; three where none is judged."""
    cells = [cell for cell in column if cell.judged]
    if not cells:
        return STEPS[0]
    n = statistics.median_low(cell.ours.n for cell in cells)
    spread, degrees = pooled(cells)
    reached = max(step for step in STEPS if step <= n)
    more = [step for step in STEPS if step > reached]
    return more[0] if more and wide(spread, degrees, n, metric.relative) else reached
