"""Learning rates as pure functions of progress: nothing to step, nothing to save, nothing to get out of step."""

from __future__ import annotations

import math
from typing import NamedTuple

from benchmark.config.recipe import Recipe


class Position(NamedTuple):
    """Where a step is: its epoch, the last of its micro-batches there (both from 0), micro-batches of one epoch."""

    epoch: int
    micro_batch: int
    per_epoch: int


def learning_rate(recipe: Recipe, at: Position) -> float:
    """The learning rate of a step.

    `cosine_restarts` is SAMformer's released schedule (protocols.md): from the base rate down to the minimum by half
    a cosine, restarting every `restart_period` epochs. `halved_every_epoch` is iTransformer's and DLinear's: the base
    rate in the first epoch, half of the last one's in every other. `one_cycle` is SAMoVAR's, moved on with every
    micro-batch: in straight lines from base/`warmup_divisor` up to the base rate, then down to the minimum.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "halved_every_epoch":
        return recipe.learning_rate * 0.5**at.epoch
    low = recipe.minimum_learning_rate
    if recipe.schedule == "one_cycle":
        return _one_cycle(recipe, at, recipe.learning_rate / recipe.warmup_divisor, recipe.learning_rate, low)
    phase = (at.epoch % recipe.restart_period) / recipe.restart_period
    return low + (recipe.learning_rate - low) * (1 + math.cos(math.pi * phase)) / 2


def beta1(recipe: Recipe, at: Position) -> float:
    """Adam's first beta at a step: the recipe's, or between the two of `cycled_beta1`, lowest where the rate is highest."""
    if recipe.cycled_beta1 is None or recipe.schedule != "one_cycle":
        return recipe.betas[0]
    high, low = recipe.cycled_beta1
    return _one_cycle(recipe, at, high, low, high)


def _one_cycle(recipe: Recipe, at: Position, first: float, middle: float, last: float) -> float:
    """From `first` to `middle` in the share `warmup_share` of the steps of epochs + 1 epochs, then to `last`."""
    total = (recipe.epochs + 1) * at.per_epoch
    step = at.epoch * at.per_epoch + at.micro_batch
    top = recipe.warmup_share * total - 1
    if step <= top:
        return first + (middle - first) * step / top
    return middle + (last - middle) * (step - top) / (total - 1 - top)
