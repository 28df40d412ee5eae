"""PatchTST: a transformer over patches of one channel (Nie et al., ICLR 2023, arXiv 2211.14730)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Rate, Size
from baselines.base import Forecaster
from baselines.draws import transformed
from baselines.layers import Dropout, join_heads, split_heads
from baselines.mlp import mlp
from baselines.revin import RevIN


class PatchTST(Forecaster):
    """Each channel is forecast alone, with the same weights (paper, section 3).

    RevIN without affine part; the last value repeated `stride` times; patches of `patch` steps every `stride`, P of
    them; Lin(patch→width) + learned positions; `layers` encoder layers with residual attention scores; the P vectors
    flattened, width first, and Lin(width·P→H). PyTorch's default initialisation, positions U(±0.02). With `double_dropout`
    what attention gives is dropped out twice, by masks of its own each time, as in the released code.

    Raises ValueError unless `heads` divides `width`, and for a look-back under patch − stride.
    """

    partial_targets = True

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        width: Size = 128,
        heads: Size = 16,
        layers: Size = 3,
        ff_width: Size = 256,
        dropout: Rate = 0.2,
        patch: Size = 16,
        stride: Size = 8,
        double_dropout: bool = False,
    ) -> None:
        super().__init__()
        if lookback + stride < patch:
            raise ValueError(f"a look-back of {lookback} has no patch of {patch} steps every {stride}")
        self.patch, self.stride = patch, stride
        patches = (lookback - patch) // stride + 2
        self.revin = RevIN(channels, affine=False)
        self.embedding = nn.Linear(patch, width)
        self.position = nn.Parameter(torch.empty(patches, width).uniform_(-0.02, 0.02))
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(_EncoderLayer(width, heads, ff_width, dropout, double_dropout) for _ in range(layers))
        self.head = nn.Linear(width * patches, horizon)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        series, mean, std = self.revin.normalise(x.transpose(1, 2).contiguous())  # [B, C, L]
        patches = F.pad(series, (0, self.stride), mode="replicate").unfold(-1, self.patch, self.stride)
        tokens = self.dropout(self.embedding(patches) + self.position).flatten(0, 1)  # [B·C, P, d]
        scores = None
        for layer in self.layers:
            tokens, scores = layer(tokens, scores)
        flat = tokens.transpose(1, 2).flatten(1).unflatten(0, series.shape[:2])  # [B, C, d·P]
        return self.revin.denormalise(self.head(flat), mean, std).transpose(1, 2)


class _EncoderLayer(nn.Module):
    """x ← BN(x + attention(x)); x ← BN(x + FFN(x)); BN per width, over batch, channels and patches."""

    def __init__(self, width: int, heads: int, ff_width: int, dropout: float, double_dropout: bool) -> None:
        super().__init__()
        self.double_dropout = double_dropout
        self.attention = _ResidualAttention(width, heads)
        self.attention_norm = nn.BatchNorm1d(width)
        self.up = nn.Linear(width, ff_width)
        self.down = nn.Linear(ff_width, width)
        self.ff_norm = nn.BatchNorm1d(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor]:
        """x [R, P, d] and the scores [R, h, P, P] of the layer before, to the same of this layer."""
        attended, scores = self.attention(x, scores)
        if self.double_dropout:
            attended = self.dropout(attended)
        x = self._normalise(self.attention_norm, x + self.dropout(attended))
        hidden = mlp(x.flatten(0, 1).T, self.up, self.down, "gelu", self.dropout).T.view_as(x)
        return self._normalise(self.ff_norm, x + self.dropout(hidden)), scores

    @staticmethod
    def _normalise(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
        flat = x.flatten(0, 1)  # [R·P, d]
        normalised: Tensor = _batch_norm(norm, flat) if norm.training and transformed() else norm(flat)
        return normalised.view_as(x)


def _batch_norm(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """As torch's, x [n, d] in training: where several replicas are one program, torch's own puts them side by side into one
    row, and the last digits of one depend on how many there are."""
    normalised, mean, var = _StackedBatchNorm.apply(x, norm.weight, norm.bias, norm.eps)  # type: ignore[no-untyped-call]
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    with torch.no_grad():
        unbiased, share = var.detach() * (len(x) / (len(x) - 1)), norm.momentum or 0.0
        norm.running_mean.copy_(torch.lerp(norm.running_mean, mean.detach(), share))
        norm.running_var.copy_(torch.lerp(norm.running_var, unbiased, share))
        norm.num_batches_tracked.add_(1)
    return normalised  # type: ignore[no-any-return]


class _StackedBatchNorm(torch.autograd.Function):
    """x·a + (bias − mean·a) [n, d] for a = weight/√(var + eps), with mean and var [d]; differentiable twice. The way back
    is linear in x and in the gradient, too, so that both read and write a third of what operation after operation does."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        var, mean = torch.var_mean(x, dim=0, correction=0)
        scale = weight * torch.rsqrt(var + eps)
        return torch.addcmul(bias - mean * scale, x, scale), mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, float], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:2], *output[1:])
        ctx.eps = inputs[3]

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor | None, of_mean: Tensor | None, of_var: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        x, weight, mean, var = ctx.saved_tensors
        by_x, rest = torch.zeros_like(var), torch.zeros_like(var)  # of_x is x·by_x + rest + gradient·scale
        scale, of_weight, of_bias = var, None, None
        if gradient is not None:
            rate = torch.rsqrt(var + ctx.eps)
            scale, of_bias = weight * rate, gradient.sum(dim=0)
            of_weight = ((gradient * x).sum(dim=0) - mean * of_bias) * rate
            by_x, rest = -scale * rate * of_weight / len(x), -scale * of_bias / len(x)
        if of_var is not None:
            by_x = by_x + of_var * (2 / len(x))
        rest = rest - by_x * mean
        if of_mean is not None:
            rest = rest + of_mean / len(x)
        of_x = torch.addcmul(rest, x, by_x)
        return of_x if gradient is None else torch.addcmul(of_x, gradient, scale), of_weight, of_bias, None


class _ResidualAttention(nn.Module):
    """Softmax of QKᵀ·scale + the scores of the layer before (`RealFormer`'s residual attention)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        # A parameter that is not trained: the released code counts it as one, and its values come with the weights.
        self.scale = nn.Parameter(torch.tensor((width // heads) ** -0.5), requires_grad=False)

    def forward(self, x: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor]:
        """x [R, P, d] and scores [R, h, P, P] to [R, P, d] and this layer's scores."""
        query, key, value = (
            split_heads(projection(x), self.heads)  # [R, h, P, d/h]
            for projection in (self.query, self.key, self.value)
        )
        products = query @ key.transpose(-1, -2) * self.scale
        scores = products if scores is None else products + scores
        attended = torch.softmax(scores, dim=-1) @ value  # [R, h, P, d/h]
        return self.output(join_heads(attended)), scores
