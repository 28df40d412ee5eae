"""Forecasts of a cell's worst, median and best test window, kept to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.base import Forecaster
from benchmark.problems.forecasting import HeldWindows
from benchmark.problems.precision import autocast

NAMES = ("worst", "median", "best")
MOST_CHANNELS = 8
HORIZONS_BACK = 2


@torch.no_grad()
def worst_median_best(model: Forecaster, held: HeldWindows) -> Mapping[str, NDArray[Any]]:
    """Three windows by their MSE: `past` [3, ≤ 2H, C], `truth` and `forecast` [3, H, C] (float32, on the standardised
    scale; of the targets' channels, of more than eight the last eight), `mse` and `window` (its number) [3]."""
    if held.each is None:
        held.measure(model)
    assert held.each is not None
    each = held.each.cpu()
    order = torch.argsort(each, stable=True, descending=True)
    order = order[~each[order].isnan()]  # a window without a single target has no error
    chosen = order[torch.tensor([0, (len(order) - 1) // 2, len(order) - 1])]
    model.eval()
    arrays: dict[str, list[Tensor]] = {"past": [], "truth": [], "forecast": []}
    for window in chosen.tolist():
        x, y, marks = held.windows.batch(slice(window, window + 1))
        with autocast(held.setting, x.device):
            forecast = model(x, marks)
        past = x[0, -HORIZONS_BACK * held.windows.horizon :]
        for name, value in {"past": past, "truth": y[0], "forecast": forecast.flatten(0, -3)[0]}.items():
            arrays[name].append(value[:, -min(MOST_CHANNELS, y.shape[-1]) :].float().cpu())
    model.train()
    stacked = {name: torch.stack(values).numpy() for name, values in arrays.items()}
    return stacked | {"mse": each[chosen].numpy(), "window": chosen.numpy()}
