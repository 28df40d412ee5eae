"""What a cell takes, from its sizes alone: memory, work, its turn among others. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import baselines
from benchmark.data.registry import DataSet
from benchmark.data.splits import segments
from benchmark.grid.cells import Planned

_FLOAT32, _FLOAT64 = 4, 8
_COPIES = 6
"""Of the parameters: weights, gradients, two moments, SAM's way back, the best epoch's."""
_IN_FLIGHT = 3
"""Of a batch: gathered, laid out for the model, and its gradient or forecast."""
_MOST_WINDOWS, _ELEMENTS = 512, 2**23
_EVALUATION_BYTES = 2**29




def estimate(dataset: DataSet, horizon: int, recipe: Mapping[str, Any]) -> int | None:
    """Bytes that training one cell takes at its peak, process and libraries aside; None where the set's size is not known.

    Data: the table and its standardised copy (float64) and the series on the device (float32). Batch: inputs and targets,
    in flight. Model: what it says of itself, else no activations and one linear map from look-back to horizon.
    """
    if dataset.rows is None or dataset.channels is None:
        return None
    batch, channels = int(recipe.get("batch_size", 1)), dataset.channels
    span = int(recipe["lookback"]) + horizon
    rows = dataset.rows
    if dataset.split == "pairs":
        rows = sum(int(dataset.options[split]) for split in ("train", "validation", "test")) * span
    activations, parameters = of_step(channels, horizon, recipe)
    data = rows * channels * (2 * _FLOAT64 + _FLOAT32)
    windows = max(batch * int(recipe.get("accumulation", 1)), evaluation_batch(channels, horizon, recipe))
    return data + _IN_FLIGHT * windows * span * channels * _FLOAT32 + activations + _COPIES * parameters * _FLOAT32


def of_step(channels: int, horizon: int, recipe: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes of the activations of a step on one micro-batch, and the number of parameters."""
    lookback, batch = int(recipe["lookback"]), int(recipe.get("batch_size", 1))
    prefix = "arguments."
    arguments = {k.removeprefix(prefix): v for k, v in recipe.items() if k.startswith(prefix)}
    model = baselines.MODELS.get(recipe["model"])
    activations, parameters = 0, lookback * horizon + horizon
    if model is not None and model.memory is not None:
        with suppress(TypeError, ValueError, ZeroDivisionError):  # arguments of which the model itself says what is wrong
            activations, parameters = model.memory(
                lookback=lookback, horizon=horizon, channels=channels, batch=batch, arguments=arguments
            )
    return activations, parameters


def evaluation_batch(channels: int, horizon: int, recipe: Mapping[str, Any]) -> int:
    """Windows of one batch of validation and test: the recipe's; else what is safe beside a training step.

    As many as keep inputs and targets under 32 MiB, and activations under 512 MiB or a training step's, whichever is more,
    even if all were kept that a training step keeps; at most 512. From the sizes alone.
    """
    if recipe.get("evaluation_batch") is not None:
        return int(recipe["evaluation_batch"])
    batch = int(recipe.get("batch_size", 1))
    activations = max(1, of_step(channels, horizon, recipe)[0])
    safe = max(_EVALUATION_BYTES, activations) * batch // activations
    return max(1, min(_MOST_WINDOWS, _ELEMENTS // ((int(recipe["lookback"]) + horizon) * channels), safe))


PROCESS_BYTES = 600 * 10**6
"""Of a worker before it trains: Python, torch, MLflow."""


_LEAST = 2**20


def work(planned: Planned, dataset: DataSet) -> float:
    """What a cell takes, in no unit: the activations of all its steps, the most epochs assumed; twice that with SAM.

    Good enough to begin with the longest, and to say how much is left once some have ended.
    """
    recipe = planned.recipe.plain() if planned.recipe else {}
    if "epochs" not in recipe:
        return _LEAST
    windows = _train_windows(planned, dataset)
    steps = math.ceil(windows / recipe["batch_size"])
    steps = min(steps * recipe["epochs"], recipe.get("profile.max_steps") or math.inf)
    each = max(_LEAST, of_step(dataset.channels or 1, planned.cell.horizon, recipe)[0])
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
