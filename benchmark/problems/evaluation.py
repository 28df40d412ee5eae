"""Metrics over all windows, steps and channels of a split, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from baselines.base import Forecaster
from benchmark.config.recipe import Setting
from benchmark.data.windows import Windows
from benchmark.problems.precision import autocast

MEASURES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mse": torch.square,
    "mae": torch.abs,
}
"""By the name of a metric, what is averaged of the error (forecast − target): every metric of the workload has a line."""

AT_ONCE, NUMBERS = 512, 2**23
"""Of small batches that are one pass on a GPU, how many windows these have at most, and numbers."""

Observer = Callable[[int, Tensor, Tensor], None]
"""Is told of each batch: the number of its first window, the error (forecast − target), the targets y [B, H, C]."""


def evaluate(
    model: Forecaster, split: Windows, setting: Setting, *, observe: Observer | None = None, only_mse: bool = False
) -> dict[str, float]:
    """As `means`, read back from the device."""
    return {name: float(value) for name, value in means(model, split, setting, observe=observe, only_mse=only_mse).items()}


@torch.no_grad()
def means(
    model: Forecaster, split: Windows, setting: Setting, *, observe: Observer | None = None, only_mse: bool = False
) -> dict[str, Tensor]:
    """The metrics [] (float64) on the standardised scale, streamed: no more than one batch of forecasts is held.

    `setting.evaluation_batch` windows at once; None: all. An incomplete last batch counts by its windows. `only_mse`: the
    MSE alone, as validation asks the model for it. Where some channels alone are targets, the forecast's others are
    passed over; so are targets that are missing.

    A forecast of shape [B, B, H, C] (SAMformer's `batch_mixed_denorm`) is compared with the targets by broadcasting,
    so that the metric is over all pairs of a batch, as the released code has it. `observe` looks on.
    """
    model.eval()
    size, context = setting.evaluation_batch or len(split), autocast(setting, split.series.device)
    zero = torch.zeros((), dtype=torch.float64, device=split.series.device)
    counted = zero.clone()  # targets that are there, in windows
    totals = {name: zero.clone() for name in (("mse",) if only_mse else MEASURES)}
    if only_mse and split.targets is None:
        with context:
            mse = sum(_squares(model, split, size), start=zero) / len(split)
        model.train()
        return {"mse": mse}
    for start in range(0, len(split), size):
        x, y, marks = split.batch(slice(start, start + size))
        with context:
            forecast = model(x, marks)
        error = forecast[..., -y.shape[-1] :] - y
        weight = len(y) / error.numel()
        there = ~y.isnan() if split.gaps else None
        if there is not None:
            counted += there.sum() * (len(y) / y.numel())
        for name, total in totals.items():
            each = MEASURES[name](error)
            total += (each if there is None else each.where(there, 0.0)).sum(dtype=torch.float64) * weight
        if observe is not None:
            observe(start, error, y)
    model.train()
    windows = counted if split.gaps else len(split)
    return {name: total / windows for name, total in totals.items()}  # 0/0 where every target is missing: NaN


def _squares(model: Forecaster, split: Windows, size: int) -> Iterator[Tensor]:
    """Of batches of so many windows their mean squared error times their windows [], as the model has it."""
    together = _together(model, split, size)
    whole = len(split) // size if together > 1 else 0
    for first in range(0, whole, together):
        count = min(together, whole - first)
        batch = split.batch(slice(first * size, (first + count) * size))
        parts: list[Any] = [None if each is None else each.reshape(count, size, *each.shape[1:]) for each in batch]
        where = tuple(None if each is None else 0 for each in parts)
        yield torch.func.vmap(model.mse, in_dims=where)(*parts).sum() * size
    for start in range(whole * size, len(split), size):
        x, y, marks = split.batch(slice(start, start + size))
        yield model.mse(x, y, marks) * len(y)


def _together(model: Forecaster, split: Windows, size: int) -> int:
    """How many batches of so many windows are one pass, at most: small ones leave a GPU idle. What a class says of itself
    does not count for one that inherits from it."""
    if split.series.device.type == "cpu" or not vars(type(model)).get("batches_stack", False):
        return 1
    return max(1, min(AT_ONCE, NUMBERS // (len(split.series) * (split.lookback + split.horizon))) // size)


def partial_mse(forecast: Tensor, y: Tensor) -> Tensor:
    """MSE [] of the last channels of a forecast [B, H, C] against y [B, H, C']; of all pairs, where it is [B, B, H, C].

    A target that is NaN counts for nothing; where all are, the loss is 0, and so is its gradient.

    Raises ValueError where they do not fit.
    """
    if forecast.shape[-3:-1] != y.shape[:2] or forecast.shape[-1] < y.shape[-1]:
        raise ValueError(f"the forecast is {tuple(forecast.shape)}, the targets {tuple(y.shape)}")
    there = ~y.isnan()
    error = torch.where(there, forecast[..., -y.shape[-1] :] - y, 0.0)
    return error.square().sum() / (there.sum().clamp(min=1) * (error.numel() // y.numel()))
