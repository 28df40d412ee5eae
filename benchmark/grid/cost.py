"""What a cell takes, from its sizes alone: memory, work, its turn among others, its program. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import baselines
from benchmark.config.recipe import Recipe
from benchmark.data.registry import DataSet
from benchmark.grid.cells import Planned
from benchmark.store.kept import EPOCHS, PREDICTIONS, WEIGHTS
from benchmark.workloads import WORKLOADS

_FLOAT32, _FLOAT64 = 4, 8
_COPIES = 6
"""Of the parameters: weights, gradients, two moments, SAM's way back, the best epoch's."""
_IN_FLIGHT = 3
"""Of a batch: gathered, laid out for the model, and its gradient or forecast."""
_MOST_EXAMPLES, _ELEMENTS = 512, 2**23
_EVALUATION_BYTES = 2**29
_UNTRAINED_BATCH = 32


def estimate(dataset: DataSet, horizon: int, recipe: Recipe) -> int | None:
    """Bytes that training one cell takes at its peak, process and libraries aside; None where the set's size is not known.

    Data: as the workload says. Batch: inputs and targets, in flight. Model: what it says of itself, else no activations
    and one linear map from look-back to horizon.
    """
    workload = WORKLOADS[recipe.workload]
    data, channels = workload.data_bytes(dataset, recipe.lookback, horizon), channels_of(dataset, recipe)
    if data is None or channels is None:
        return None
    activations, parameters = of_step(channels, horizon, recipe)
    step = recipe.training.batch_size * recipe.training.accumulation if recipe.training else 1
    examples = max(step, evaluation_batch(channels, horizon, recipe))
    batch = examples * workload.example(channels, recipe.lookback, horizon)
    return data + _IN_FLIGHT * batch * _FLOAT32 + activations + _COPIES * parameters * _FLOAT32


def together(cells: Sequence[Planned], datasets: Mapping[str, DataSet]) -> int:
    """Bytes that cells take at once, those of which it is not known aside."""
    return sum(estimate(datasets[p.cell.dataset], p.cell.horizon, p.recipe) or 0 for p in cells if p.recipe is not None)


def channels_of(dataset: DataSet, recipe: Recipe) -> int | None:
    """The series that the model sees; None where the data set's size is not known."""
    return WORKLOADS[recipe.workload].channels(dataset, recipe.variant)


def of_step(channels: int, horizon: int, recipe: Recipe) -> tuple[int, int]:
    """Bytes of the activations of a step on one micro-batch, and the number of parameters."""
    shape = WORKLOADS[recipe.workload].shape(channels, recipe.lookback, horizon)
    batch = recipe.training.batch_size if recipe.training else 1
    if recipe.source is not None:
        known = recipe.measured
        return (known.bytes_per_window * batch, known.parameters) if known else (0, recipe.lookback * horizon + horizon)
    model = baselines.MODELS.get(recipe.model)
    found = model.of_step(shape, batch, recipe.arguments) if model is not None else None
    return found or (0, recipe.lookback * horizon + horizon)


