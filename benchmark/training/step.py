"""One optimizer step on k micro-batches, with or without SAM (arXiv 2010.01412, algorithm 1; docs/protocols.md, SAM)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from baselines.base import Examples, SelfMoving
from baselines.optimizers import global_norm
from baselines.revin import repeated_windows
from benchmark.config.recipe import Training
from benchmark.problems.base import Problem
from benchmark.problems.precision import autocast
from benchmark.training.optimizers.adam import Adam
from benchmark.training.optimizers.flat import flatten, lay, places
from benchmark.training.optimizers.perturbations import perturbation_of
from benchmark.training.optimizers.sgd import SGD
from benchmark.training.streams import default_generators

LOSS_SCALE, LOSS_SCALE_STEPS = 2.0**16, 2000
"""What torch's GradScaler for CUDA begins with, and after how many steps without an overflow it doubles."""


class Step(NamedTuple):
    """At the weights before a step: mean loss over its windows, global gradient norm; both still on the device. With
    `second_pass_loss` the loss is that at the weights that SAM has moved."""

    loss: Tensor
    grad_norm: Tensor


class Planned(NamedTuple):
    """A step to come. number: how many were before it. rate, beta1: of all. rhos, parts: by training, the radius (None: as
    it is) and the examples [n] of each micro-batch."""

    number: int
    rate: float
    beta1: float
    rhos: Sequence[float | None]
    parts: Sequence[Sequence[Tensor]]


