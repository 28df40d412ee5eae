"""TSMixer (Chen et al., TMLR 2023, arXiv 2303.06053), in the form that SAMformer compares itself with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Rate, Size
from baselines.base import Forecaster
from baselines.layers import Dropout, RevIN, all_pairs_loss, glorot_


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
        if not self.batch_mixed_denorm:
            return super().mse(x, y, marks)
        return all_pairs_loss(self.revin, *self._forecast(x), y.transpose(1, 2))

    def _forecast(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, L, C] to the forecast [B, C, H] before the way back, and RevIN's mean and std, each [B, C, 1]."""
        series, mean, std = self.revin.normalise(x.transpose(1, 2).contiguous())  # [B, C, L]
        for _ in range(self.blocks):
            series = series + self.dropout(F.relu(self.time(self.norm(series))))
            across = self.norm(series).transpose(1, 2)  # [B, L, C]
            across = self.dropout(self.down(self.dropout(F.relu(self.up(across)))))
            series = series + across.transpose(1, 2)
        return self.forecaster(series), mean, std


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
        """x [B, C, L] to [B, C, L]."""
        mean, var = self.running_mean, self.running_var
        if self.training:
            var, mean = torch.var_mean(x, dim=0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - self.momentum)
                self.running_var.lerp_(var, 1 - self.momentum)
        scale = self.weight * torch.rsqrt(var + self.eps)  # [C, L]
        return torch.addcmul(self.bias, x - mean, scale)
