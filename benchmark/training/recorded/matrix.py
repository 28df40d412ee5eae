"""A whole step of several trainings as operations on matrices, a row a training, which can be recorded and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from baselines.draws import drawing_again, drawing_from
from baselines.optimizers import SAM
from benchmark.training.adam import Adam
from benchmark.training.recorded import graphs
from benchmark.training.recorded.graphs import Recorded, Recorder
from benchmark.training.replicas import MicroBatch, Stack
from benchmark.training.step import Step, Stepper

MOST_SHARES = 64
"""Of the micro-batches of a step in its examples: as many different ones are kept on the device."""


class Parts(NamedTuple):
    """Of the micro-batches of a step: their examples' numbers [S, B], and how many count in each, by training."""

    examples: list[Tensor]
    counted: tuple[tuple[int, ...], ...]


class Pace(NamedTuple):
    """What changes from step to step, [] each: Adam's betas and what they leave, the length of its step, √(1 − β₂ᵗ), its
    epsilon, what weight decay leaves (AdamW), the scale of the loss."""

    beta1: Tensor
    left1: Tensor
    beta2: Tensor
    left2: Tensor
    length: Tensor
    root: Tensor
    eps: Tensor
    decayed: Tensor
    scale: Tensor


class Matrix(Stack):
    """A stack whose step, norms, SAM, clipping and Adam included, is one computation without a look back at any number, and
    its validation another: on a CUDA device each is a graph, since what costs there is to hand over kernels one by one.

    A training that has ended may stay as a row that nobody sees: to drop it, the step has to be recorded anew.
    """

    def __init__(self, steppers: Sequence[Stepper], recorder: Recorder, say: Callable[[str], None]) -> None:
        super().__init__(steppers)
        self._rows = list(range(len(steppers)))
        self._moments = torch.zeros_like(self._matrix), torch.zeros_like(self._matrix)
        for row, optimizer in enumerate(_adams(steppers)):
            for moment, own in zip(self._moments, optimizer.moments, strict=True):
                moment[row] = own
            optimizer.moments = (self._moments[0][row], self._moments[1][row])
        first = steppers[0]
        self._climbs = first.perturbation is not None
        self._losses, self._norms = self._matrix.new_zeros(len(steppers)), self._matrix.new_zeros(len(steppers))
        self._selecting = self._losses.double()
        self._shares: dict[tuple[tuple[int, ...], ...], Tensor] = {}
        self._every = list(steppers)
        changes = [self._matrix, self._gradient, *self._moments, *self._buffers, self._losses, self._norms]
        self._step = Recorded("the step", self._one_step, changes, self._draws, recorder, say)
        self._validation = Recorded("validation", self._validated, [self._selecting], [], recorder, say)
        self._steady = first.problem.steady

    @staticmethod
    def can(steppers: Sequence[Stepper]) -> bool:
        """Whether these trainings' steps are as it takes them: of Adam, with SAM as it is defined, or without."""
        return len({type(s.perturbation) for s in steppers} | {SAM, type(None)}) == 2 and (
            len({s.perturbation is None for s in steppers}) == 1 and len(_adams(steppers)) == len(steppers)
        )

    @property
    def graphs(self) -> bool:
        """As `Program.graphs`."""
        return self._step.replays

    def goes_on_with(self, steppers: Sequence[Stepper]) -> bool:
        """As `Program.goes_on_with`: also with more than half of its rows, where the step is recorded."""
        if super().goes_on_with(steppers):
            return True
        if not self.graphs or 2 * len(steppers) <= len(self._every) or not set(steppers) < set(self.steppers):
            return False
        for stepper in set(self.steppers) - set(steppers):  # its weights are the selected ones, and stay so
            here = torch.empty_like(stepper.weights.detach()), torch.empty_like(stepper.weights.detach())
            stepper.move(*here, [each.clone() for each in stepper.buffers])
        self.steppers = list(steppers)
        self._rows = [self._every.index(each) for each in steppers]
        return True

    def gather(self, parts: Sequence[Sequence[Tensor]]) -> Parts:
        """As `Program.gather` of parts [n]; a row that nobody sees goes through the examples of another."""
        problem = self.steppers[0].problem
        counted = [tuple(problem.examples(part) for part in its) for its in parts]
        of_row = [self._rows.index(row) if row in self._rows else 0 for row in range(len(self._every))]
        examples = [torch.stack([its[place] for place in of_row]) for its in zip(*parts, strict=True)]
        return Parts(examples, tuple(counted[place] for place in of_row))

    def sizes(self, batches: Any) -> list[int]:
        """By training, how many examples a step is on."""
        return [sum(batches.counted[row]) for row in self._rows]

    def step(self, batches: Any) -> list[Step]:
        """As `Program.step`."""
        if batches.counted not in self._shares:
            if len(self._shares) == MOST_SHARES:  # where targets are missing, each step has others
                self._shares.clear()
            counted = torch.tensor(batches.counted, dtype=torch.float64)  # [S, k]
            self._shares[batches.counted] = (counted / counted.sum(dim=1, keepdim=True)).T.to(self._matrix)
        for stepper in self.steppers:
            stepper.optimizer.steps += 1
        first, rhos = self.steppers[0], [s.perturbation.rho for s in self._every if s.perturbation is not None]
        pace = pace_of(_adams(self.steppers)[0], first.loss_scale, rhos, self._matrix)
        self._step([pace, self._shares[batches.counted], *batches.examples])
        return [Step(self._losses[row], self._norms[row]) for row in self._rows]

    def validate(self, holdouts: Sequence[torch.Generator]) -> list[float]:
        """As `Program.validate`; where a protocol shuffles validation, that is not recorded."""
        if not self._steady:
            return super().validate(holdouts)
        self._validation([])
        found = self._selecting.tolist()
        return [found[row] for row in self._rows]

    def _validated(self, inputs: Sequence[Tensor]) -> None:
        for row, stepper in zip(self._rows, self.steppers, strict=True):
            self._selecting[row] = stepper.problem.selecting(stepper.model)

    @torch.no_grad()
    def _one_step(self, inputs: Sequence[Tensor]) -> None:
        """inputs: as `pace_of` gives them, shares [k, S], and of each micro-batch the examples' numbers [S, B]."""
        pace, shares, *examples = inputs
        many = len(Pace._fields)
        batches, at, drawn = [self._gathered(each) for each in examples], Pace(*pace[:many].unbind()), list[Tensor]()
        self._scale = at.scale
        with drawing_from(self._draws, drawn if self._climbs else None):
            self._losses.copy_(self._accumulate(batches, shares.unbind()))
        norms = self._of_rows()
        self._norms.copy_(norms)
        training = self.steppers[0].training
        if self._climbs:
            weights = self._matrix.clone()
            statistics = [] if training.statistics_twice else [each.clone() for each in self._buffers]
            self._matrix.add_(self._gradient * (pace[many:].to(norms) / (norms + 1e-12))[:, None])
            with drawing_again(drawn):
                self._accumulate(batches, shares.unbind())
            self._matrix.copy_(weights)
            for buffer, value in zip(self._buffers if statistics else (), statistics, strict=True):
                buffer.copy_(value)
            norms = self._of_rows()
        if training.clip_norm is not None and not training.clip_before_unscale:
            self._gradient.mul_((training.clip_norm / (norms + 1e-6)).clamp(max=1.0)[:, None])
        self._adam(at)

    def _gathered(self, examples: Tensor) -> MicroBatch:
        """The micro-batch of the examples of these numbers [S, B]."""
        leaves, form = pytree.tree_flatten(self.steppers[0].problem.batch(examples.flatten()))
        stacked = [e.reshape(*examples.shape, *e.shape[1:]).contiguous() if isinstance(e, Tensor) else None for e in leaves]
        return MicroBatch(stacked, form)

    def _of_rows(self) -> Tensor:
        """The norms of the gradients [S]."""
        norms: Tensor = torch.linalg.vector_norm(self._gradient, dim=1)
        return norms

    def _clip_scaled(self, most: float) -> None:
        self._gradient.mul_((most / (self._of_rows() * self._scale + 1e-6)).clamp(max=1.0)[:, None])

    def _adam(self, at: Pace) -> None:
        """One update, as `Adam.step` makes it. Each operation rounds once, so that a number is the same in any row."""
        optimizer, gradient, (first, second) = _adams(self.steppers)[0], self._gradient, self._moments
        if optimizer.decay and optimizer.decoupled:
            self._matrix.mul_(at.decayed)
        elif optimizer.decay:
            gradient.add_(self._matrix * optimizer.decay)
        first.mul_(at.beta1).add_(gradient * at.left1)
        second.mul_(at.beta2).add_((gradient * gradient).mul_(at.left2))
        self._matrix.sub_((first * at.length).div_(second.sqrt().div_(at.root).add_(at.eps)))


