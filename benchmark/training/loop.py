"""The training loop: every model goes through this one. It cannot reach the test windows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmark.config.recipe import Training
from benchmark.errors import DataError
from benchmark.problems.base import Problem
from benchmark.training.checkpoint import Checkpoint, State
from benchmark.training.schedules import Position, beta1, learning_rate
from benchmark.training.step import Stepper
from benchmark.training.streams import generator, seed_default

Epoch = dict[str, float]
"""train_loss, val_METRIC (what selects), lr (of its last step), grad_norm (mean over the epoch's steps), seconds."""


class Diverged(Exception):
    """A loss that is no number any more; the message says where."""


@dataclass
class Progress:
    """How far a training is. Together with model, optimizer and generators this is all that a resume needs."""

    epochs: list[Epoch] = field(default_factory=list)
    steps: int = 0
    best_epoch: int = -1
    best_val_mse: float = math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        return len(self.epochs) - 1 - self.best_epoch


def fit(
    model: nn.Module, training: Training, problem: Problem, progress: Progress, *, seed: int,
    max_steps: int | None = None, on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
) -> None:  # fmt: skip
    """Trains a model in place and leaves it with the weights that the recipe selects; `progress` has what came of it.

    Args: `max_steps` bounds the optimizer steps in all (profile quick). `on_epoch` is called after every epoch, and may
    raise `errors.StopTraining` to end the training; for those that a checkpoint brings back, it is called before the first.

    Raises Diverged where train loss or validation metric is no longer finite.
    """
    seed_default(seed, "training")
    order, holdout = generator(seed, "order"), generator(seed, "validation")
    stepper = Stepper(model, training, problem)
    model.train()
    generators = {"order": order, "validation": holdout}
    if checkpoint is not None and checkpoint.attach(State(model, stepper.optimizer, generators, progress)):
        for earlier in progress.epochs:
            on_epoch(earlier)
    while not _through(progress, training, max_steps):
        epoch, started = len(progress.epochs), time.perf_counter()
        loss, norm = run_epoch(stepper, order, progress, max_steps)
        selecting = problem.validate(model, holdout)
        entry = {"train_loss": loss, f"val_{problem.selected_by}": selecting, "lr": stepper.learning_rate,
                 "grad_norm": norm, "seconds": time.perf_counter() - started}  # fmt: skip
        progress.epochs.append(entry)
        if not (math.isfinite(loss) and math.isfinite(selecting)):
            named = problem.selected_by.upper()
            raise Diverged(f"epoch {epoch + 1}: train loss {loss}, validation {named} {selecting}")
        if selecting < progress.best_val_mse:
            progress.best_epoch, progress.best_val_mse = epoch, selecting
            if training.selection == "best_validation":
                progress.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        on_epoch(entry)
    if training.selection == "best_validation":
        model.load_state_dict(progress.best_weights)


def _through(progress: Progress, training: Training, max_steps: int | None) -> bool:
    """Whether nothing is left to train: epochs, patience or steps have run out."""
    out_of_patience = training.patience is not None and progress.stale >= training.patience
    out_of_steps = max_steps is not None and progress.steps >= max_steps
    return len(progress.epochs) >= training.epochs or out_of_patience or out_of_steps


def run_epoch(
    stepper: Stepper, order: torch.Generator, progress: Progress, max_steps: int | None = None
) -> tuple[float, float]:
    """One pass over the training examples in a new order: (mean train loss, mean gradient norm); counts the steps in
    `progress`. Nothing is read back from the device before the end.

    Raises DataError where the epoch has no step at all.
    """
    problem, training = stepper.problem, stepper.training
    parts = problem.micro_batches(order, training.batch_size)
    loss = torch.zeros((), device=problem.device)
    norm = torch.zeros_like(loss)
    seen = steps = 0
    groups = _groups(len(parts), training)
    if not groups:  # with void_accumulation
        raise DataError(
            f"no optimizer step in an epoch: {len(parts)} micro-batches, accumulation {training.accumulation}, and with "
            "void_accumulation the step is on the last but one of so many; take more data or smaller batches"
        )
    for group in groups:
        if max_steps is not None and progress.steps >= max_steps:
            break
        at = Position(len(progress.epochs), group.stop - 1, len(parts))
        stepper.set_pace(learning_rate(training, at), beta1(training, at), progress.steps)
        batches = [problem.batch(part) for part in parts[group]]
        step = stepper.step(batches)
        weight = sum(problem.size(batch) for batch in batches)
        loss.add_(step.loss, alpha=weight)
        norm += step.grad_norm
        seen += weight
        steps += 1
        progress.steps += 1
    return float(loss) / max(1, seen), float(norm) / max(1, steps)


VOID_RESTART = 100
"""Micro-batches after which the counter behind `void_accumulation` begins anew."""


def _groups(micro_batches: int, training: Training) -> list[slice]:
    """Which micro-batches of an epoch belong to each optimizer step.

    With `void_accumulation` a step comes where (count + 1) mod k = 0, the count being of micro-batches, begun anew at
    every hundredth and at each epoch; those after the last step change no weight and are left out.
    """
    k = training.accumulation
    if not training.void_accumulation:
        return [slice(first, min(first + k, micro_batches)) for first in range(0, micro_batches, k)]
    ends = [n for n in range(1, micro_batches + 1) if (n % VOID_RESTART + 1) % k == 0]
    return [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]
