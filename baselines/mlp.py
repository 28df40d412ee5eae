"""Two linear layers, an activation and dropout between them, and a hidden layer that stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.draws import drawn, transformed
from baselines.layers import Dropout, by_hand, keeping, mask

Activation = Literal["relu", "gelu"]

CHUNK, FEWEST = 2**17, 256
"""Numbers of the hidden layer at once, 512 KiB, so that what is done to them in turn finds them in the cache; and the
fewest columns, under which products are slow. Masks are drawn a chunk at a time: other sizes would be another training."""


def mlp(x: Tensor, up: nn.Linear, down: nn.Linear, activation: Activation, dropout: Dropout) -> Tensor:
    """down(dropout(activation(up(x)))) of the first axis of x [d, R], to [d', R], which lies in memory as x does.

    On a CPU a hidden layer that is wider than what it is between costs more in traffic to memory than in products, so it is
    made a chunk of columns at a time.
    """
    if not by_hand(x):
        hidden = up(x.T)
        hidden = F.relu(hidden) if activation == "relu" else F.gelu(hidden)
        hidden = _as_by_hand(hidden, dropout) if transformed() and x.device.type == "cpu" else dropout(hidden)
        return F.linear(hidden, down.weight, down.bias).T
    level = dropout.level if dropout.training else 0
    seed = _seed(None) if level else 0
    function = _ReluMLP if activation == "relu" else _GeluMLP
    given = x, up.weight, up.bias, down.weight, down.bias, level, seed, torch.is_grad_enabled()
    out: Tensor = function.apply(*given)  # type: ignore[no-untyped-call]
    return out


def _seed(generator: torch.Generator | None) -> int:
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))


def _as_by_hand(hidden: Tensor, dropout: Dropout) -> Tensor:
    """Dropout of the hidden layer [R, F] with the masks that it has where it is made a chunk of columns at a time."""
    if not (dropout.training and dropout.level):
        return hidden

    def factors(like: Tensor, generator: torch.Generator | None) -> Tensor:
        columns = like.new_empty(1, len(like))
        chunks = [buffer.mask.clone() for _, buffer in _chunks(columns, like.shape[1], dropout.level, _seed(generator))]
        return torch.cat(chunks, dim=1).T.mul(keeping(dropout.level))

    return hidden * drawn(factors, hidden)


class _ReluMLP(torch.autograd.Function):
    """Keeps the hidden layer after its mask: it is above 0 where activation and mask let it through."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor, level: int, seed: int, kept: bool
    ) -> Tensor:
        out, scaled = _like(x, len(down)), down * keeping(level)
        hidden = []
        for at, buffer in _chunks(x, len(up), level, seed):
            into = x.new_empty(buffer.mask.shape) if kept else buffer.hidden
            torch.addmm(up_bias[:, None], up, x[:, at], out=into).relu_()
            if level:
                into.mul_(buffer.mask)
            torch.addmm(down_bias[:, None], scaled, into, out=out[:, at])
            hidden.append(into)
        ctx.save_for_backward(x, up, down, *(hidden if kept else ()))
        ctx.level = level
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, up, down, *hidden = ctx.saved_tensors
        ends = _Gradients(x, up, down, gradient, ctx.level)
        for (at, buffer), after in zip(_chunks(x, len(up), 0, 0), hidden, strict=True):
            of_hidden = ends.of_activated(at, after, buffer.gradient)
            torch.ops.aten.threshold_backward.grad_input(of_hidden, after, 0, grad_input=of_hidden)
            ends.before(at, of_hidden)
        return *ends.all(), None, None, None


