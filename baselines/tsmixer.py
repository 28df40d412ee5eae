"""TSMixer (Chen et al., TMLR 2023, arXiv 2303.06053), in the form that SAMformer compares itself with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.arguments import Rate, Size
from baselines.base import Forecaster
from baselines.layers import Dropout, by_hand, glorot_
from baselines.mlp import mlp
from baselines.revin import RevIN, all_pairs_loss, denormalised_loss


class TSMixer(Forecaster):
    """`blocks` passes through one mixing block, so that the blocks share their weights.

    A pass, on series x [B, C, L] after RevIN: x ← x + dropout(relu(Lin(L→L)(norm(x)))) over time; then over channels
    x ← x + dropout(Lin(ff_width→C)(dropout(relu(Lin(C→ff_width)(norm(x)))))), with the same norm. Then Lin(L→H) and
    RevIN back. Glorot-uniform kernels, zero biases.

    `batch_mixed_denorm` is what `SAMformer` describes: `forward` returns [B, B, H, C], entry [i, j] being forecast j
    on window i's scale, and the loss is the mean over all pairs.
    """

    partial_targets = True

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        blocks: Size = 2,
        ff_width: Size = 64,
        dropout: Rate = 0.9,
        batch_mixed_denorm: bool = False,
    ) -> None:
        super().__init__()
        self.blocks, self.batch_mixed_denorm = blocks, batch_mixed_denorm
        self.revin = RevIN(channels)
        self.norm = WindowBatchNorm(channels, lookback)
        self.time = nn.Linear(lookback, lookback)
        self.up = nn.Linear(channels, ff_width)
        self.down = nn.Linear(ff_width, channels)
        self.dropout = Dropout(dropout)
        self.forecaster = nn.Linear(lookback, horizon)
        for layer in (self.time, self.up, self.down, self.forecaster):
            glorot_(layer)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C], with `batch_mixed_denorm` [B, B, H, C]; marks are not used."""
        forecast, mean, std = self._forecast(x)
        if self.batch_mixed_denorm:
            mean, std = mean[:, None], std[:, None]  # [B, 1, C, 1] against [B, C, H]
        return self.revin.denormalise(forecast, mean, std).transpose(-1, -2)

    def mse(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE [] of the forecast of x [B, L, C] against y [B, H, C], with `batch_mixed_denorm` of all pairs.

        Raises ValueError if x and y do not fit each other.
        """
        loss = all_pairs_loss if self.batch_mixed_denorm else denormalised_loss
        return loss(self.revin, *self._forecast(x), y.transpose(1, 2))

    def _forecast(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, L, C] to the forecast [B, C, H] before the way back, and RevIN's mean and std, each [B, C, 1]."""
        series, mean, std = self.revin.normalise(x.transpose(1, 2))
        series = series.transpose(0, 1).contiguous()  # [C, B, L]
        for _ in range(self.blocks):
            series = series + self.dropout(F.relu(self.time(self.norm(series))))
            mixed = mlp(self.norm(series).flatten(1), self.up, self.down, "relu", self.dropout)  # [C, B·L]
            series = series + self.dropout(mixed).view_as(series)
        return self.forecaster(series).transpose(0, 1), mean, std


class WindowBatchNorm(nn.Module):
    """Batch normalisation with statistics and parameters of each channel and time step, as Keras computes it.

    In training mean and population variance over the batch alone; running ← 0.99·running + 0.01·new.
    """

    def __init__(self, channels: int, lookback: int, *, momentum: float = 0.99, eps: float = 1e-3) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels, lookback))
        self.bias = nn.Parameter(torch.zeros(channels, lookback))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels, lookback))
        self.register_buffer("running_var", torch.ones(channels, lookback))

    def forward(self, x: Tensor) -> Tensor:
        """x [C, B, L] to [C, B, L]."""
        if not self.training:
            scale = self.weight * torch.rsqrt(self.running_var + self.eps)  # [C, L]
            return torch.addcmul(self.bias[:, None], x - self.running_mean[:, None], scale[:, None])
        normalise = _BatchNorm.apply if by_hand(x) else _batch_norm
        normalised, mean, var = normalise(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            for running, found in ((self.running_mean, mean), (self.running_var, var)):
                running.copy_(torch.lerp(running, found.detach(), 1 - self.momentum))
        return normalised


def _batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """x [C, B, L] by the moments of its batch, and these [C, L]. Not torch.var_mean: on a CPU that takes far longer."""
    mean = x.mean(dim=1)
    centred = x - mean[:, None]
    var = centred.square().mean(dim=1)
    scale = weight * torch.rsqrt(var + eps)
    return torch.addcmul(bias[:, None], centred, scale[:, None]), mean, var


class _BatchNorm(torch.autograd.Function):
    """As `_batch_norm`, with the backward pass by hand: with g the gradient and x̂ the normalised x, that of x is
    weight/√(var + eps)·(g − mean(g) − x̂·mean(g·x̂))."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(dim=1)
        centred = x - mean[:, None]
        var = centred.square().mean(dim=1)
        rate = torch.rsqrt(var + eps)
        ctx.save_for_backward(centred, weight, rate)
        ctx.mark_non_differentiable(mean, var)
        return (centred * (weight * rate)[:, None]).add_(bias[:, None]), mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, weight, rate = ctx.saved_tensors  # [C, B, L], [C, L], [C, L]
        of_bias = gradient.sum(dim=1)
        of_weight = (gradient * centred).sum(dim=1).mul_(rate)
        batch = gradient.shape[1]
        of_x = gradient - (of_bias / batch)[:, None]
        of_x.sub_(centred * (of_weight * rate / batch)[:, None]).mul_((weight * rate)[:, None])
        return of_x, of_weight, of_bias, None
