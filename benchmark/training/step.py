"""One optimizer step on k micro-batches, with or without SAM (arXiv 2010.01412, algorithm 1; docs/protocols.md, SAM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from baselines.optimizers import SAM, Draws, KerasAdam, Perturbation, global_norm
from benchmark.config.recipe import Training
from benchmark.problems.base import Problem
from benchmark.problems.precision import autocast

LOSS_SCALE, LOSS_SCALE_STEPS = 2.0**16, 2000
"""What torch's GradScaler for CUDA begins with, and after how many steps without an overflow it doubles."""


class Step(NamedTuple):
    """At the weights before a step: mean loss over its windows, global gradient norm; both still on the device."""

    loss: Tensor
    grad_norm: Tensor


def base_optimizer(training: Training, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimizer, at its base learning rate. Fused, as torch has it on CPU and CUDA."""
    rate, betas, eps = training.learning_rate, training.betas, training.eps
    if training.optimizer == "keras_adam":
        return KerasAdam(parameters, lr=rate, betas=betas, eps=eps)
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=betas, eps=eps, weight_decay=training.weight_decay, fused=True)


class Stepper:
    """Takes optimizer steps on a model as a recipe says; the one place where gradients are made."""

    def __init__(self, model: nn.Module, training: Training, problem: Problem) -> None:
        self.model = model
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.buffers = list(model.buffers())
        self.optimizer = base_optimizer(training, self.parameters)
        self.perturbation: Perturbation | None = None if training.rho is None else SAM(self.optimizer, rho=training.rho)
        self.training, self.problem = training, problem
        self.learning_rate = training.learning_rate
        self.loss_scale = LOSS_SCALE

    def set_pace(self, rate: float, beta1: float, steps: int) -> None:
        """Sets learning rate and first beta of the step that follows, the one after so many `steps`."""
        self.learning_rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            group["betas"] = (beta1, group["betas"][1])
        self.loss_scale = LOSS_SCALE * 2.0 ** (steps // LOSS_SCALE_STEPS)

    def step(self, micro_batches: Sequence[Any]) -> Step:
        """One step on the mean gradient over all windows of the micro-batches; an incomplete one weighs by its windows.

        With SAM both gradients are over the SAME micro-batches with the same dropout masks, and the second pass
        moves no running statistics; clipping acts once, on the second. With `void_accumulation` the step is on the last
        micro-batch's gradient alone; with `clip_before_unscale` clipping acts on each micro-batch's.
        """
        draws = Draws({self.parameters[0].device}) if self.perturbation else None
        loss = self.accumulate(micro_batches)
        if self.perturbation is not None and draws is not None:
            norm = self.perturbation.ascend()
            statistics = [b.clone() for b in self.buffers]
            draws.rewind()
            self.accumulate(micro_batches)
            for buffer, kept in zip(self.buffers, statistics, strict=True):
                buffer.copy_(kept)
            self.perturbation.restore()
            self.clip(None)
        else:
            norm = global_norm(self.parameters)
            self.clip(norm)
        self.optimizer.step()
        return Step(loss, norm)

    def clip(self, norm: Tensor | None) -> None:
        """Clips the gradients to the recipe's norm, if it has one. `norm` []: what theirs is, if it is known."""
        most = self.training.clip_norm
        if most is not None and not self.training.clip_before_unscale:
            nn.utils.clip_grads_with_norm_(self.parameters, most, global_norm(self.parameters) if norm is None else norm)

    def accumulate(self, micro_batches: Sequence[Any]) -> Tensor:
        """Gradients of the mean loss over all windows → `.grad`; returns that loss []."""
        self.optimizer.zero_grad(set_to_none=True)
        examples = sum(self.problem.size(batch) for batch in micro_batches)
        losses = []
        for i, batch in enumerate(micro_batches):
            share = self.problem.size(batch) / examples
            if self.training.void_accumulation and i < len(micro_batches) - 1:
                with torch.no_grad():  # its gradient is thrown away; its dropout masks and running statistics count
                    losses.append(self._loss(batch) * share)
                continue
            loss = self._loss(batch)
            if self.training.void_accumulation or len(micro_batches) == 1:
                loss.backward()  # type: ignore[no-untyped-call]
            else:
                (loss * share).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach() * share)
            if self.training.clip_before_unscale and self.training.clip_norm is not None:
                _clip_scaled(self.parameters, self.training.clip_norm, self.loss_scale)
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _loss(self, batch: Any) -> Tensor:
        with autocast(self.training, self.problem.device):
            return self.problem.loss(self.model, batch)


def _clip_scaled(parameters: Sequence[nn.Parameter], clip_norm: float, scale: float) -> None:
    """Clips gradients as if they were multiplied by `scale`, and undoes that: to a norm of at most clip_norm/scale."""
    norm = global_norm(parameters)
    factor = (clip_norm / (norm * scale + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)
