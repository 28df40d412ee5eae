"""The training loop: every model goes through this one. It cannot reach the test windows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from baselines.base import Forecaster
from benchmark.config.recipe import Recipe
from benchmark.data.windows import Windows
from benchmark.problems.forecasting import evaluate
from benchmark.training.checkpoint import Checkpoint, State
from benchmark.training.schedules import Position, beta1, learning_rate
from benchmark.training.step import Stepper
from benchmark.training.streams import generator, seed_default

Epoch = dict[str, float]
"""train_loss, val_mse, lr (of its last step), grad_norm (mean over the epoch's steps), seconds."""


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


def train(
    model: Forecaster,
    recipe: Recipe,
    windows: Windows,
    validation: Windows,
    *,
    seed: int,
    max_steps: int | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
) -> Progress:
    """Trains a model in place and leaves it with the weights that the recipe selects.

    Args: `max_steps` bounds the optimizer steps in all (profile quick). `on_epoch` is called after every epoch, and may
    raise to end the training; for those that a checkpoint brings back, it is called before the first.

    Raises Diverged where train loss or validation MSE is no longer finite.
    """
    seed_default(seed, "training")
    order, holdout = generator(seed, "order"), generator(seed, "validation")
    stepper = Stepper(model, recipe)
    progress = Progress()
    model.train()
    generators = {"order": order, "validation": holdout}
    if checkpoint is not None and checkpoint.attach(State(model, stepper.optimizer, generators, progress)):
        for earlier in progress.epochs:
            on_epoch(earlier)
    while not _through(progress, recipe, max_steps):
        epoch, started = len(progress.epochs), time.perf_counter()
        loss, norm = _epoch(stepper, recipe, windows, order, progress, max_steps)
        held_out = _shuffled_truncated(validation, recipe, holdout) if recipe.shuffled_truncated_validation else validation
        val_mse = evaluate(model, held_out, recipe, mae=False)["mse"]
        entry = {"train_loss": loss, "val_mse": val_mse, "lr": stepper.learning_rate, "grad_norm": norm,
                 "seconds": time.perf_counter() - started}  # fmt: skip
        progress.epochs.append(entry)
        if not (math.isfinite(loss) and math.isfinite(val_mse)):
            raise Diverged(f"epoch {epoch + 1}: train loss {loss}, validation MSE {val_mse}")
        if val_mse < progress.best_val_mse:
            progress.best_epoch, progress.best_val_mse = epoch, val_mse
            if recipe.selection == "best_validation":
                progress.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        on_epoch(entry)
    if recipe.selection == "best_validation":
        model.load_state_dict(progress.best_weights)
    return progress


def _through(progress: Progress, recipe: Recipe, max_steps: int | None) -> bool:
    """Whether nothing is left to train: epochs, patience or steps have run out."""
    out_of_patience = recipe.patience is not None and progress.stale >= recipe.patience
    return (
        len(progress.epochs) >= recipe.epochs or out_of_patience or (max_steps is not None and progress.steps >= max_steps)
    )


def _epoch(
    stepper: Stepper, recipe: Recipe, windows: Windows, order: torch.Generator, progress: Progress, max_steps: int | None
) -> tuple[float, float]:
    """One pass over the windows in a new order: (mean train loss, mean gradient norm); counts the steps in `progress`.

    Nothing is read back from the device before the end.
    """
    indices = torch.randperm(len(windows), generator=order).to(windows.starts.device)
    micro_batches = torch.split(windows.starts[indices], recipe.batch_size)
    loss = torch.zeros((), device=windows.series.device)
    norm = torch.zeros_like(loss)
    seen = steps = 0
    for group in _groups(len(micro_batches), recipe):
        if max_steps is not None and progress.steps >= max_steps:
            break
        at = Position(len(progress.epochs), group.stop - 1, len(micro_batches))
        stepper.set_pace(learning_rate(recipe, at), beta1(recipe, at), progress.steps)
        batches = [windows.at(part) for part in micro_batches[group]]
        outcome = stepper.step(batches)
        weight = sum(len(batch.y) for batch in batches)
        loss.add_(outcome.loss, alpha=weight)
        norm += outcome.grad_norm
        seen += weight
        steps += 1
        progress.steps += 1
    return float(loss) / max(1, seen), float(norm) / max(1, steps)


VOID_RESTART = 100
"""Micro-batches after which the counter behind `void_accumulation` begins anew."""


def _groups(micro_batches: int, recipe: Recipe) -> list[slice]:
    """Which micro-batches of an epoch belong to each optimizer step.

    With `void_accumulation` a step comes where (count + 1) mod k = 0, the count being of micro-batches, begun anew at
    every hundredth and at each epoch; those after the last step change no weight and are left out.
    """
    k = recipe.accumulation
    if not recipe.void_accumulation:
        return [slice(first, min(first + k, micro_batches)) for first in range(0, micro_batches, k)]
    ends = [n for n in range(1, micro_batches + 1) if (n % VOID_RESTART + 1) % k == 0]
    return [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]


def _shuffled_truncated(validation: Windows, recipe: Recipe, holdout: torch.Generator) -> Windows:
    """The windows of the whole batches of a new shuffle (all windows, where there is no whole batch)."""
    whole = len(validation) - len(validation) % recipe.batch_size or len(validation)
    return validation.subset(torch.randperm(len(validation), generator=holdout)[:whole])
