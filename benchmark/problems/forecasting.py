"""Metrics over all windows, steps and channels of a split, streamed: no more than one batch of forecasts is held."""

from __future__ import annotations

import torch

from baselines.base import Forecaster
from benchmark.config.recipe import Setting
from benchmark.data.windows import Windows
from benchmark.problems.precision import autocast


@torch.no_grad()
def evaluate(
    model: Forecaster, windows: Windows, setting: Setting, *, mae: bool = True, each: torch.Tensor | None = None
) -> dict[str, float]:
    """`mse` and, if asked, `mae` on the standardised scale; an incomplete last batch counts by its windows.

    `setting.evaluation_batch` windows at once; None: all. What is safe says `memory.evaluation_batch`.

    A forecast of shape [B, B, H, C] (SAMformer's `batch_mixed_denorm`) is compared with the targets by broadcasting,
    so that the metric is over all pairs of a batch, as the released code has it. `each` [N], if given (with `mae`), takes
    every window's MSE.
    """
    model.eval()
    size, context = setting.evaluation_batch or len(windows), autocast(setting, windows.series.device)
    squared = torch.zeros((), dtype=torch.float64, device=windows.series.device)
    absolute = torch.zeros_like(squared)
    for start in range(0, len(windows), size):
        x, y, marks = windows.batch(slice(start, start + size))
        if not mae:
            with context:
                squared += model.mse(x, y, marks) * len(y)
            continue
        with context:
            forecast = model(x, marks)
        error = forecast - y
        weight = len(y) / error.numel()
        squared += error.square().sum(dtype=torch.float64) * weight
        absolute += error.abs().sum(dtype=torch.float64) * weight
        if each is not None:
            each[start : start + len(y)] = error.square().flatten(-2).mean(dim=-1).view(-1, len(y)).mean(dim=0)
    model.train()
    metrics = {"mse": float(squared) / len(windows)}
    return metrics | {"mae": float(absolute) / len(windows)} if mae else metrics
