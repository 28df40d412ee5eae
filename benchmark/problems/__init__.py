"""What the training loop sees of a kind of task: batches, loss, validation; and the test examples, apart."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch

from benchmark.config.recipe import Recipe
from benchmark.data.registry import DataSet
from benchmark.problems.base import Held, Problem

MODULES = {"forecasting": "benchmark.problems.forecasting", "images": "benchmark.problems.images"}
"""By workload, the file that has its `load`."""


def load(
    recipe: Recipe, dataset: DataSet, path: Path | None, horizon: int, device: torch.device, *,
    evaluation_batch: Callable[[int], int], sha256: str, cache_dir: Path | None,
) -> tuple[Problem, Held]:  # fmt: skip
    """A cell's problem, and its test examples, which the loop is not given.

    evaluation_batch: from the number of channels, the examples of one batch of validation and test. sha256: what the
    file's checksum has to be. cache_dir: where parsed copies of files stand.

    Raises DataError for a file that is not as it should be.
    """
    found: tuple[Problem, Held] = import_module(MODULES[recipe.workload]).load(
        recipe, dataset, path, horizon, device, evaluation_batch=evaluation_batch, sha256=sha256, cache_dir=cache_dir
    )
    return found
