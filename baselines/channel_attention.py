"""SAMformer's passes over the tokens, with a backward pass written by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from baselines.draws import transformed
from baselines.layers import attention
from baselines.revin import WayBack, check_time_last, way_back, way_back_gradients

BY_HAND = 64
"""Up to so many channels the backward pass is our own. Its attention is written out, [B, C, C], which costs nothing at 7
channels; at 862 torch's kernel, which never forms it, takes a third of the time."""


class Projected(NamedTuple):
    """All that reads the tokens X, as one product.

    kernel [M, L]: query, key, value and forecaster below each other, M their outputs together. bias [M]. mix [H, V]: from
    the attention's output to the horizon. sizes: M by layer.
    """

    kernel: Tensor
    bias: Tensor
    mix: Tensor
    sizes: list[int]


def project(parts: tuple[Tensor, ...]) -> Projected:
    """parts: weight [d, L] and bias [d] of query, key, value and forecaster, then of the output projection if there is one.

    The forecaster is linear, so it is applied to X and to the attention's output apart: X + attention(X) is never formed.
    """
    weights, biases = list(parts[0:8:2]), list(parts[1:8:2])
    mix = weights[3]
    if len(parts) > 8:
        # A product with a vector is another kernel for one replica than for several, with other last digits.
        moved = (
            biases[3] + (weights[3] * parts[9]).sum(dim=1)
            if transformed()
            else torch.addmv(biases[3], weights[3], parts[9])
        )
        mix, biases[3] = mix @ parts[8], moved
    return Projected(torch.cat(weights), torch.cat(biases), mix, [len(w) for w in weights])


def plainly(tokens: Tensor, scale: Tensor | None, shift: Tensor | None, *parts: Tensor) -> Tensor:
    """As `_pass`, tokens [B, C, L] to [B, C, H], in torch's own operations."""
    kernel, bias, mix, sizes = project(parts)
    if scale is None or shift is None:
        projected = F.linear(tokens, kernel, bias)  # [B, C, M]
    else:
        shifted = torch.addcmul(bias, shift[:, None], kernel.sum(dim=1))  # [C, M]
        projected = torch.addcmul(shifted, F.linear(tokens, kernel), scale[:, None])
    query, key, value, direct = torch.split(projected, sizes, dim=-1)
    # torch's kernels want an axis of heads: [B, 1, C, width]
    attended = attention(query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)).squeeze(1)  # [B, C, V]
    return direct + F.linear(attended, mix)


class Passes(torch.autograd.Function):
    """The forecast before the way back, with a backward pass written by hand: torch's own is a hundred small calls."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        """As `_pass`, to [B, C, H]."""
        forecast, ctx.kept = _pass(*given)
        return forecast

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As `_pass_back`, for a gradient [B, C, H]."""
        return None, *_pass_back(ctx.kept, gradient)


Ends = tuple[float, Tensor, Tensor, Tensor]
"""`denorm_eps`, RevIN's mean and std [B, C, 1], and the target [B, C, H]."""


class Loss(torch.autograd.Function):
    """The training loss, from the tokens to the mean squared error after the way back."""

    @staticmethod
    def forward(ctx: Any, ends: Ends, *given: Any) -> Tensor:
        """As `_loss`, to a loss []."""
        loss, ctx.kept = _loss(ends, *given)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """As `_loss_back`, for a gradient []."""
        kept, of_ends = ctx.kept
        return None, None, *_loss_back(kept, of_ends, gradient)


@torch.no_grad()
def gradients(ends: Ends, *given: Any) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """The loss [] and the gradients of scale, shift and parts, without autograd between them."""
    loss, (kept, of_ends) = _loss(ends, *given)
    return loss, _loss_back(kept, of_ends, torch.ones_like(loss))


def _loss(ends: Ends, *given: Any) -> tuple[Tensor, tuple[_Kept, WayBack]]:
    forecast, kept = _pass(*given)
    check_time_last(forecast, ends[-1])
    scale, shift = given[1:3]
    loss, of_ends = way_back(forecast, scale, shift, *ends)
    return loss, (kept, of_ends)


def _loss_back(kept: _Kept, ends: WayBack, gradient: Tensor) -> tuple[Tensor | None, ...]:
    of_forecast, *of_affine = way_back_gradients(ends, gradient)
    of_scale, of_shift, *of_parts = _pass_back(kept, of_forecast)
    for part, other in zip((of_scale, of_shift), of_affine, strict=True):
        if part is not None and other is not None:
            part.add_(other)
    return of_scale, of_shift, *of_parts


