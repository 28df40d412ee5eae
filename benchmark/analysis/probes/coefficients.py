"""A model's linear coefficients from every step of a window to every step of its forecast, beside a VAR process's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.base import Forecaster
from benchmark.analysis.probes.varweights import applied, forecast_from, inside, var_weights
from benchmark.data.registry import DataSet
from benchmark.data.series import Scale
from benchmark.data.synthetic import coefficients as process

WINDOWS = 32
"""Over how many windows the coefficients are averaged."""


def true_coefficients(dataset: DataSet, scale: Scale, horizon: int) -> NDArray[np.float64]:
    """The best forecast's coefficients [H, C, 2, C] of a VAR(2) on the standardised scale: y_{t+h} from y_t (place 0) and
    y_{t−1} (place 1); all others are 0. They are the first rows of the companion matrix to the power h."""
    first, second = process(dataset)
    channels = len(first)
    companion = np.block([[first, second], [np.eye(channels), np.zeros_like(first)]])
    power, found = np.eye(2 * channels), []
    for _ in range(horizon):
        power = companion @ power
        found.append(power[:channels].reshape(channels, 2, channels))
    deviation = scale.deviation
    return np.array(found) * deviation / deviation[:, None, None]


def jacobian(forecast: Tensor, x: Tensor) -> Tensor:
    """∂ forecast [B, H, C]/∂ x [B, L, C], each window's own, averaged over the windows: [H, C, L, C]."""
    horizon, channels = forecast.shape[1:]
    lines = [torch.autograd.grad(forecast[:, h, c].sum(), x, retain_graph=True)[0].mean(dim=0)
             for h in range(horizon) for c in range(channels)]  # fmt: skip
    return torch.stack(lines).view(horizon, channels, *x.shape[1:])


def coefficients(model: Forecaster, x: Tensor, dataset: DataSet, scale: Scale | None) -> Mapping[str, NDArray[Any]]:
    """Of SAMoVAR or FixedVAR at windows x [N, L, C] of a VAR(2) process: true [H, C, 2, C] as `true_coefficients`; held
    [H, C, L, C], the forecast's derivative by every input with the VAR weights held as they are at each window, and whole,
    with them moving; place 0 of the third axis is the last step. error_held, error_whole: ‖found − true‖/‖true‖
    (Frobenius), over all places, of which the process has two; first_held, first_whole: of the first step alone. lag_true,
    lag_held, lag_whole [L]: norms by lag.
    """
    assert scale is not None, "the windows of this set are standardised"
    with torch.no_grad():
        weights, _ = var_weights(inside(model, x))
    given = x.clone().requires_grad_()
    held = jacobian(forecast_from(model, given, applied(weights, inside(model, given).keys)[:, :, -1]), given)
    whole = jacobian(model(given), given)
    true = true_coefficients(dataset, scale, held.shape[0])
    padded = np.zeros(tuple(held.shape))
    padded[:, :, :2] = true
    arrays: dict[str, NDArray[Any]] = {"true": true, "lag_true": _by_lag(padded)}
    for name, found in {"held": held, "whole": whole}.items():
        values = found.flip(2).double().numpy()
        error, first = (np.linalg.norm(values[s] - padded[s]) / np.linalg.norm(padded[s]) for s in (slice(None), slice(1)))
        arrays |= {name: values.astype(np.float32), f"error_{name}": np.array(error), f"lag_{name}": _by_lag(values)}
        arrays[f"first_{name}"] = np.array(first)
    return arrays


def _by_lag(values: NDArray[Any]) -> NDArray[np.float64]:
    """Norms [L] of coefficients [H, C, L, C]."""
    found: NDArray[np.float64] = np.sqrt(np.square(values).sum(axis=(0, 1, 3)))
    return found
