"""Which cell when, and how many at once: by what each is estimated to take, from its sizes alone. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark import memory
from benchmark.data.registry import DataSet
from benchmark.data.splits import segments
from benchmark.grid import Planned

PROCESS_BYTES = 600 * 10**6
"""Of a worker before it trains: Python, torch, MLflow."""
_LEAST = 2**20


def cost(planned: Planned, dataset: DataSet) -> float:
    """What a cell takes, in no unit: the activations of all its steps, the most epochs assumed; twice that with SAM.

    Good enough to begin with the longest, and to say how much is left once some have ended.
    """
    recipe = planned.recipe.plain() if planned.recipe else {}
    if "epochs" not in recipe:
        return _LEAST
    windows = _train_windows(planned, dataset)
    steps = math.ceil(windows / recipe["batch_size"])
    steps = min(steps * recipe["epochs"], recipe.get("profile.max_steps") or math.inf)
    each = max(_LEAST, memory.of_step(dataset.channels or 1, planned.cell.horizon, recipe)[0])
    return float(steps * each * (2 if recipe["sam"] else 1))


def _train_windows(planned: Planned, dataset: DataSet) -> int:
    if dataset.split == "pairs":
        return int(dataset.options["train"])
    if dataset.rows is None:
        return 1
    cell = planned.cell
    return max(1, segments(dataset, dataset.rows, cell.lookback).train.windows(cell.lookback, cell.horizon))


def longest_first(cells: Sequence[Planned], costs: Sequence[float]) -> list[int]:
    """The order to hand cells out in: the longest first, so that the last worker is not left alone with one; those that
    are about as long (within a factor of two) data set by data set, so that a worker finds its file in memory."""

    def rank(index: int) -> tuple[int, str, int]:
        return -math.floor(math.log2(costs[index])), cells[index].cell.dataset, index

    return sorted(range(len(cells)), key=rank)


def jobs(cores: int, needed: Sequence[int | None], memory_bytes: int | None) -> int:
    """How many cells at once, for `--jobs auto`: one a core, fewer where the largest of them, taken together, need more
    than nine tenths of the memory (`needed`: bytes of each cell, None where that is not known)."""
    most = max(1, min(cores, len(needed)))
    if memory_bytes is None:
        return most
    sizes = sorted((size or 0 for size in needed), reverse=True)
    while most > 1 and sum(sizes[:most]) + most * PROCESS_BYTES > 0.9 * memory_bytes:
        most -= 1
    return most
