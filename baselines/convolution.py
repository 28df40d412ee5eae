"""Convolutions over time that several replicas may go through as one program."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.draws import transformed

Form = tuple[int, int, int]
"""Stride, padding, groups."""


def convolve(layer: nn.Conv1d, x: Tensor) -> Tensor:
    """What a Conv1d with zeros around makes of x [B, C, L].

    Where several replicas are one program, torch would make one convolution of many groups of theirs, and the last digits
    of one would depend on how many there are; so each has its own.
    """
    form = int(layer.stride[0]), int(layer.padding[0]), layer.groups
    if not transformed():
        return F.conv1d(x, layer.weight, layer.bias, *form[:2], groups=form[2])
    convolved: Tensor = _Convolution.apply(x, layer.weight, layer.bias, form)  # type: ignore[no-untyped-call]
    return convolved


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, form: Form) -> Tensor:
        return F.conv1d(x, weight, bias, *form[:2], groups=form[2])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Form], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.form = inputs[3]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *_Gradients.apply(gradient, *ctx.saved_tensors, ctx.form), None  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Tensor, int]:
        each = [_Convolution.apply(*_of(row, in_dims, given)) for row in range(info.batch_size)]  # type: ignore[no-untyped-call]
        return torch.stack(each), 0


class _Gradients(torch.autograd.Function):
    """Those of x, weight and bias: a function of its own, since under `vmap` they too are made a replica at a time. Where
    the way there was in bfloat16 (autocast), so is the gradient, and so is this."""

    @staticmethod
    def forward(gradient: Tensor, x: Tensor, weight: Tensor, form: Form) -> tuple[Tensor, Tensor, Tensor]:
        stride, padding, groups = form
        x, weight = x.to(gradient), weight.to(gradient)
        found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
            gradient, x, weight, [len(weight)], [stride], [padding], [1], False, [0], groups, [True, True, True]
        )
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, ...]:
        return None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        each = [_Gradients.apply(*_of(row, in_dims, given)) for row in range(info.batch_size)]  # type: ignore[no-untyped-call]
        return tuple(torch.stack(of_all) for of_all in zip(*each, strict=True)), (0, 0, 0)


def _of(row: int, in_dims: tuple[int | None, ...], given: tuple[Any, ...]) -> list[Any]:
    """What one replica is given; the form is that of all."""
    return [value.select(axis, row) if isinstance(axis, int) else value for value, axis in zip(given, in_dims, strict=True)]
