"""Metrics that are told beside those that decide: from sums over the test pass, and from the series itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.data.series import Scale
from benchmark.data.windows import Windows

_AT_ONCE = 2**18
"""Numbers of a forecast that are looked at together on a CPU: they stay in its cache."""


class Extra:
    """Sums of forecasts of all windows of a split, in float64, streamed: it holds no more than it looks at together.

    scale: of the series; None: the standardised scale is its own.
    """

    def __init__(self, windows: Windows, scale: Scale | None) -> None:
        channels, device = windows.asked.shape[0], windows.series.device
        self.windows, self.scale = windows, scale

        def of_channels(values: object, default: float) -> Tensor:
            found = torch.full((channels,), default) if values is None else torch.as_tensor(values)
            return found[-channels:].to(device, torch.float64)

        self.mean = of_channels(scale and scale.mean, 0.0)
        self.deviation = of_channels(scale and scale.deviation, 1.0)
        self.naive = of_channels(scale and scale.naive, math.nan)
        self.nought = (-self.mean / self.deviation).float()  # what a 0 became, by the very steps of the series
        self.square, self.absolute = (torch.zeros(channels, dtype=torch.float64, device=device) for _ in range(2))
        self.percent, self.symmetric = (torch.zeros((), dtype=torch.float64, device=device) for _ in range(2))

    def add(self, error: Tensor, y: Tensor) -> None:
        """error [B, H, C], forecast − target, at targets y [B, H, C]; one of [P, B, H, C] (`batch_mixed_denorm`) counts as
        P of them, each 1/P."""
        parts = error.reshape(-1, *y.shape)
        at_once = max(1, _AT_ONCE // y[0].numel()) if y.device.type == "cpu" else len(y)
        for part in parts:
            for start in range(0, len(y), at_once):
                self._add(part[start : start + at_once], y[start : start + at_once], 1 / len(parts))

    def _add(self, error: Tensor, y: Tensor, weight: float) -> None:
        error = torch.where(y.isnan(), 0.0, error.double())
        self.square += error.square().sum((0, 1)) * weight
        self.absolute += error.abs().sum((0, 1)) * weight
        error = error * self.deviation
        target = y.double() * self.deviation + self.mean
        shown = (y != self.nought) & ~y.isnan()
        size, forecast_size, error_size = target.abs(), (target + error).abs(), error.abs()
        self.percent += torch.where(shown, error_size / size, 0.0).sum() * weight
        self.symmetric += torch.where(shown, error_size / (size + forecast_size), 0.0).sum() * weight

    def metrics(self) -> dict[str, float | None]:
        """By name; None where there is nothing to measure by. What each is stands in docs/interfaces.md (Metrics)."""
        counts, spread, shown = self._targets()
        total = counts.sum()
        r2 = (1 - self.square / spread)[spread > 0]
        mase = (self.absolute / counts * self.deviation / self.naive)[(self.naive > 0) & (counts > 0)]
        found = {
            "rmse": (self.square.sum() / total).sqrt(), "r2": r2.mean(),
            "raw_mse": (self.square * self.deviation.square()).sum() / total,
            "raw_mae": (self.absolute * self.deviation).sum() / total,
            "mape": 100 * self.percent / shown, "smape": 200 * self.symmetric / shown, "mase": mase.mean(),
        }  # fmt: skip
        told: dict[str, float | None] = {name: _finite(float(value)) for name, value in found.items()}
        return told | {"targets_not_0": shown, "mase_season": self.scale.season if self.scale and len(mase) else None}

    def _targets(self) -> tuple[Tensor, Tensor, int]:
        """Of the targets, each counted in every window that has it: how many there are and the sum of squares about the
        mean of each channel [C], and how many are other than 0."""
        values, weights = self.windows.weighed()
        counts = weights.sum(dim=1)
        one = values.gather(1, (weights > 0).double().argmax(dim=1, keepdim=True))  # of each channel one that counts
        off = (values.double() - one.double()).nan_to_num()  # so that nothing is lost; 0 where nothing varies
        spread = (off.square() * weights).sum(dim=1) - (off * weights).sum(dim=1).square() / counts.clamp(min=1)
        shown = ((values != self.nought[:, None]) * weights).sum()
        return counts, spread, round(float(shown))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
