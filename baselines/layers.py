"""Layers that several models share."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.draws import drawn, transformed


def by_hand(x: Tensor) -> bool:
    """Whether backward passes written by hand are for x [...]: on a CPU, and outside of `torch.func`, whose transforms
    want to see every operation. Elsewhere torch's own operations do the same."""
    return x.device.type == "cpu" and not transformed()


class RMSNorm(nn.Module):
    """x/√(mean square + eps) · weight: the mean over the last axis of the weight's, which are the first axes of x."""

    def __init__(self, *shape: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """x [*shape, ...] to the same shape."""
        if transformed():
            return _StackedRMSNorm.apply(x, self.weight, self.eps)[0]  # type: ignore[no-any-return, no-untyped-call]
        normalised: Tensor = _RMSNorm.apply(x, self.weight, self.eps)  # type: ignore[no-untyped-call]
        return normalised


class _RMSNorm(torch.autograd.Function):
    """Keeps x and one number a vector for the way back: torch's own keeps x̂ too, and takes a third more time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        rate = _rms_rate(x, weight, eps)
        ctx.save_for_backward(x, weight, rate)
        return (x * rate).mul_(_upright(weight, x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, rate = ctx.saved_tensors
        heads, width = (1, *weight.shape)[-2:]
        products = (gradient * x).reshape(heads, width, -1)  # [h, e, R]
        rates = rate.reshape(heads, 1, -1)
        of_weight = (products @ rates.mT).view_as(weight)
        along = (weight.view(heads, 1, width) @ products).mul_(rates.pow(3)).div_(width).view_as(rate)
        of_x = (gradient * _upright(weight, x)).mul_(rate).addcmul_(x, along, value=-1)
        return of_x, of_weight, None


class _StackedRMSNorm(torch.autograd.Function):
    """The same in sums over the axes of one replica, in few kernels, and differentiable twice, as `torch.func` wants it.
    The rate comes with it, so that it can be kept for the way back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        axis, kind = weight.ndim - 1, torch.promote_types(x.dtype, torch.float32)  # x may be bfloat16
        norm = torch.linalg.vector_norm(x, dim=axis, keepdim=True, dtype=kind)
        rate = torch.rsqrt(norm.square() / x.shape[axis] + eps)
        return x * rate * _upright(weight, x), rate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:2], output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, of_rate: Tensor | None) -> tuple[Tensor, Tensor | None, None]:
        x, weight, rate = ctx.saved_tensors
        axis, directly, of_weight = weight.ndim - 1, None, None
        if gradient is not None:
            scaled = gradient * _upright(weight, x)
            directly, of_weight = scaled * rate, (gradient * x * rate).sum(dim=tuple(range(weight.ndim, x.ndim)))
            by_rate = (scaled * x).sum(dim=axis, keepdim=True)
            of_rate = by_rate if of_rate is None else by_rate + of_rate
        along = of_rate * rate.pow(3) / x.shape[axis]
        return -along * x if directly is None else torch.addcmul(directly, x, along, value=-1), of_weight, None


