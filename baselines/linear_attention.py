"""Causal linear attention without softmax or scale: out_t = Σ_{i ≤ t} (q_t · k_i) v_i.

Shapes: h heads of e features, T tokens, C channels, B windows; features come first and windows last, as in `segments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from baselines.layers import by_hand


def causal_linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Query [h, e, Q, C, B], key and value [h, e, T, C, B] to [h, e, Q, C, B].

    Q is T, or a part of it: then the queries are those of every second (third, …) token, the last one's among them.
    Query and value may be one for all windows, with a last axis of 1.

    Two forms of one function: with the T² products q_t · k_i, or with the running sum of the T·e² products k_i v_iᵀ,
    which holds nothing but its arguments. On a CPU the second one is faster from T of about 2e on (a quarter of the time
    at e = 8, T = 86; a third more at e = 16, T = 22, forward, and twice with the way back); on CUDA it would be some
    kernels a token.
    """
    if by_hand(key) and key.shape[2] > 2 * key.shape[1]:
        return by_running_sum(query, key, value)
    return by_products(query, key, value)


def by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(Q Kᵀ, masked to i ≤ t) V, of the shapes of `causal_linear_attention` [h, e, T, C, B]."""
    tokens, every = key.shape[2], key.shape[2] // query.shape[2]
    past = torch.ones(tokens, tokens, dtype=key.dtype, device=key.device).tril()[every - 1 :: every]
    products = torch.einsum("heqcb,hetcb->hcbqt", query, key) * past  # a product takes a fifth of tril's time
    return torch.einsum("hcbqt,hetcb->heqcb", products, value)


def by_running_sum(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """q_t · Σ_{i ≤ t} k_i v_iᵀ, of the shapes of `causal_linear_attention` [h, e, T, C, B]."""
    attended: Tensor = _RunningSum.apply(query, key, value)  # type: ignore[no-untyped-call]
    return attended


COLUMNS = 256
"""How many channels times windows the running sum goes over at a time."""


class _RunningSum(torch.autograd.Function):
    """Token by token, and back; the sums are made again there.

    Some channels at a time, so that their sums [h, e, e, C', B] stay in the processor's cache.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        attended = key.new_empty(*key.shape[:2], query.shape[2], *key.shape[3:])
        for q, k, v, out in _in_channels(query, key, value, attended):
            every = k.shape[2] // q.shape[2]
            for t, state in _sums(k, v):
                if (t + 1) % every == 0:
                    torch.sum(state * q[:, :, None, t // every], dim=1, out=out[:, :, t // every])
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = ctx.saved_tensors
        of_query = key.new_empty(gradient.shape)
        of_key, of_value = torch.empty_like(key), torch.empty_like(key)
        for q, k, v, g, dq, dk, dv in _in_channels(query, key, value, gradient, of_query, of_key, of_value):
            every = k.shape[2] // q.shape[2]
            for t, state in _sums(k, v):
                if (t + 1) % every == 0:
                    torch.sum(state * g[:, None, :, t // every], dim=2, out=dq[:, :, t // every])
            later = torch.zeros_like(state)  # Σ_{i ≥ t} q_i g_iᵀ, [h, e, e, C', B]
            for t in reversed(range(k.shape[2])):
                if (t + 1) % every == 0:
                    later.addcmul_(q[:, :, None, t // every], g[:, None, :, t // every])
                torch.sum(later * v[:, None, :, t], dim=2, out=dk[:, :, t])
                torch.sum(later * k[:, :, None, t], dim=1, out=dv[:, :, t])
        return of_query.sum_to_size(query.shape), of_key, of_value.sum_to_size(value.shape)


def _in_channels(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors [..., C, B], some channels at a time."""
    windows = max(tensor.shape[-1] for tensor in tensors)
    return zip(*(torch.split(tensor, max(1, COLUMNS // windows), dim=-2) for tensor in tensors), strict=True)


def _sums(key: Tensor, value: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each token t with Σ_{i ≤ t} k_i v_iᵀ [h, e, e, C, B], which changes in place."""
    state = key.new_zeros(*key.shape[:2], value.shape[1], *key.shape[3:])
    for t in range(key.shape[2]):
        yield t, state.addcmul_(key[:, :, None, t], value[:, None, :, t])
