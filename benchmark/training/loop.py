"""The training loop: every model goes through this one. It cannot reach the test windows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from baselines.base import Forecaster
from benchmark.data.windows import Windows
from benchmark.evaluation import evaluate
from benchmark.recipe import Recipe
from benchmark.training.schedules import learning_rate
from benchmark.training.step import Stepper
from benchmark.training.streams import generator, seed_default

Epoch = dict[str, float]
"""train_loss, val_mse, lr, grad_norm (mean over the epoch's steps), seconds."""


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
) -> Progress:
    """Trains a model in place and leaves it with the weights that the recipe selects.

    Args: `max_steps` bounds the optimizer steps in all (profile quick). `on_epoch` is called after every epoch, and may
    raise to end the training.

    Raises Diverged where train loss or validation MSE is no longer finite.
    """
    seed_default(seed, "training")
    order = generator(seed, "order")
    stepper = Stepper(model, recipe)
    progress = Progress()
    model.train()
    for epoch in range(recipe.epochs):
        started = time.perf_counter()
        rate = learning_rate(recipe, epoch)
        stepper.set_learning_rate(rate)
        left = None if max_steps is None else max_steps - progress.steps
        steps, loss, norm = _epoch(stepper, recipe, windows, order, left)
        progress.steps += steps
        val_mse = evaluate(model, validation, recipe.evaluation_batch, mae=False)["mse"]
        entry = {"train_loss": loss, "val_mse": val_mse, "lr": rate, "grad_norm": norm,
                 "seconds": time.perf_counter() - started}  # fmt: skip
        progress.epochs.append(entry)
        if not (math.isfinite(loss) and math.isfinite(val_mse)):
            raise Diverged(f"epoch {epoch + 1}: train loss {loss}, validation MSE {val_mse}")
        if val_mse < progress.best_val_mse:
            progress.best_epoch, progress.best_val_mse = epoch, val_mse
            if recipe.selection == "best_validation":
                progress.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        on_epoch(entry)
        out_of_patience = recipe.patience is not None and progress.stale >= recipe.patience
        if out_of_patience or (max_steps is not None and progress.steps >= max_steps):
            break
    if recipe.selection == "best_validation":
        model.load_state_dict(progress.best_weights)
    return progress


def _epoch(
    stepper: Stepper, recipe: Recipe, windows: Windows, order: torch.Generator, most_steps: int | None
) -> tuple[int, float, float]:
    """One pass over the windows in a new order: (optimizer steps, mean train loss, mean gradient norm).

    Nothing is read back from the device before the end.
    """
    indices = torch.randperm(len(windows), generator=order).to(windows.starts.device)
    loss = torch.zeros((), device=windows.series.device)
    norm = torch.zeros_like(loss)
    seen = steps = 0
    for chosen in torch.split(indices, recipe.batch_size * recipe.accumulation):
        if most_steps is not None and steps >= most_steps:
            break
        micro_batches = [windows.batch(part) for part in torch.split(chosen, recipe.batch_size)]
        outcome = stepper.step(micro_batches)
        loss += outcome.loss * len(chosen)
        norm += outcome.grad_norm
        seen += len(chosen)
        steps += 1
    return steps, float(loss) / max(1, seen), float(norm) / max(1, steps)