def _rms_rate(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """1/√(mean square + eps), the mean over the last axis of the weight's, with that axis 1."""
    axis = weight.ndim - 1
    precise = x.to(torch.promote_types(x.dtype, torch.float32))  # x may be bfloat16
    return torch.rsqrt(precise.square().sum(dim=axis, keepdim=True) / x.shape[axis] + eps)


def _upright(weight: Tensor, x: Tensor) -> Tensor:
    """A weight of the first axes of x, to multiply x with."""
    return weight.view(*weight.shape, *[1] * (x.ndim - weight.ndim))


def project(layer: nn.Linear, x: Tensor) -> Tensor:
    """What a Linear makes of the first axis: x [d, ...] to [d', ...]."""
    projected = torch.addmm(layer.bias[:, None], layer.weight, x.flatten(1))
    return projected.view(-1, *x.shape[1:])


class Dropout(nn.Module):
    """Dropout with probability `rate`, to the nearest of the multiples of 2⁻¹⁶.

    On a CPU the masks come from 16 bits each of torch's default generator, a tenth of the time of torch's own, where
    one draw a number takes a quarter of a training step; and they multiply, since `where` takes ten times as long.
    Raises ValueError unless 0 ≤ rate < 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.level = round(rate * 2**16)
        if not 0 <= self.level < 2**16:
            raise ValueError(f"a dropout rate is at least 0 and under 1, it is {rate}")

    def forward(self, x: Tensor) -> Tensor:
        """x [...] to the same shape; x itself in eval mode."""
        if not (self.training and self.level):
            return x
        if x.device.type != "cpu" and not transformed():
            return F.dropout(x, self.rate)
        return x * drawn(self._factors, x) if x.device.type == "cpu" else dropped(x, self.rate)

    def _factors(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """What a tensor `like` [...] is multiplied by: 0, or a little over 1."""
        factors = mask(draw(like.shape, generator), self.level, torch.empty(like.shape, dtype=like.dtype))
        return factors.mul_(keeping(self.level))


def dropped(x: Tensor, rate: float) -> Tensor:
    """x [...] after dropout; in a transform each replica draws its mask from its own generator."""

    def mask(like: Tensor, generator: torch.Generator | None) -> Tensor:
        return torch.empty_like(like, dtype=torch.bool).bernoulli_(1 - rate, generator=generator)

    masked: Tensor = _Masked.apply(x, drawn(mask, x), 1 / (1 - rate))  # type: ignore[no-untyped-call]
    return masked


class _Masked(torch.autograd.Function):
    """x · mask · scale by torch's kernel for dropout's way back, there and back: on a GPU dropout costs what it reads and
    writes, and a mask of booleans is a quarter of one of factors."""

    @staticmethod
    def forward(x: Tensor, mask: Tensor, scale: float) -> Tensor:
        masked: Tensor = torch.ops.aten.native_dropout_backward(x, mask, scale)
        return masked

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.scale = inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Masked.apply(gradient, *ctx.saved_tensors, ctx.scale), None, None  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], x: Tensor, mask: Tensor, scale: float
    ) -> tuple[Tensor, int]:
        stacked = [
            each.expand(info.batch_size, *each.shape) if at is None else each.movedim(at, 0)
            for each, at in ((x, in_dims[0]), (mask, in_dims[1]))
        ]
        return _Masked.apply(*stacked, scale), 0  # type: ignore[no-untyped-call]


def draw(shape: torch.Size, generator: torch.Generator | None) -> Tensor:
    """16 random bits a number, [*shape] (int16), from a generator (None: torch's default one)."""
    count = math.prod(shape)
    bits = torch.empty(count // 4 + 1, dtype=torch.int64).random_(-(2**63), None, generator=generator)
    return bits.view(torch.int16)[:count].view(shape)


def mask(drawn: Tensor, level: int, out: Tensor) -> Tensor:
    """Fills `out` [*shape], of any kind of number, with 1 where dropout keeps, else (`level` of 2¹⁶ times) 0."""
    return torch.ge(drawn, level - 2**15, out=out)


def keeping(level: int) -> float:
    """What is kept is multiplied by this, so that the mean stays."""
    return 2.0**16 / (2**16 - level)


def attention(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """softmax(QKᵀ/√e)·V without a mask, of queries, keys and values [..., T, e]; dropout acts on the softmax's weights."""
    if not transformed():
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    weights = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, dim=-1)
    if dropout:
        weights = dropped(weights, dropout)
    return weights @ value


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[..., T, d] to one sequence a head, [..., h, T, d/h]."""
    return x.view(*x.shape[:-1], heads, -1).transpose(-2, -3)


def join_heads(x: Tensor) -> Tensor:
    """[..., h, T, d/h] back to [..., T, d]."""
    return x.transpose(-2, -3).flatten(-2)


@torch.no_grad()
def glorot_(layer: nn.Linear, fan_in: int | None = None, fan_out: int | None = None) -> None:
    """Kernel U(±√(6/(fan_in + fan_out))) and a zero bias; the fans are the layer's sizes unless given."""
    fan_in = layer.in_features if fan_in is None else fan_in
    fan_out = layer.out_features if fan_out is None else fan_out
    limit = math.sqrt(6 / (fan_in + fan_out))
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.zeros_(layer.bias)