def _adams(steppers: Sequence[Stepper]) -> list[Adam]:
    """Their optimizers, as far as these are Adam or its kin."""
    return [each.optimizer for each in steppers if isinstance(each.optimizer, Adam)]


def pace_of(optimizer: Adam, scale: float, rhos: Sequence[float], like: Tensor) -> Tensor:
    """Of the step whose number an optimizer has, the values of `Pace` and each row's rho, if there is one, [9 + S]; of the
    kind of `like` [...], but on the CPU."""
    t, rate, beta1, beta2 = optimizer.steps, optimizer.rate, optimizer.beta1, optimizer.beta2
    root = math.sqrt(1 - beta2**t)
    values = [beta1, 1 - beta1, beta2, 1 - beta2, rate / (1 - beta1**t), root, optimizer.epsilon(),
              1 - rate * optimizer.decay, scale, *rhos]  # fmt: skip
    return torch.tensor(values, dtype=like.dtype, pin_memory=like.device.type == "cuda")


def program_of(steppers: Sequence[Stepper], say: Callable[[str], None]) -> Stack:
    """The trainings as one program, recorded where something records on their device."""
    recording = graphs.recorder(steppers[0].weights.device)
    return Matrix(steppers, recording, say) if recording is not None and Matrix.can(steppers) else Stack(steppers)
