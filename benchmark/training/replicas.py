"""Several trainings as one program: their passes are one pass over stacked weights (torch.func, `vmap`)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.modules.dropout import _DropoutNd
from torch.utils import _pytree as pytree

from baselines.base import SelfMoving
from baselines.draws import drawing_from
from benchmark.config.recipe import Training
from benchmark.problems.base import Problem
from benchmark.problems.precision import autocast
from benchmark.training.device import by_itself
from benchmark.training.optimizers.flat import side_by_side
from benchmark.training.step import Program, Stepper, clip_scaled
from benchmark.training.streams import default_generators, generator, own_generators

Named = dict[str, Tensor]


class MicroBatch(NamedTuple):
    """A micro-batch of each of S trainings: its tensors [S, B, ...] (None: no tensor), and how they belong together."""

    leaves: list[Tensor | None]
    form: Any


class Stack(Program):
    """S trainings, one pass for all: the weights lie one row a training in one matrix [S, n], so do their gradients, and
    each buffer, running statistics among them, is stacked too.

    What is no pass (norms, SAM, clipping, Adam) is each row's own, as in a training alone. So a row that has become NaN
    stays one row. The models compute by their plain forms, so the last digits are not those of a training alone.
    """

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        super().__init__(steppers)
        first = steppers[0]
        weights = torch.empty(len(steppers), len(first.weights), dtype=first.weights.dtype, device=first.weights.device)
        gradient, buffers = (
            torch.empty_like(weights),
            [torch.stack(each) for each in zip(*(s.buffers for s in steppers), strict=True)],
        )
        for row, stepper in enumerate(steppers):
            stepper.move(weights[row], gradient[row], [each[row] for each in buffers])
        self._loss = _Loss(first)
        self._matrix, self._gradient, self._buffers = weights, gradient, buffers
        self._draws = [stepper.draws[-1] for stepper in steppers]
        self._weights = _rows(first, weights)
        untrained = [
            (n, [s.model.get_parameter(n) for s in steppers])
            for n, p in first.model.named_parameters()
            if not p.requires_grad
        ]
        self._others = dict(zip((n for n, _ in first.model.named_buffers()), buffers, strict=True))
        self._others |= {name: torch.stack([p.detach() for p in each]) for name, each in untrained}

    def accumulate(self, batches: Sequence[Sequence[Any]]) -> list[Tensor]:
        """As `Program.accumulate`: the gradient of each → its row [n]; returns the loss [] of each."""
        problem = self.steppers[0].problem
        sizes = torch.tensor([[problem.size(batch) for batch in its] for its in batches], dtype=torch.float64)  # [S, k]
        shares = (sizes / sizes.sum(dim=1, keepdim=True)).to(self._gradient)
        stacked = [_stacked(its) for its in zip(*batches, strict=True)]
        with drawing_from(self._draws):
            return list(self._accumulate(stacked, shares.unbind(dim=1)).unbind())

    def _accumulate(self, batches: Sequence[MicroBatch], shares: Sequence[Tensor]) -> Tensor:
        """The gradients of micro-batches → the rows; returns the losses [S]. shares [S] of each in its step."""
        training = self.steppers[0].training
        losses, fresh = torch.zeros_like(shares[0]), True
        for i, (share, batch) in enumerate(zip(shares, batches, strict=True)):
            if training.void_accumulation and i < len(shares) - 1:
                with torch.no_grad():  # its gradient is thrown away; its dropout masks and running statistics count
                    losses += self._passes(self._loss.value, batch, share)[1] * share
                continue
            weight = torch.ones_like(share) if training.void_accumulation else share
            of_weights, (_, loss) = self._passes(grad_and_value(self._loss.value, has_aux=True), batch, weight)
            rows = side_by_side(list(of_weights.values()))
            if fresh:
                torch.cat(rows, dim=1, out=self._gradient)
            else:
                self._gradient += torch.cat(rows, dim=1)
            fresh = False
            losses += loss * share
            if training.clip_before_unscale and training.clip_norm is not None:
                self._clip_scaled(training.clip_norm)
        return losses

    def _clip_scaled(self, most: float) -> None:
        for stepper in self.steppers:
            clip_scaled(stepper.weights, most, stepper.loss_scale)

    def _passes(self, function: Callable[..., Any], batch: MicroBatch, weight: Tensor) -> Any:
        """A function of one training's weights, buffers, batch and weight, of all of them at once."""
        where = [None if each is None else 0 for each in batch.leaves]

        def of_one(weights: Named, others: Named, leaves: list[Any], weight: Tensor) -> Any:
            return function(weights, others, pytree.tree_unflatten(leaves, batch.form), weight)

        return vmap(of_one, in_dims=(0, 0, where, 0))(self._weights, self._others, batch.leaves, weight)


