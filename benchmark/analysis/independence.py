"""Whether a model's forecast of a window depends on that window alone, tried on the model as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark.problems.base import Problem
from benchmark.training.device import by_itself

WINDOWS = 8
"""That are forecast together."""
TOLERANCE = {"cpu": 1e-4, "cuda": 5e-3}
"""Of the largest forecast: what rounding makes of other windows beside it (TF32 on CUDA)."""
KEPT = "kept: a forecast is the same whatever windows are beside it"


def checked(workload: str, model: Any, problem: Problem, batch: int) -> Mapping[str, str]:
    """What the checks of a trained model of the user's own found, each in a sentence; none for a workload without any.

    batch: windows that are sure to fit the memory, since it was trained on so many.
    """
    if workload != "forecasting":
        return {}
    size = min(WINDOWS, max(2, batch)) if problem.counts()[0] else 0
    parts = problem.micro_batches(torch.Generator().manual_seed(0), size) if size else ()
    try:
        found = dependence(model, *_inputs(problem.batch(parts[0]))) if len(parts) else "not tried: there are no windows"
    except Exception as error:
        found = f"not tried: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return {"own_window": found or KEPT}


def _inputs(batch: Any) -> tuple[Tensor, Tensor | None]:
    return batch.x, batch.marks


@torch.no_grad()
def dependence(model: Any, x: Tensor, marks: Tensor | None = None) -> str | None:
    """How the forecasts of the windows x [B, L, C] depend on what is beside them, in a sentence; None where they do not.

    In eval mode, as validation and test have it: the windows in another order, then one window among others than before.
    torch's random numbers are left as they were.
    """
    if len(x) < 2:
        return "not tried: there is one window alone"
    training = model.training
    model.eval()
    try:
        with by_itself, torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
            return _found(model, x, marks)
    finally:
        model.train(training)


def _found(model: Any, x: Tensor, marks: Tensor | None) -> str | None:
    def forecast(windows: Tensor, times: Tensor | None, seed: int = 0) -> Tensor:
        torch.manual_seed(seed)
        result: Tensor = model(windows, times)
        return result

    alone = forecast(x, marks)
    if alone.shape[0] != len(x) or alone.dim() != 3:
        return (
            f"broken: the forecast of windows {tuple(x.shape)} is {tuple(alone.shape)}, in which none is a single window's"
        )
    scale = float(alone.abs().nan_to_num().max()) or 1.0
    most = TOLERANCE.get(x.device.type, TOLERANCE["cuda"]) * scale
    if _far(forecast(x, marks, 1), alone) > most:
        return "broken: in eval mode the forecast of the same windows differs from one call to the next"
    turned = forecast(x.roll(1, 0), None if marks is None else marks.roll(1, 0)).roll(-1, 0)
    if (moved := _far(turned, alone)) > most:
        return f"broken: with the same windows in another order a forecast moves by up to {moved:.2g} of {scale:.2g}"
    for place in (0, len(x) // 2, len(x) - 1):
        others, times = 3 * x.roll(1, 0) + 1, None if marks is None else marks.roll(1, 0)
        others[place] = x[place]
        if times is not None and marks is not None:
            times[place] = marks[place]
        if (moved := _far(forecast(others, times)[place], alone[place])) > most:
            return f"broken: with other windows beside it a window's forecast moves by up to {moved:.2g} of {scale:.2g}"
    return None


def _far(one: Tensor, other: Tensor) -> float:
    """The largest difference [...]; what is no number in both counts as the same."""
    apart = (one - other).abs()
    return float(torch.where(one.isnan() & other.isnan(), 0.0, apart).nan_to_num(nan=float("inf")).max())
