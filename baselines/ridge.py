"""Ridge regression from a window to what follows, in closed form: the linear model that training can only approach."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.base import Batches, ClosedForm

LAMBDAS = torch.logspace(-8, 2, 41, dtype=torch.float64)
"""Candidates, in units of the average eigenvalue of the windows' covariance."""


class Ridge(ClosedForm):
    """Forecast = m + Lin(L→H)(x − m), m the window's mean per channel, one map for all channels.

    `fit` minimises the MSE on the training windows plus lambda·‖weight‖² (the bias is not shrunk) and takes the
    lambda of the smallest MSE on the validation windows. Before `fit` the forecast is m.
    """

    def __init__(self, *, lookback: int, horizon: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(lookback, horizon).requires_grad_(False)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.shrinkage: float | None = None

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to the forecast [B, H, C]; marks are not used."""
        series = x.transpose(1, 2)  # [B, C, L]
        level = series.mean(dim=-1, keepdim=True)
        forecast: Tensor = self.linear(series - level) + level
        return forecast.transpose(1, 2)

    @torch.no_grad()
    def fit(self, train: Batches, validation: Batches) -> None:
        """In float64, from the moments of the two splits alone; sets `shrinkage` to the lambda it took.

        Memory is O(L² + LH) whatever the number of windows, time O(L² + LH) a window and channel, and O(L³ + L²H)
        once for each lambda tried. Raises ValueError if a split is empty.
        """
        inner, outer = _moments(train), _moments(validation)
        values, vectors = torch.linalg.eigh(inner.inputs)  # [L], [L, L]: in this basis each lambda is a division
        cross = vectors.T @ inner.cross  # [L, H]
        outer_inputs, outer_cross = vectors.T @ outer.inputs @ vectors, vectors.T @ outer.cross
        shift_inputs = vectors.T @ (outer.mean_input - inner.mean_input)
        shift_targets = outer.mean_target - inner.mean_target

        def weight(shrinkage: Tensor) -> Tensor:  # [L, H], in the basis
            scaled: Tensor = cross / (values.clamp(min=0) + shrinkage)[:, None]
            return scaled

        def loss(shrinkage: Tensor) -> float:  # on the validation windows, less what no lambda changes
            w = weight(shrinkage)
            bias = shift_inputs @ w - shift_targets  # [H]
            return float(((outer_inputs @ w - 2 * outer_cross) * w).sum() + bias.square().sum())

        candidates = LAMBDAS.to(values) * values.mean().clamp(min=torch.finfo(torch.float64).eps)
        best = min(candidates, key=loss)
        self.shrinkage = float(best)
        kernel = vectors @ weight(best)  # [L, H]
        self.linear.weight.copy_(kernel.T)
        self.linear.bias.copy_(inner.mean_target - inner.mean_input @ kernel)


class _Moments(NamedTuple):
    """Of inputs z and targets t, each less its window's mean: means [L], [H]; covariances inputs [L, L], cross [L, H]."""

    mean_input: Tensor
    mean_target: Tensor
    inputs: Tensor
    cross: Tensor


def _moments(batches: Batches) -> _Moments:
    count = 0
    sums: list[Tensor] = []
    for x, y in batches:
        series = x.double().transpose(1, 2)  # [B, C, L]
        level = series.mean(dim=-1, keepdim=True)
        z = (series - level).flatten(0, 1)  # [B·C, L]
        t = (y.double().transpose(1, 2) - level).flatten(0, 1)  # [B·C, H]
        new = [z.sum(dim=0), t.sum(dim=0), z.T @ z, z.T @ t]
        sums = [a.add_(b) for a, b in zip(sums, new, strict=True)] if sums else new
        count += len(z)
    if not count:
        raise ValueError("ridge needs windows of both splits, to fit it and to choose lambda")
    mean_input, mean_target, inputs, cross = (total / count for total in sums)
    return _Moments(
        mean_input,
        mean_target,
        inputs - torch.outer(mean_input, mean_input),
        cross - torch.outer(mean_input, mean_target),
    )