def evaluation_batch(channels: int, horizon: int, recipe: Recipe) -> int:
    """Examples of one batch of validation and test: the recipe's; else what is safe beside a training step.

    As many as keep inputs and targets under 32 MiB, and activations under 512 MiB or a training step's, whichever is more,
    even if all were kept that a training step keeps; at most 512. From the sizes alone. Of a model of the user's own, of
    which these say nothing: a training batch.
    """
    if recipe.setting.evaluation_batch is not None:
        return recipe.setting.evaluation_batch
    batch = recipe.training.batch_size if recipe.training else 1
    if recipe.source is not None:
        return batch if recipe.training else _UNTRAINED_BATCH
    activations = max(1, of_step(channels, horizon, recipe)[0])
    safe = max(_EVALUATION_BYTES, activations) * batch // activations
    each = WORKLOADS[recipe.workload].example(channels, recipe.lookback, horizon)
    return max(1, min(_MOST_EXAMPLES, _ELEMENTS // each, safe))


_HEADER = 6_000
"""Bytes of a kept file beside its numbers: the recipe, mostly."""


def kept(planned: Planned, dataset: DataSet, wanted: Sequence[str]) -> int:
    """About how many bytes of a trained cell stand beside its Result, at most: its weights, those of each epoch, its test
    forecasts with their targets. What is not known counts for nothing."""
    recipe, horizon = planned.recipe, planned.cell.horizon
    assert recipe is not None
    weights = _HEADER + _FLOAT32 * of_step(channels_of(dataset, recipe) or 1, horizon, recipe)[1]
    total = weights * (
        (WEIGHTS in wanted) + (most_epochs(planned.recipe, planned.cell.horizon, dataset) if EPOCHS in wanted else 0)
    )
    variant = WORKLOADS[recipe.workload].variant(recipe.plain())
    found = WORKLOADS[recipe.workload].forecasts(dataset, variant, recipe.lookback, horizon)
    if PREDICTIONS in wanted and found is not None:
        count, each, truth = found
        examples = min(count, recipe.bounds.max_windows or count)
        total += _HEADER + _FLOAT32 * (each * examples + truth) + 2 * _FLOAT64 * count  # places and times
    return total


def most_epochs(recipe: Recipe | None, horizon: int, dataset: DataSet) -> int:
    """How many epochs a cell is trained at most; 0 for one that is not trained."""
    if recipe is None or recipe.training is None:
        return 0
    training, most = recipe.training, recipe.bounds.max_steps
    examples = WORKLOADS[recipe.workload].train_examples(dataset, recipe.lookback, horizon)
    steps = math.ceil(examples / (training.batch_size * training.accumulation))  # of an epoch
    return training.epochs if most is None else min(training.epochs, math.ceil(most / steps))


PROCESS_BYTES = 600 * 10**6
"""Of a worker before it trains: Python, torch, MLflow."""
_LEAST = 2**20


def work(planned: Planned, dataset: DataSet) -> float:
    """What a cell takes, in no unit: the activations of all its steps, the most epochs assumed; twice that with SAM.

    Good enough to order cells, and to say how much is left once some have ended.
    """
    recipe = planned.recipe
    if recipe is None or recipe.training is None:
        return _LEAST
    training, horizon = recipe.training, planned.cell.horizon
    examples = WORKLOADS[recipe.workload].train_examples(dataset, recipe.lookback, horizon)
    steps = min(math.ceil(examples / training.batch_size) * training.epochs, recipe.bounds.max_steps or math.inf)
    each = max(_LEAST, of_step(channels_of(dataset, recipe) or 1, horizon, recipe)[0])
    return float(steps * each * (2 if recipe.sam else 1))


def before_training(planned: Planned, dataset: DataSet) -> float:
    """Operations that a model's own beginning takes before the first step: k-means, where it has that."""
    recipe, channels = planned.recipe, channels_of(dataset, planned.recipe) if planned.recipe is not None else None
    model = baselines.MODELS.get(recipe.model) if recipe is not None and recipe.source is None else None
    if recipe is None or model is None or channels is None:
        return 0.0
    shape = WORKLOADS[recipe.workload].shape(channels, recipe.lookback, planned.cell.horizon)
    return model.before_training(shape, recipe.arguments)


def jobs(cores: int, needed: Sequence[int | None], memory_bytes: int | None, devices: int = 1) -> int:
    """How many cells at once, for `--jobs auto`: one a core, fewer where the largest of those that share a device, taken
    together, need more than nine tenths of its memory (`needed`: bytes of each cell, None where that is not known)."""
    most = max(1, min(cores, len(needed)))
    if memory_bytes is None:
        return most
    sizes = sorted((size or 0 for size in needed), reverse=True)
    while most > 1:
        share = math.ceil(most / devices)  # cells of the device that has most of them
        if sum(sizes[:share]) + share * PROCESS_BYTES <= 0.9 * memory_bytes:
            break
        most -= 1
    return most


def programs(
    cells: Sequence[Planned], most: int | None, datasets: Mapping[str, DataSet], memory_bytes: int | None = None,
    at_once: float = 1,
) -> list[list[Planned]]:  # fmt: skip
    """The cells by program, each where its first cell stood: seeds of one recipe, rho apart, on one data set and horizon.

    most: cells of one program; None: as many as there are. memory_bytes: `at_once` programs (workers by device) take no
    more than nine tenths of it together, as far as that is known. What is not trained is always alone.
    """
    kinds: dict[tuple[int, str, int], str | None] = {}

    def kind_of(planned: Planned) -> str | None:
        shared = id(planned.recipe), planned.cell.dataset, planned.cell.horizon  # by all seeds of a cell
        if shared not in kinds:
            kinds[shared] = _kind(planned)
        return kinds[shared]

    share = None if memory_bytes is None else memory_bytes // math.ceil(at_once)
    found: list[list[Planned]] = []
    open_: dict[str, list[Planned]] = {}
    for planned in cells:
        kind = kind_of(planned)
        there = open_.get(kind) if kind is not None else None
        if there is None or len(there) >= _room(planned, most, datasets, share):
            there = []
            found.append(there)
        there.append(planned)
        if kind is not None:
            open_[kind] = there
    return found


def _kind(planned: Planned) -> str | None:
    """The same for cells that may be one program; None for a cell that is not trained."""
    recipe = planned.recipe
    if recipe is None or recipe.training is None or (recipe.measured is not None and not recipe.measured.stacks):
        return None
    values = recipe.plain() | {"rho": recipe.training.rho is not None}
    return json.dumps([recipe.workload, planned.cell.dataset, planned.cell.horizon, values], sort_keys=True, default=str)


def _room(planned: Planned, most: int | None, datasets: Mapping[str, DataSet], memory_bytes: int | None) -> float:
    assert planned.recipe is not None
    room = float("inf") if most is None else float(most)
    if memory_bytes is None:
        return room
    each = estimate(datasets[planned.cell.dataset], planned.cell.horizon, planned.recipe)
    if not each:
        return room
    return max(1.0, min(room, (0.9 * memory_bytes - PROCESS_BYTES) // each))