def _stacked(its: Sequence[Any]) -> MicroBatch:
    """One micro-batch of the batches of all trainings."""
    leaves, forms = zip(*(pytree.tree_flatten(batch) for batch in its), strict=True)
    tensors = [torch.stack(each) if isinstance(each[0], Tensor) else None for each in zip(*leaves, strict=True)]
    return MicroBatch(tensors, forms[0])


def why_not_stacked(model: nn.Module, training: Training, problem: Problem) -> str | None:
    """Why trainings of a model cannot be one program, in words; None: they can. Two copies of it are tried on two examples.

    What draws random numbers in another way than by `baselines.draws` would have each training depend on its companions.
    """
    if any(isinstance(each, _DropoutNd) and each.p for each in model.modules()):
        return "its dropout is torch's own, which cannot draw for each training from a generator of its own"
    if isinstance(model, SelfMoving):
        return "it moves its weights by itself between steps, each in its own way"
    with by_itself:
        return _why_not_stacked(model, training, problem)


def _why_not_stacked(model: nn.Module, training: Training, problem: Problem) -> str | None:
    part = problem.micro_batches(generator(0, "trial"), training.batch_size)[0][:2]
    defaults = default_generators(problem.device)
    before = [each.get_state() for each in defaults]
    try:
        steppers = [
            Stepper(copy.deepcopy(model).train(), training, problem, own_generators(problem.device, seed, "trial"))
            for seed in range(2)
        ]
        Stack(steppers).accumulate([[problem.batch(part)], [problem.batch(part)]])
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return f"torch.func says: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"
    finally:
        drawn = any(not torch.equal(each.get_state(), state) for each, state in zip(defaults, before, strict=True))
        for each, state in zip(defaults, before, strict=True):
            each.set_state(state)
    return "it draws random numbers from torch's default generator" if drawn else None


class _Loss(nn.Module):
    """A problem's loss as a module, since `functional_call` calls modules."""

    def __init__(self, stepper: Stepper) -> None:
        super().__init__()
        self.model = stepper.model
        self._problem, self._training = stepper.problem, stepper.training

    def forward(self, batch: Any) -> Tensor:
        """The loss [] of a batch."""
        with autocast(self._training, self._problem.device):
            return self._problem.loss(self.model, batch)

    def value(self, weights: Named, others: Named, batch: Any, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The loss [] of a batch at given weights and buffers, times `weight` [], and the loss itself."""
        loss = functional_call(self, {f"model.{name}": each for name, each in (weights | others).items()}, (batch,))
        return loss * weight, loss.detach()


def _rows(stepper: Stepper, matrix: Tensor) -> Named:
    """The columns of a matrix [S, n] by the name of the parameter that they belong to, each [S, …] as it is shaped."""
    named = [(name, p) for name, p in stepper.model.named_parameters() if p.requires_grad]
    places = [p.storage_offset() - stepper.weights.storage_offset() for _, p in named]
    return {
        name: matrix[:, at : at + p.numel()].view(len(matrix), *p.shape)
        for at, (name, p) in zip(places, named, strict=True)
    }
