"""The floor that no paper prints: forecasts without any parameter."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.arguments import Size
from baselines.base import Batches, ClosedForm


class SeasonalNaive(ClosedForm):
    """Repeats the last `season` steps of the window; with a season of one step that is its last value.

    Raises ValueError unless 1 ≤ season ≤ lookback.
    """

    partial_targets = True

    def __init__(self, *, lookback: int, horizon: int, channels: int, season: Size) -> None:
        super().__init__()
        if not 1 <= season <= lookback:
            raise ValueError(f"a season of {season} steps does not fit a look-back of {lookback}")
        self.season = season
        self.horizon = horizon

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        steps = torch.arange(self.horizon, device=x.device) % self.season - self.season
        return x[:, steps]

    def fit(self, train: Batches, validation: Batches) -> None:
        """Nothing is computed."""


class LastValue(SeasonalNaive):
    """Repeats the last value of the window."""

    def __init__(self, *, lookback: int, horizon: int, channels: int) -> None:
        super().__init__(lookback=lookback, horizon=horizon, channels=channels, season=1)
