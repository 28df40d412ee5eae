"""Learning rates as pure functions of progress: nothing to step, nothing to save, nothing to get out of step."""

from __future__ import annotations

import math
from typing import NamedTuple

from baselines.optimizers import in_proportion
from benchmark.config.recipe import Training


class Position(NamedTuple):
    """Where a step is: its epoch, the last of its micro-batches there (both from 0), micro-batches of one epoch."""

    epoch: int
    micro_batch: int
    per_epoch: int


def learning_rate(training: Training, at: Position) -> float:
    """The learning rate of a step.

    `cosine_restarts` is SAMformer's released schedule (docs/protocols.md, Schedules): from the base rate down to the
    minimum by half a cosine, restarting every `restart_period` epochs. `halved_every_epoch` is iTransformer's and
    DLinear's: the base rate in the first epoch, half of the last one's in every other. `decayed_every_epoch` is FITS's: the
    base rate in the first `full_rate_epochs`, `epoch_decay` times the last one's in every other; the first one's is divided
    by `first_epoch_divisor`. `one_cycle` is SAMoVAR's, moved on with every micro-batch: in straight lines from
    base/`warmup_divisor` up to the base rate, then down to the minimum, which one epoch more would have. `cosine_cycle` is
    PatchTST's: the same by half a cosine each, and the last step has the minimum.
    `linear`: in a straight line from the base rate to the minimum, which the step after the last would have. `multi_step`:
    multiplied by `decay_factor` after as many epochs as each of `milestones` says.
    """
    if training.schedule == "constant":
        return training.learning_rate
    if training.schedule == "multi_step":
        return training.learning_rate * training.decay_factor ** sum(at.epoch >= each for each in training.milestones)
    if training.schedule == "halved_every_epoch":
        return training.learning_rate * 0.5**at.epoch
    if training.schedule == "decayed_every_epoch":
        if at.epoch == 0:
            return training.learning_rate / training.first_epoch_divisor
        return training.learning_rate * training.epoch_decay ** max(0, at.epoch + 1 - training.full_rate_epochs)
    low = training.minimum_learning_rate
    if training.schedule == "linear":
        through = (at.epoch + at.micro_batch / at.per_epoch) / training.epochs
        return training.learning_rate + (low - training.learning_rate) * through
    if training.schedule in _CYCLES:
        return _cycle(training, at, training.learning_rate / training.warmup_divisor, training.learning_rate, low)
    phase = (at.epoch % training.restart_period) / training.restart_period
    return low + (training.learning_rate - low) * (1 + math.cos(math.pi * phase)) / 2


def radius(training: Training, at: Position) -> float | None:
    """SAM's rho at a step, None without SAM: the recipe's; between it and GSAM's `rho_min` as far as the learning rate is
    between its base and its minimum."""
    if training.rho is None or training.rho_min is None:
        return training.rho
    rates = training.minimum_learning_rate, training.learning_rate
    return in_proportion(learning_rate(training, at), rates, (training.rho_min, training.rho))


def beta1(training: Training, at: Position) -> float:
    """Adam's first beta at a step: the recipe's, or between the two of `cycled_beta1`, lowest where the rate is highest."""
    if training.cycled_beta1 is None or training.schedule not in _CYCLES:
        return training.betas[0]
    high, low = training.cycled_beta1
    return _cycle(training, at, high, low, high)


_CYCLES = ("one_cycle", "cosine_cycle")


def _cycle(training: Training, at: Position, first: float, middle: float, last: float) -> float:
    """From `first` to `middle` in the share `warmup_share` of the steps, then to `last`: `one_cycle` in straight lines,
    over the steps of epochs + 1 epochs; `cosine_cycle` by half a cosine each, over those of the epochs.

    Where that share is of one step alone, it is at `middle` already.
    """
    straight = training.schedule == "one_cycle"
    total = (training.epochs + straight) * at.per_epoch
    step = at.epoch * at.per_epoch + at.micro_batch
    top = training.warmup_share * total - 1
    rises = step <= top and top > 0
    start, end, done, of = (first, middle, step, top) if rises else (middle, last, step - top, total - 1 - top)
    if straight:
        return start + (end - start) * done / of
    return end + (start - end) * (1 + math.cos(math.pi * done / of)) / 2


VOID_RESTART = 100
"""Micro-batches after which the counter behind `void_accumulation` begins anew."""


def step_groups(micro_batches: int, training: Training) -> list[slice]:
    """Which micro-batches of an epoch belong to each optimizer step.

    With `void_accumulation` a step comes where (count + 1) mod k = 0, the count being of micro-batches, begun anew at
    every hundredth and at each epoch; those after the last step change no weight and are left out.
    """
    k = training.accumulation
    if not training.void_accumulation:
        return [slice(first, min(first + k, micro_batches)) for first in range(0, micro_batches, k)]
    ends = [n for n in range(1, micro_batches + 1) if (n % VOID_RESTART + 1) % k == 0]
    return [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]
