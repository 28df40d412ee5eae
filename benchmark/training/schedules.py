"""Learning rates as pure functions of progress: nothing to step, nothing to save, nothing to get out of step."""

from __future__ import annotations

import math

from benchmark.recipe import Recipe


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0.

    `cosine_restarts` is SAMformer's released schedule (protocols.md): from the base rate down to the minimum by half
    a cosine, restarting every `restart_period` epochs. `halved_every_epoch` is iTransformer's and DLinear's: the base
    rate in the first epoch, half of the last one's in every other.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "halved_every_epoch":
        return recipe.learning_rate * 0.5**epoch
    phase = (epoch % recipe.restart_period) / recipe.restart_period
    low = recipe.minimum_learning_rate
    return low + (recipe.learning_rate - low) * (1 + math.cos(math.pi * phase)) / 2