class Stepper:
    """One training's weights and what moves them, as a recipe says.

    weights: all weights of the model that are trained, as one vector [n]; `weights.grad` is their gradient (see `flatten`).
    gradients: the parts of that by parameter. draws: the generators that dropout draws from; alone, torch's default ones.
    """

    def __init__(
        self, model: nn.Module, training: Training, problem: Problem, draws: Sequence[torch.Generator] | None = None
    ) -> None:
        self.model, self._by_itself = model, model if isinstance(model, SelfMoving) else None
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        self.weights, self.gradients = flatten(self.parameters)
        self.buffers = list(model.buffers())
        self.optimizer: Adam | SGD = (SGD if training.optimizer == "sgd" else Adam)(training, self.weights)
        parts = zip((name for name, _ in named), places(self.parameters), strict=True)
        self.perturbation = perturbation_of(training, self.optimizer, model, parts)
        self.training, self.problem = training, problem
        self.draws = default_generators(self.weights.device) if draws is None else draws
        self.learning_rate = training.learning_rate
        self.loss_scale = LOSS_SCALE

    def set_pace(self, rate: float, beta1: float, steps: int, rho: float | None = None) -> None:
        """Sets learning rate, first beta and radius of the step that follows, the one after so many `steps`; rho None: the
        radius stays."""
        self.learning_rate = self.optimizer.rate = rate
        self.optimizer.beta1 = beta1
        if self.perturbation is not None and rho is not None:
            self.perturbation.rho = rho
        self.loss_scale = LOSS_SCALE * 2.0 ** (steps // LOSS_SCALE_STEPS)

    def before_training(self, dice: torch.Generator) -> None:
        """What a model does by itself before its first epoch, drawing from `dice`."""
        if self._by_itself is not None:
            self._by_itself.before_training(self._examples(), dice)

    def before_epoch(self, epoch: int) -> None:
        """What a model does by itself before an epoch, from 0."""
        if self._by_itself is not None:
            self._by_itself.before_epoch(epoch, self._examples())

    def _examples(self) -> Examples:
        return Examples(self.problem.counts()[0], self.problem.in_order)

    def update(self) -> None:
        """The optimizer's step on the gradient that is there, and what the model does by itself after it."""
        self.optimizer.step()
        if self._by_itself is not None:
            self._by_itself.after_step()

    def move(self, weights: Tensor, gradient: Tensor, buffers: Sequence[Tensor]) -> None:
        """Has the model's weights [n], their gradient [n] and its buffers lie there; these have their values already."""
        assert self.weights.grad is not None
        self.weights.data, self.weights.grad.data = weights.copy_(self.weights.detach()), gradient.zero_()
        self.gradients = lay(self.parameters, self.weights)
        for buffer, there in zip(self.buffers, buffers, strict=True):
            buffer.data = there

    def clip(self, norm: Tensor | None) -> None:
        """Clips the gradients to the recipe's norm, if it has one. `norm` []: what theirs is, if it is known."""
        most = self.training.clip_norm
        if most is not None and not self.training.clip_before_unscale:
            nn.utils.clip_grads_with_norm_([self.weights], most, global_norm([self.weights]) if norm is None else norm)

    def accumulate(self, micro_batches: Sequence[Any]) -> Tensor:
        """The gradient of the mean loss over all windows → `weights.grad`; returns that loss []."""
        sizes = [self.problem.size(batch) for batch in micro_batches]
        examples, losses, fresh = sum(sizes), [], True
        for i, (batch, size) in enumerate(zip(micro_batches, sizes, strict=True)):
            share = size / examples
            if self.training.void_accumulation and i < len(micro_batches) - 1:
                with torch.no_grad():  # its gradient is thrown away; its dropout masks and running statistics count
                    losses.append(self._loss(batch) * share)
                continue
            loss, gradients = self._gradients(batch)
            self._add(gradients, 1.0 if self.training.void_accumulation else share, fresh)
            fresh = False
            losses.append(loss if share == 1 else loss * share)
            if self.training.clip_before_unscale and self.training.clip_norm is not None:
                clip_scaled(self.weights, self.training.clip_norm, self.loss_scale)
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _gradients(self, batch: Any) -> tuple[Tensor, Sequence[Tensor | None]]:
        """The loss [] of a batch, and its gradient by parameter; None for one that it does not depend on."""
        derived = self.problem.gradients(self.model, batch)
        if derived is not None:
            return derived
        loss = self._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return loss.detach(), gradients

    def _add(self, gradients: Sequence[Tensor | None], share: float, fresh: bool) -> None:
        """share·gradients → `weights.grad`; `fresh`: in place of what is there, else added to it.

        Not left to autograd: adding to what is there costs it three times as much a parameter.
        """
        found = [(part, each) for part, each in zip(self.gradients, gradients, strict=True) if each is not None]
        if fresh and len(found) < len(self.gradients):
            self.optimizer.gradient.zero_()
        if not found:
            return
        parts, new = [part for part, _ in found], [each for _, each in found]
        if share != 1:
            new = list(torch._foreach_mul(new, share))
        (torch._foreach_copy_ if fresh else torch._foreach_add_)(parts, new)

    def _loss(self, batch: Any) -> Tensor:
        with autocast(self.training, self.problem.device):
            return self.problem.loss(self.model, batch)


class _Sums:
    """Of an epoch's steps, on the device."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), device=device)
        self._norm = torch.zeros_like(self._loss)
        self._seen = self._steps = 0

    def add(self, step: Step, weight: int) -> None:
        """A step on so many examples."""
        self._loss.add_(step.loss, alpha=weight)
        self._norm += step.grad_norm
        self._seen += weight
        self._steps += 1

    def means(self) -> tuple[float, float]:
        """(mean loss, mean gradient norm)."""
        return float(self._loss) / max(1, self._seen), float(self._norm) / max(1, self._steps)


class Program:
    """Trainings of one recipe, but for rho, that take their steps together: each pass of one after that of another.

    Their models, batches and random numbers have nothing in common, so a training does not depend on its companions.
    """

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        self.steppers = steppers
        self._sums = [_Sums(each.weights.device) for each in steppers]

    @property
    def graphs(self) -> bool:
        """Whether its steps are replayed as CUDA graphs."""
        return False

    def goes_on_with(self, steppers: Sequence[Stepper]) -> bool:
        """Whether it trains these from here on; where not, another program is to be made."""
        return list(steppers) == list(self.steppers)

    def epoch(self, planned: Sequence[Planned]) -> Iterator[Any]:
        """What `step` takes, step by step, each with its pace; `means` are of these."""
        problem = self.steppers[0].problem
        self._sums = [_Sums(problem.device) for _ in self.steppers]
        for each in planned:
            self._set_pace(each)
            yield [[problem.batch(part) for part in its] for its in each.parts]

    def _set_pace(self, planned: Planned) -> None:
        for stepper, rho in zip(self.steppers, planned.rhos, strict=True):
            stepper.set_pace(planned.rate, planned.beta1, planned.number, rho)

    def means(self) -> list[tuple[float, float]]:
        """By training, mean loss over the examples and mean gradient norm over the steps of the epoch, read back."""
        return [each.means() for each in self._sums]

    def validate(self, holdouts: Sequence[torch.Generator]) -> list[float]:
        """By training, the metric on validation that selects. holdouts: of a protocol that shuffles validation."""
        return [s.problem.validate(s.model, holdout) for s, holdout in zip(self.steppers, holdouts, strict=True)]

    def step(self, batches: Sequence[Sequence[Any]]) -> list[Step]:
        """One step of each, on the mean gradient over all windows of its micro-batches; an incomplete one weighs by its
        windows. batches: by training, as many micro-batches for each.

        With SAM both gradients are over the SAME micro-batches with the same dropout masks, and the second pass
        moves no running statistics (but with `statistics_twice`); clipping acts once, on the second (GSAM: on what it makes
        of both). With `void_accumulation` the step is on the last micro-batch's gradient alone; with `clip_before_unscale`
        clipping acts on each micro-batch's.
        """
        climbing = [(s, s.perturbation) for s in self.steppers if s.perturbation is not None]
        drawn = [(generator, generator.get_state()) for s, _ in climbing for generator in s.draws]
        with repeated_windows():
            losses = self.accumulate(batches)
            if climbing:
                norms = [perturbation.ascend() for _, perturbation in climbing]
                statistics = [[] if s.training.statistics_twice else [b.clone() for b in s.buffers] for s, _ in climbing]
                for generator, state in drawn:
                    generator.set_state(state)
                there = self.accumulate(batches)
                losses = there if self.steppers[0].training.second_pass_loss else losses
                for (stepper, perturbation), kept in zip(climbing, statistics, strict=True):
                    for buffer, value in zip(stepper.buffers if kept else (), kept, strict=True):
                        buffer.copy_(value)
                    perturbation.restore()
                    stepper.clip(None)
            else:
                norms = [global_norm([s.weights]) for s in self.steppers]
                for stepper, norm in zip(self.steppers, norms, strict=True):
                    stepper.clip(norm)
        for stepper in self.steppers:
            stepper.update()
        steps = [Step(loss, norm) for loss, norm in zip(losses, norms, strict=True)]
        for total, one, stepper, its in zip(self._sums, steps, self.steppers, batches, strict=True):
            total.add(one, sum(stepper.problem.size(batch) for batch in its))
        return steps

    def accumulate(self, batches: Sequence[Sequence[Any]]) -> list[Tensor]:
        """By training the gradient of its mean loss → `weights.grad`; returns that loss [] of each."""
        return [stepper.accumulate(its) for stepper, its in zip(self.steppers, batches, strict=True)]


def clip_scaled(weights: nn.Parameter, clip_norm: float, scale: float) -> None:
    """Clips a gradient as if it were multiplied by `scale`, and undoes that: to a norm of at most clip_norm/scale."""
    assert weights.grad is not None
    weights.grad.mul_((clip_norm / (global_norm([weights]) * scale + 1e-6)).clamp(max=1.0))
