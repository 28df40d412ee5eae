"""A whole step of several trainings as operations on matrices, a row a training, which can be recorded and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from baselines.draws import drawing_again, drawing_from
from baselines.optimizers import SAM
from benchmark.training.optimizers.adam import Adam
from benchmark.training.recorded import graphs
from benchmark.training.recorded.graphs import Recorded, Recorder
from benchmark.training.replicas import MicroBatch, Stack
from benchmark.training.step import Planned, Step, Stepper


class Pace(NamedTuple):
    """What changes from step to step, [] each: Adam's betas and what they leave, the length of its step, √(1 − β₂ᵗ), its
    epsilon, what weight decay leaves (AdamW), the scale of the loss, the learning rate, the step's number t from 1."""

    beta1: Tensor
    left1: Tensor
    beta2: Tensor
    left2: Tensor
    length: Tensor
    root: Tensor
    eps: Tensor
    decayed: Tensor
    scale: Tensor
    rate: Tensor
    number: Tensor


Inputs = tuple[Tensor, Tensor, tuple[int, ...]]
"""Of a step: the values of `Pace`, then by row rho (0 without SAM), how many examples count, and the share that each of k
micro-batches has in these [11 + (2 + k)·S]; the examples' numbers [S, n], micro-batch after micro-batch; how many of these
are each micro-batch's."""


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
        self._latest = [Step(*each) for each in zip(self._losses, self._norms, strict=True)]
        self._totals = torch.zeros_like(self._losses), torch.zeros_like(self._norms)
        self._seen, self._steps = [0] * len(steppers), 0
        self._selecting = self._losses.double()
        self._every = list(steppers)
        changes = [self._matrix, self._gradient, *self._moments, *self._buffers, self._losses, self._norms, *self._totals]
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

    def epoch(self, planned: Sequence[Planned]) -> Iterator[Inputs]:
        """As `Program.epoch`. What the steps of one form take goes to the device at once, since handing over a number costs
        as much there as a kernel."""
        for total in self._totals:
            total.zero_()
        self._seen, self._steps = [0] * len(self._every), 0
        for sizes, alike in groupby(planned, lambda each: tuple(len(part) for part in each.parts[0])):
            yield from self._inputs(list(alike), sizes)

    def _inputs(self, planned: Sequence[Planned], sizes: tuple[int, ...]) -> Iterator[Inputs]:
        """Of steps with micro-batches of these sizes. A row that nobody sees goes through the examples of another."""
        first, problem = self.steppers[0], self.steppers[0].problem
        of_row = [self._rows.index(row) if row in self._rows else 0 for row in range(len(self._every))]
        numbers, examples = [], []
        for each in planned:
            self._set_pace(each)
            for optimizer in _adams(self.steppers):
                optimizer.steps += 1
            rhos = [s.perturbation.rho if s.perturbation is not None else 0.0 for s in self._every]
            counted = [[problem.examples(part) for part in each.parts[place]] for place in of_row]  # [S, k]
            seen = [sum(its) for its in counted]
            shares = [its[i] / sum(its) for i in range(len(counted[0])) for its in counted]  # [k, S]
            numbers.append([*pace_of(_adams(self.steppers)[0], first.loss_scale), *rhos, *seen, *shares])
            examples += [part for place in of_row for part in each.parts[place]]
            self._seen, self._steps = [a + b for a, b in zip(self._seen, seen, strict=True)], self._steps + 1
        to = partial(_sent, device=self._matrix.device)
        values = to(torch.tensor(numbers, dtype=self._matrix.dtype))
        there = to(torch.cat(examples)).view(len(planned), len(of_row), -1)
        yield from ((its, each, sizes) for its, each in zip(values, there, strict=True))

    def means(self) -> list[tuple[float, float]]:
        """As `Program.means`."""
        losses, norms = (total.tolist() for total in self._totals)
        return [(losses[row] / max(1, self._seen[row]), norms[row] / max(1, self._steps)) for row in self._rows]

    def step(self, batches: Any) -> list[Step]:
        """As `Program.step`."""
        self._step(batches)
        return [self._latest[row] for row in self._rows]

    def validate(self, holdouts: Sequence[torch.Generator]) -> list[float]:
        """As `Program.validate`; where a protocol shuffles validation, that is not recorded."""
        if not self._steady:
            return super().validate(holdouts)
        self._validation([])
        found = self._selecting.tolist()
        return [found[row] for row in self._rows]

    def _validated(self, inputs: Sequence[Any]) -> None:
        for row, stepper in zip(self._rows, self.steppers, strict=True):
            self._selecting[row] = stepper.problem.selecting(stepper.model)

    @torch.no_grad()
    def _one_step(self, inputs: Sequence[Any]) -> None:
        """inputs: as `Inputs` has them."""
        values, examples, sizes = inputs
        many, training = len(Pace._fields), self.steppers[0].training
        at, (rhos, seen, *shares) = Pace(*values[:many].unbind()), values[many:].view(-1, len(self._every)).unbind()
        batches, drawn = [self._gathered(each) for each in examples.split(sizes, dim=1)], list[Tensor]()
        self._scale = at.scale
        with drawing_from(self._draws, drawn if self._climbs else None):
            self._losses.copy_(self._accumulate(batches, shares))
        norms = self._of_rows()
        self._norms.copy_(norms)
        if self._climbs:
            weights = self._matrix.clone()
            statistics = [] if training.statistics_twice else [each.clone() for each in self._buffers]
            self._matrix.add_(self._gradient * (rhos / (norms + 1e-12))[:, None])
            with drawing_again(drawn):
                there = self._accumulate(batches, shares)
            if training.second_pass_loss:
                self._losses.copy_(there)
            self._matrix.copy_(weights)
            for buffer, value in zip(self._buffers if statistics else (), statistics, strict=True):
                buffer.copy_(value)
            norms = self._of_rows()
        for total, summand in zip(self._totals, (self._losses * seen, self._norms), strict=True):
            total.add_(summand)
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
        """One update, as `Adam.step` makes it: in torch's kernel, which reads and writes a fifth as much, where no more
        changes from step to step than what that takes as tensors (float32 on a CUDA device). Else each operation rounds
        once, so that a number is the same in any row.
        """
        optimizer, gradient, (first, second) = _adams(self.steppers)[0], self._gradient, self._moments
        if self._matrix.dtype == torch.float32 and not optimizer.keras and not self.steppers[0].training.cycled_beta1:
            optimizer.kernel(
                [self._matrix], [gradient], [first], [second], [], [at.number], lr=at.rate, beta1=optimizer.beta1,
                beta2=optimizer.beta2, weight_decay=optimizer.decay, eps=optimizer.eps, amsgrad=False, maximize=False,
            )  # fmt: skip
            return
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


def pace_of(optimizer: Adam, scale: float) -> list[float]:
    """The values of `Pace` for the step whose number an optimizer has."""
    t, rate, beta1, beta2 = optimizer.steps, optimizer.rate, optimizer.beta1, optimizer.beta2
    root = math.sqrt(1 - beta2**t)
    return [beta1, 1 - beta1, beta2, 1 - beta2, rate / (1 - beta1**t), root, optimizer.epsilon(),
            1 - rate * optimizer.decay, scale, rate, t]  # fmt: skip


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; nobody waits for it."""
    away = device.type == "cuda" and tensor.device.type == "cpu"
    return (tensor.pin_memory() if away else tensor).to(device, non_blocking=True)


def program_of(steppers: Sequence[Stepper], say: Callable[[str], None]) -> Stack:
    """The trainings as one program, recorded where something records on their device."""
    recording = graphs.recorder(steppers[0].weights.device)
    return Matrix(steppers, recording, say) if recording is not None and Matrix.can(steppers) else Stack(steppers)
