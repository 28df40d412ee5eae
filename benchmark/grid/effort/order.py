"""The order of work: a run that is stopped early has whole tables of few seeds, rather than parts of everything."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from benchmark.grid.cells import Planned


def in_turn(cells: Sequence[Planned], costs: Sequence[float]) -> list[int]:
    """The places of the cells in the order to hand them out.

    The first seed of every cell before the second of any; within a seed the paper that is the cheapest for one seed first;
    within a paper the longest first, so that the last worker is not left alone with one, and those that are about as long
    (within a factor of two) data set by data set, so that a worker finds its file in memory.
    """
    seeds = {seed: place for place, seed in enumerate(sorted({planned.cell.seed for planned in cells}))}
    of_seed: dict[tuple[str, int], float] = defaultdict(float)
    for planned, cost in zip(cells, costs, strict=True):
        of_seed[planned.cell.paper, planned.cell.seed] += cost
    dear: dict[str, float] = defaultdict(float)
    for (paper, _), cost in of_seed.items():
        dear[paper] = max(dear[paper], cost)

    def rank(index: int) -> tuple[int, float, str, int, str, int]:
        cell = cells[index].cell
        longest_first = -math.floor(math.log2(costs[index]))
        return seeds[cell.seed], dear[cell.paper], cell.paper, longest_first, cell.dataset, index

    return sorted(range(len(cells)), key=rank)