class _GeluMLP(torch.autograd.Function):
    """Keeps nothing of the hidden layer but the seed of its masks: it is made again on the way back."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor, level: int, seed: int, kept: bool
    ) -> Tensor:
        out, scaled = _like(x, len(down)), down * keeping(level)
        for at, buffer in _chunks(x, len(up), level, seed):
            torch.addmm(up_bias[:, None], up, x[:, at], out=buffer.hidden)
            torch.addmm(down_bias[:, None], scaled, buffer.gelu(level), out=out[:, at])
        ctx.save_for_backward(x, up, up_bias, down)
        ctx.drawn = level, seed
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, up, up_bias, down = ctx.saved_tensors
        level, seed = ctx.drawn
        ends = _Gradients(x, up, down, gradient, level)
        for at, buffer in _chunks(x, len(up), level, seed):
            torch.addmm(up_bias[:, None], up, x[:, at], out=buffer.hidden)
            of_hidden = ends.of_activated(at, buffer.gelu(level), buffer.gradient)
            if level:
                of_hidden.mul_(buffer.mask)
            torch.ops.aten.gelu_backward.grad_input(of_hidden, buffer.hidden, grad_input=of_hidden)
            ends.before(at, of_hidden)
        return *ends.all(), None, None, None


class _Gradients:
    """Those of x, weights and biases, added up over the chunks; gradient [d', R] is that of what came out."""

    def __init__(self, x: Tensor, up: Tensor, down: Tensor, gradient: Tensor, level: int) -> None:
        self.inputs, self.up, self.gradient, self.level = x, up, gradient, level
        self.scaled = (down * keeping(level)).T  # [F, d']
        self.x, self.up_weight, self.down_weight = _like(x, len(x)), torch.zeros_like(up), torch.zeros_like(down)
        self.up_bias = up.new_zeros(len(up))

    def of_activated(self, at: slice, activated: Tensor, out: Tensor) -> Tensor:
        """That [F, n] of the hidden layer after its mask, into `out`."""
        self.down_weight.addmm_(self.gradient[:, at], activated.T)
        return torch.mm(self.scaled, self.gradient[:, at], out=out)

    def before(self, at: slice, of_hidden: Tensor) -> None:
        """Takes that [F, n] of the hidden layer before its activation to x and to what made it."""
        self.up_weight.addmm_(of_hidden, self.inputs[:, at].T)
        self.up_bias.add_(of_hidden.sum(dim=1))
        torch.mm(self.up.T, of_hidden, out=self.x[:, at])

    def all(self) -> tuple[Tensor, ...]:
        """Of x, of weight and bias on the way up, and on the way down."""
        down = self.down_weight.mul_(keeping(self.level))
        return self.x, self.up_weight, self.up_bias, down, self.gradient.sum(dim=1)


class _Buffer:
    """What becomes of a chunk of columns, [F, n] each: hidden, gradient, mask (1 or 0)."""

    def __init__(self, memory: Tensor, width: int, count: int) -> None:
        """memory [4, …]: where they lie."""
        parts = (part[: width * count].view(width, count) for part in memory)
        self.hidden, self.gradient, self.mask, self._activated = parts

    def gelu(self, level: int) -> Tensor:
        """GELU of what is hidden, 0 where the mask has 0; not scaled for what dropout takes away."""
        activated: Tensor = torch.ops.aten.gelu.out(self.hidden, out=self._activated)
        return activated.mul_(self.mask) if level else activated


def _chunks(x: Tensor, width: int, level: int, seed: int) -> Iterator[tuple[slice, _Buffer]]:
    """All columns of x [d, R] in their order; with one seed, with the same masks."""
    columns = min(x.shape[1], max(FEWEST, CHUNK // width))
    memory, random = x.new_empty(4, width * columns), np.random.Generator(np.random.SFC64(seed))
    for first in range(0, x.shape[1], columns):
        at = slice(first, min(first + columns, x.shape[1]))
        buffer = _Buffer(memory, width, at.stop - at.start)
        if level:
            bits = random.integers(-(2**63), 2**63 - 1, buffer.mask.numel() // 4 + 1, dtype=np.int64, endpoint=True)
            mask(torch.from_numpy(bits.view(np.int16))[: buffer.mask.numel()].view_as(buffer.mask), level, buffer.mask)
        yield at, buffer


def _like(x: Tensor, width: int) -> Tensor:
    """An empty [width, R] that lies in memory as x [d, R] does: feature after feature, or column after column."""
    return x.new_empty(x.shape[1], width).T if x.stride(0) == 1 else x.new_empty(width, x.shape[1])
