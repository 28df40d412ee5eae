"""CATS: auxiliary series made from the channels, whose forecasts correct those of the channels (Lu et al., ICML 2024,
arXiv 2403.01673).

Read in github.com/LJC-FVNR/Structural-Aligned-Mixture-of-VAR at 4e2581f, `models/` (docs/models.md, CATS). There it cannot
be trained: the first evaluation of the test set reads a variable that nothing assigns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Rate, Size, Weight
from baselines.base import Forecaster, mean_squared_error
from baselines.convolution import convolve
from baselines.footprint import BLOCKS, GROUPED_KERNEL, KERNELS, SELECTION
from baselines.layers import Dropout

EPS = 1e-6


class CATS(Forecaster):
    """E series over the window, of which the last C are the channels; one MLP over time forecasts them all.

    `conv`, `noconv` (of each of two kernels and blocks), `lin`, `emb` count series; `gconv` and `identity` those of each
    channel. `channel_sparsity`: scores between 0 and 1 by window multiply the series. `mid_gate`: an early part of a series
    may be cut off. `output_projection`: the auxiliary forecasts correct the channels'. `dropout`: in the MLP. The training
    loss has a term that keeps the series smooth, times `continuity_beta`.

    Raises ValueError for a look-back without a block.
    """

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        channels: int,
        conv: Size = 8,
        noconv: Size = 8,
        gconv: Size = 1,
        lin: Size = 16,
        identity: Size = 1,
        emb: Size = 4,
        mlp_ratio: Size = 8,
        dropout: Rate = 0.1,
        continuity_beta: Weight = 1.0,
        channel_sparsity: bool = True,
        mid_gate: bool = True,
        output_projection: bool = True,
    ) -> None:
        super().__init__()
        self.lookback, self.channels, self.continuity_beta = lookback, channels, continuity_beta
        self.identity = identity
        series = 2 * noconv + 2 * conv + (gconv + identity + 1) * channels + lin + emb
        self.auxiliary = series - channels
        self.blocks = nn.ModuleList(_Blocks(lookback, channels, noconv, steps) for steps in BLOCKS)
        self.smooth = nn.ModuleList(nn.Conv1d(channels, conv, kernel, padding=kernel // 2) for kernel in KERNELS)
        self.grouped = nn.Conv1d(
            channels, gconv * channels, GROUPED_KERNEL, padding=GROUPED_KERNEL // 2, groups=channels
        )  # fmt: skip
        self.mixed = nn.Conv1d(channels, lin, 1)
        self.learned = nn.Parameter(torch.randn(lookback, emb))
        self.selection = _Selection(lookback, channels, series) if channel_sparsity else None
        self.gate = _Gate(lookback, series) if mid_gate else None
        self.up = nn.Linear(lookback, mlp_ratio * lookback)
        self.down = nn.Linear(mlp_ratio * lookback, horizon)
        self.dropout = Dropout(dropout)
        self.correction = nn.Conv1d(series, channels, 1) if output_projection else None
        if self.correction is not None:
            nn.init.zeros_(self.correction.weight)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        return self._forecast(x)[0]

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE [] of the forecast of x [B, L, C] against y [B, H, C], plus the mean squared step of the standardised series
        times `continuity_beta`."""
        forecast, series = self._forecast(x)
        loss = mean_squared_error(forecast, y)
        return loss + self.continuity_beta * roughness(series) if self.continuity_beta else loss

    def _forecast(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The forecast [B, H, C], and the series that the continuity is about, [B, E, L]."""
        if x.shape[1:] != (self.lookback, self.channels):
            raise ValueError(f"windows are [B, {self.lookback}, {self.channels}], not {tuple(x.shape)}")
        channels = x.transpose(1, 2)  # [B, C, L]
        last = channels[..., -1:]
        series = scored = self._series(channels - last)  # [B, E, L]
        scores = None if self.selection is None else self.selection(channels - last)  # [B, E, 1]
        if scores is not None:
            own = torch.ones_like(scores[:, self.auxiliary :])
            series = scored = series * torch.cat([scores[:, : self.auxiliary], own], dim=1)
        if self.gate is not None:
            series = self.gate(series)
        forecasts = self.down(F.gelu(self.dropout(self.up(series))))  # [B, E, H]
        forecast = forecasts[:, self.auxiliary :] + last  # [B, C, H]
        if self.correction is not None:
            if scores is not None:
                others = torch.ones_like(scores[:, : self.auxiliary])
                forecasts = forecasts * torch.cat([others, scores[:, self.auxiliary :]], dim=1)
            forecast = forecast + convolve(self.correction, forecasts)
        return forecast.transpose(1, 2), scored

    def _series(self, channels: Tensor) -> Tensor:
        """The channels less their last value, [B, C, L], to all series [B, E, L], themselves the last ones."""
        made = [block(channels) for block in self.blocks]
        made += [convolve(layer, channels) for layer in (*self.smooth, self.grouped, self.mixed)]
        made += [channels] * self.identity
        made.append(self.learned.T.to(channels).expand(len(channels), -1, -1))
        return torch.cat([*made, channels], dim=1)


def roughness(series: Tensor) -> Tensor:
    """The mean [] of squared differences from step to step of the series [B, E, L], each standardised over its window."""
    deviation = series.std(dim=-1, keepdim=True) + EPS
    return (series.diff(dim=-1) / deviation).square().mean()


class _Blocks(nn.Module):
    """Series whose every block of w steps is a linear map of a block of all channels.

    Where w does not divide the look-back they are shifted against the window, as released: zeros of half the difference at
    either end, and what comes out is filled up with zeros in front, or cut there.
    """

    def __init__(self, lookback: int, channels: int, count: int, steps: int) -> None:
        super().__init__()
        padding = -lookback % steps // 2
        if lookback + 2 * padding < steps:
            raise ValueError(f"a look-back of {lookback} has no block of {steps} steps")
        self.lookback, self.count = lookback, count
        self.map = nn.Conv1d(channels, count * steps, steps, stride=steps, padding=padding)

    def forward(self, channels: Tensor) -> Tensor:
        """[B, C, L] to [B, count, L]."""
        places = convolve(self.map, channels)  # [B, count·w, J]
        made = places.view(len(places), self.count, -1, places.shape[-1]).transpose(-1, -2).flatten(-2)  # [B, count, J·w]
        return F.pad(made, (self.lookback - made.shape[-1], 0))


class _Selection(nn.Module):
    """A score between 0 and 1 for every series, from one number a channel: Lin, GELU, Lin, sigmoid."""

    def __init__(self, lookback: int, channels: int, series: int) -> None:
        super().__init__()
        self.level = nn.Linear(lookback, 1)
        self.up = nn.Linear(channels, SELECTION * series)
        self.down = nn.Linear(SELECTION * series, series)

    def forward(self, channels: Tensor) -> Tensor:
        """[B, C, L] to [B, E, 1]."""
        # Neither a product with one column nor torch.sigmoid: their last digits depend on where a number lies in memory,
        # and so on the replicas beside it.
        levels = F.relu((channels * self.level.weight).sum(dim=-1) + self.level.bias)  # [B, C]
        scores = self.down(F.gelu(self.up(levels)))
        return (0.5 * torch.tanh(0.5 * scores) + 0.5).unsqueeze(-1)


class _Gate(nn.Module):
    """Cuts off an early part of each series: it stays where 1 − u·ramp is above 0, u being the series' own Lin(L→1), the
    ramp 1 at the first step and 0 at the last. On the way back the cut counts as if it were that number itself."""

    def __init__(self, lookback: int, series: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(series, lookback))
        self.bias = nn.Parameter(torch.zeros(series))
        # A parameter that is not trained: the released code counts it as one, and its values come with the weights.
        self.ramp = nn.Parameter(torch.linspace(1, 0, lookback), requires_grad=False)

    def forward(self, series: Tensor) -> Tensor:
        """[B, E, L] to the same shape."""
        own = (series * self.weight).sum(dim=-1, keepdim=True) + self.bias[:, None]  # [B, E, 1]
        level = 1 - own * self.ramp
        kept = (level > 0).to(series)
        return series * (kept + (level - level.detach()))
