"""DLinear: a linear map each for the trend and for what remains (Zeng et al., AAAI 2023, arXiv 2205.13504)."""

from __future__ import annotations

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from baselines.arguments import Size
from baselines.base import Forecaster

Initial = Literal["random", "mean"]


class DLinear(Forecaster):
    """Trend = moving average of each channel, its edges replicated; seasonal = the rest (paper, section 4).

    Forecast = Lin(L→H)(seasonal) + Lin(L→H)(trend), both shared over channels. `kernel_size` of the average in
    steps, odd. `initial_weights`: `random`, PyTorch's default; `mean`, every weight 1/L, so that both maps begin as the
    mean over the look-back (LTSF-Linear at da9e674). Biases are PyTorch's either way.

    Raises ValueError for an even `kernel_size`, and for other `initial_weights`.
    """

    partial_targets = True

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, kernel_size: Size = 25, initial_weights: Initial = "random"
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, it is {kernel_size}")
        if initial_weights not in get_args(Initial):
            raise ValueError(f"initial_weights is one of {', '.join(get_args(Initial))}, not '{initial_weights}'")
        self.kernel_size = kernel_size
        self.seasonal = nn.Linear(lookback, horizon)
        self.trend = nn.Linear(lookback, horizon)
        if initial_weights == "mean":
            for layer in (self.seasonal, self.trend):
                nn.init.constant_(layer.weight, 1 / lookback)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        series = x.transpose(1, 2)  # [B, C, L]
        half = self.kernel_size // 2
        # By sums from the start, in float64: torch's average pooling takes half of a training step.
        sums = F.pad(F.pad(series, (half, half), mode="replicate").double().cumsum(dim=-1), (1, 0))
        trend = ((sums[..., self.kernel_size :] - sums[..., : -self.kernel_size]) / self.kernel_size).to(series.dtype)
        forecast: Tensor = self.seasonal(series - trend) + self.trend(trend)  # [B, C, H]
        return forecast.transpose(1, 2)
