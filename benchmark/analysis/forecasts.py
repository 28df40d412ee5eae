"""Forecasts of a cell's worst, median and best test window, kept to be looked at: ``forecasts/<digest>.npz``."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from baselines.base import Forecaster
from benchmark.config.recipe import Setting
from benchmark.data.windows import Windows
from benchmark.files import write_atomically
from benchmark.problems.precision import autocast

NAMES = ("worst", "median", "best")
MOST_CHANNELS = 8
HORIZONS_BACK = 2


@torch.no_grad()
def keep(path: Path, model: Forecaster, windows: Windows, setting: Setting, each: Tensor) -> None:
    """Writes three windows by their MSE `each` [N]: `past` [3, ≤ 2H, C], `truth` and `forecast` [3, H, C] (float32, on the
    standardised scale; of more than eight channels the last eight), `mse` and `window` (its number) [3].

    It is a picture beside the Result: a disk that does not take it fails no cell.
    """
    order = torch.argsort(each.cpu(), stable=True, descending=True)
    chosen = order[torch.tensor([0, (len(order) - 1) // 2, len(order) - 1])]
    model.eval()
    arrays: dict[str, list[Tensor]] = {"past": [], "truth": [], "forecast": []}
    for window in chosen.tolist():
        x, y, marks = windows.batch(slice(window, window + 1))
        with autocast(setting, x.device):
            forecast = model(x, marks)
        values = {"past": x[0, -HORIZONS_BACK * windows.horizon :], "truth": y[0], "forecast": forecast.flatten(0, -3)[0]}
        for name, value in values.items():
            arrays[name].append(value[:, -MOST_CHANNELS:].float().cpu())
    model.train()
    out = io.BytesIO()
    past, truth, forecasts = (torch.stack(values).numpy() for values in arrays.values())
    mse = each.cpu()[chosen].numpy()
    np.savez_compressed(out, past=past, truth=truth, forecast=forecasts, mse=mse, window=chosen.numpy())
    with suppress(OSError):
        write_atomically(path, out.getvalue())