def _pass(tokens: Tensor, scale: Tensor | None, shift: Tensor | None, *parts: Tensor) -> tuple[Tensor, _Kept]:
    """tokens [B, C, L], scale and shift [C], `project`'s parts, to [B, C, H], and what the way back needs.

    Z = D + A·V·mixᵀ with A = softmax(QKᵀ/√width) and [Q K V D] = scale∘(X·kernelᵀ) + shift·(row sums of kernel)ᵀ + bias.
    RevIN's affine part acts on the product instead of on X, and X, the normalised window, has no gradient, so neither pass
    makes a second [B, C, L].
    """
    kernel, bias, mix, sizes = project(parts)
    rows, total = tokens.flatten(0, 1), None
    if scale is None or shift is None:
        product = projected = torch.addmm(bias, rows, kernel.T).view(*tokens.shape[:2], -1)  # [B, C, M]
    else:
        product, total = (rows @ kernel.T).view(*tokens.shape[:2], -1), kernel.sum(dim=1)
        projected = torch.addcmul(torch.addcmul(bias, shift[:, None], total), product, scale[:, None])
    query, key, value, direct = torch.split(projected, sizes, dim=-1)
    # Aᵀ, [B, C, C]: torch's softmax over a short last axis takes three times as long as over another one.
    weights = torch.softmax(torch.bmm(key, query.mT).mul_(sizes[0] ** -0.5), dim=1)
    attended = torch.bmm(weights.mT, value).flatten(0, 1)  # [B·C, V]
    forecast = torch.addmm(direct.flatten(0, 1), attended, mix.T).view_as(direct)
    return forecast, _Kept(
        rows, scale, shift, parts, kernel, mix, sizes, total, product, (query, key, value), weights, attended
    )


class _Kept(NamedTuple):
    """What `_pass` computed, by its names there."""

    rows: Tensor
    scale: Tensor | None
    shift: Tensor | None
    parts: tuple[Tensor, ...]
    kernel: Tensor
    mix: Tensor
    sizes: list[int]
    total: Tensor | None
    product: Tensor
    heads: tuple[Tensor, Tensor, Tensor]
    weights: Tensor
    attended: Tensor


def _pass_back(kept: _Kept, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The gradients of scale, shift and parts, for a gradient [B, C, H] of what `_pass` gives."""
    query, key, value = kept.heads
    flat, weights, mix = gradient.flatten(0, 1), kept.weights, kept.mix  # [B·C, H]
    of_attended = (flat @ mix).view_as(value)  # [B, C, V]
    of_mix = flat.T @ kept.attended  # [H, V]
    of_weights = torch.bmm(value, of_attended.mT).mul_(weights)  # [B, C, C], transposed as the weights are
    of_scores = torch.addcmul(of_weights, weights, of_weights.sum(dim=1, keepdim=True), value=-1)
    of_scores.mul_(query.shape[-1] ** -0.5)
    of_heads = torch.bmm(of_scores.mT, key), torch.bmm(of_scores, query), torch.bmm(weights, of_attended)
    of_projected = torch.cat([*of_heads, gradient], dim=-1)  # [B, C, M]
    by_channel = of_projected.sum(dim=0)  # [C, M]
    of_bias, of_scale, of_shift = by_channel.sum(dim=0), None, None
    if kept.scale is None or kept.shift is None or kept.total is None:
        of_kernel = of_projected.flatten(0, 1).T @ kept.rows
    else:
        of_scale = (kept.product * of_projected).sum(dim=(0, 2))
        of_shift = by_channel @ kept.total
        of_projected.mul_(kept.scale[:, None])
        of_kernel = torch.addmm((kept.shift @ by_channel)[:, None], of_projected.flatten(0, 1).T, kept.rows)  # [M, L]
    of_weight, of_biases = torch.split(of_kernel, kept.sizes), torch.split(of_bias, kept.sizes)
    of_output: tuple[Tensor, ...] = ()
    head = of_weight[3]
    if len(kept.parts) > 8:
        forecaster, (output, output_bias) = kept.parts[6], kept.parts[8:]
        of_output = (forecaster.T @ of_mix, forecaster.T @ of_biases[3])
        head.addmm_(of_mix, output.T).addr_(of_biases[3], output_bias)
    else:
        head.add_(of_mix)
    each = (part for pair in zip(of_weight, of_biases, strict=True) for part in pair)
    return of_scale, of_shift, *each, *of_output
