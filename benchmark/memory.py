"""How much memory a cell will need, from its sizes alone, and how much the machine has. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import baselines
from benchmark.data.registry import DataSet

_FLOAT32, _FLOAT64 = 4, 8
_COPIES = 6
"""Of the parameters: weights, gradients, two moments, SAM's way back, the best epoch's."""
_IN_FLIGHT = 3
"""Of a batch: gathered, laid out for the model, and its gradient or forecast."""
_MOST_WINDOWS, _ELEMENTS = 512, 2**23
_EVALUATION_BYTES = 2**29
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


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


def machine() -> int | None:
    """Bytes of memory that this process may have: the machine's, or its control group's if less; None if unknown."""
    limits = []
    with suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CGROUPS:
        with suppress(OSError, ValueError):
            limits.append(int(Path(path).read_text()))
    return min((limit for limit in limits if limit > 0), default=None)


def in_words(size: int) -> str:
    """Bytes as GB, or MB where that is less than one."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
