"""One optimizer step on k micro-batches, with or without SAM (arXiv 2010.01412, algorithm 1; protocols.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.base import Forecaster
from baselines.optimizers import SAM, KerasAdam
from benchmark.config.recipe import Recipe
from benchmark.data.windows import Batch
from benchmark.problems.precision import autocast


class Outcome(NamedTuple):
    """At the weights before a step: mean loss over its windows, global gradient norm; both still on the device."""

    loss: Tensor
    grad_norm: Tensor


def base_optimizer(recipe: Recipe, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimizer, at its base learning rate. Fused, as torch has it on CPU and CUDA."""
    rate, betas, eps = recipe.learning_rate, recipe.betas, recipe.eps
    if recipe.optimizer == "keras_adam":
        return KerasAdam(parameters, lr=rate, betas=betas, eps=eps)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=betas, eps=eps, weight_decay=recipe.weight_decay, fused=True)


class Stepper:
    """Takes optimizer steps on a model as a recipe says; the one place where gradients are made."""

    def __init__(self, model: Forecaster, recipe: Recipe) -> None:
        self.model = model
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.buffers = list(model.buffers())
        self.optimizer = base_optimizer(recipe, self.parameters)
        self.sam = None if recipe.rho is None else SAM(self.optimizer, rho=recipe.rho)
        self.recipe = recipe
        self.learning_rate = recipe.learning_rate
        self.loss_scale = LOSS_SCALE

    def set_pace(self, rate: float, beta1: float, steps: int) -> None:
        """Sets learning rate and first beta of the step that follows, the one after so many `steps`."""
        self.learning_rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            group["betas"] = (beta1, group["betas"][1])
        self.loss_scale = LOSS_SCALE * 2.0 ** (steps // LOSS_SCALE_STEPS)

    def step(self, micro_batches: Sequence[Batch]) -> Outcome:
        """One step on the mean gradient over all windows of the micro-batches; an incomplete one weighs by its windows.

        With SAM both gradients are over the SAME micro-batches with the same dropout masks, and the second pass
        moves no running statistics; clipping acts once, on the second. With `void_accumulation` the step is on the last
        micro-batch's gradient alone; with `clip_before_unscale` clipping acts on each micro-batch's.
        """
        dice = _dice(self.parameters[0].device) if self.sam else None
        loss = self._accumulate(micro_batches)
        if self.sam is not None and dice is not None:
            norm = self.sam.ascend()
            statistics = [b.clone() for b in self.buffers]
            _roll_back(dice)
            self._accumulate(micro_batches)
            for buffer, kept in zip(self.buffers, statistics, strict=True):
                buffer.copy_(kept)
            self.sam.restore()
            self._clip(None)
        else:
            norm = _global_norm(self.parameters)
            self._clip(norm)
        self.optimizer.step()
        return Outcome(loss, norm)

    def _clip(self, norm: Tensor | None) -> None:
        """Clips the gradients to the recipe's norm, if it has one. `norm`: what theirs is, if it is known."""
        most = self.recipe.clip_norm
        if most is not None and not self.recipe.clip_before_unscale:
            nn.utils.clip_grads_with_norm_(self.parameters, most, _global_norm(self.parameters) if norm is None else norm)

    def _accumulate(self, micro_batches: Sequence[Batch]) -> Tensor:
        """Gradients of the mean loss over all windows → `.grad`; returns that loss."""
        self.optimizer.zero_grad(set_to_none=True)
        windows = sum(len(batch.y) for batch in micro_batches)
        losses = []
        for i, batch in enumerate(micro_batches):
            share = len(batch.y) / windows
            if self.recipe.void_accumulation and i < len(micro_batches) - 1:
                with torch.no_grad():  # its gradient is thrown away; its dropout masks and running statistics count
                    losses.append(self._loss(batch) * share)
                continue
            loss = self._loss(batch)
            if self.recipe.void_accumulation or len(micro_batches) == 1:
                loss.backward()  # type: ignore[no-untyped-call]
            else:
                (loss * share).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach() * share)
            if self.recipe.clip_before_unscale and self.recipe.clip_norm is not None:
                _clip_scaled(self.parameters, self.recipe.clip_norm, self.loss_scale)
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _loss(self, batch: Batch) -> Tensor:
        with autocast(self.recipe, batch.x.device):
            return self.model.training_loss(*batch)


LOSS_SCALE, LOSS_SCALE_STEPS = 2.0**16, 2000
"""What torch's GradScaler for CUDA begins with, and after how many steps without an overflow it doubles."""


def _clip_scaled(parameters: Sequence[nn.Parameter], clip_norm: float, scale: float) -> None:
    """Clips gradients as if they were multiplied by `scale`, and undoes that: to a norm of at most clip_norm/scale."""
    norm = _global_norm(parameters)
    factor = (clip_norm / (norm * scale + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)


def _global_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    norms = torch._foreach_norm([p.grad for p in parameters if p.grad is not None])
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def _dice(device: torch.device) -> tuple[Tensor, Tensor | None]:
    """The state of the default generators that dropout draws from."""
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _roll_back(dice: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(dice[0])
    if dice[1] is not None:
        torch.cuda.set_rng_state(dice[1])
