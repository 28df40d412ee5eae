"""What becomes of a claim, from its figure and its interval over data sets: six outcomes, the first that applies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tables.statistics import Interval

HOLDS = "holds"
DIRECTION = "lower"
"""Of a paper's sentence about weights that has no number: how far it is lower stands behind, and nothing more is judged."""
SMALLER = "an improvement, smaller than claimed"
FAILS = "does not hold"
UNSIZED = "an improvement, its size not shown"
UNDECIDED = "inconclusive"
NO_INTERVAL = f"{UNDECIDED} (no interval)"
NONE_SEEN = f"{UNDECIDED} (no improvement seen)"
TOO_FEW = "not enough cells"
NOT_MEASURED, NOT_PRINTED = "not measured", "not printed"

WIDEST = 2.0
"""Points: half the width that the interval of ours less printed may have where it is to say that the two agree."""
ROUNDING = 1e-9
"""What the sums of equal numbers may differ by."""

RULE = (
    "The interval is Student's t over the data sets' means of the figure (of a ratio of sums: over the jackknife's "
    "pseudo-values, one data set left out at a time), 95 %; its centre stands beside it. It says what other data sets "
    "would show, not what other seeds would; it takes ETTh1 and ETTm1, one recording at two steps, for two sets, and ETTh2 "
    "and ETTm2, so that with these it is narrower than what is known. Where the paper prints the cells, what they give "
    "over the very cells that there are of ours stands beside ours, and ours less printed has such an interval too, data "
    "set by data set. The first "
    "that applies: a claim about fewer than three data sets is `inconclusive (no interval)`; where not all of its cells "
    "are there (ours count from three seeds), `not enough cells (k of N)`, whatever the figure over the k; it `holds` "
    "where the interval lies above 0 (of a rank: below the rank in the middle), and the figure, to the digits that are "
    "claimed, reaches the claim, or the interval of ours less printed contains 0 and reaches no further than 2 points to "
    "either side of its centre; it is `an improvement, smaller than claimed` where the interval lies above 0, and it lies "
    "below the claim or ours less printed below 0; it `does not hold` where the interval lies below the claim and not "
    "above 0; else it is `an improvement, its size not shown` where the interval lies above 0, and `inconclusive` where it "
    "does not. 'About 4 times' holds where the figure over all cells of the claim rounds to 4, by either way of averaging "
    "apart; a cell's parameters are counted from one training, seeds and metrics have no part in it, and of data sets that "
    "the claim takes as one the first with a number counts. Does SAM help every model: each pair is judged over the cells "
    "that both of its columns have, and `every model` has the worst of the pairs' outcomes, by the paper's way of "
    "averaging; where several have not enough cells, the one with the fewest. Printed numbers are judged by the same "
    "interval, and by the figure that their last digits leave possible, so that rounding is never taken for a mistake."
)

OF_CELLS = (
    "A claim about the number of a single cell is read on the printed numbers, and ours has the verdict of its table; that "
    "a column's error is lower than another's in each cell is by the same rule, the other's mean over its seeds in the "
    "printed number's place: it `holds` where the verdict is `better`, `does not hold` where it is `worse` or, with "
    "`(the same)`, `reproduced`, and is `inconclusive` where it is `within X %`. What has no Result is `not measured`."
)

OF_WEIGHTS = (
    "What `python -m benchmark.analysis` measures in trained weights (λmax of the loss's Hessian, row entropy of the "
    "attention) is compared seed by seed, over the same windows: the figure is by how many times it is lower, the "
    "geometric mean over the seeds, its interval Student's t over their logarithms, 95 %, from three seeds on. Of a "
    "paper's sentence, which has no number here, it is judged whether the measure is lower, and not whether by as much "
    "as the sentence says: where the interval lies above 1 it is `lower`, and by how much stands behind, which may be far "
    "less than is said; a check of ours `holds` there. Where the interval lies below 1, either `does not hold`; else it is "
    "`inconclusive`, and `not measured` where nobody has looked."
)


@dataclass(frozen=True)
class Effect:
    """A figure above 0 where there is an improvement.

    interval: of the figure, over data sets. beside: of the figure less that of the paper's own printed cells, in percent
    points; None where it prints none. favour: by how much the figure may be larger, as far as its printed digits say.
    """

    value: float
    interval: Interval | None
    beside: Interval | None = None
    favour: float = 0.0


def outcome(effect: Effect, claimed: float, half_unit: float) -> str:
    """The outcome of 'at least `claimed`'; `half_unit`: half of the last digit that it is claimed with."""
    found = effect.interval
    if found is None:
        return NO_INTERVAL
    above, least = found.low > ROUNDING, claimed - half_unit
    below = found.high + effect.favour < least - ROUNDING
    if above and (effect.value + effect.favour >= least - ROUNDING or _agrees(effect.beside)):
        return HOLDS
    if above and (below or (effect.beside is not None and effect.beside.high < -ROUNDING)):
        return SMALLER
    if below and not above:
        return FAILS
    if above:
        return UNSIZED
    return NONE_SEEN if effect.value <= 0 else UNDECIDED


def _agrees(beside: Interval | None) -> bool:
    """Whether ours less printed may be 0, and is known well enough for that to say something."""
    if beside is None:
        return False
    return beside.low <= ROUNDING and beside.high >= -ROUNDING and beside.high - beside.low <= 2 * WIDEST


def too_few(found: int, of: int) -> str:
    """Where not all cells of a claim have numbers."""
    return f"{TOO_FEW} ({found} of {of})"


def worst(outcomes: list[str]) -> str:
    """What becomes of 'every model', given what becomes of each: the outcome that is furthest from `holds`; where several
    have not enough cells, that with the fewest."""
    order = [FAILS, TOO_FEW, UNDECIDED, SMALLER, UNSIZED, HOLDS]

    def place(found: str) -> tuple[int, int]:
        cells = re.match(rf"{TOO_FEW} \((\d+) of", found)
        return next(at for at, word in enumerate(order) if found.startswith(word)), int(cells[1]) if cells else 0

    return min(outcomes, key=place)
