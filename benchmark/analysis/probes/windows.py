"""The loss of a forecaster over windows, as the probes of weights take it: the mean squared error that selects weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from baselines.base import Forecaster
from benchmark.analysis.probes.curvature import Objective
from benchmark.config.recipe import Setting
from benchmark.data.windows import Batch, Windows
from benchmark.problems.evaluation import means, partial_mse


def objective(model: Forecaster, windows: Windows, setting: Setting) -> Objective:
    """The mean squared error over windows, in float64; of all pairs of a batch of `setting.evaluation_batch`, where the
    model's own is. The model given is left alone."""
    size = setting.evaluation_batch or len(windows)

    def batches() -> Iterator[tuple[Any, float]]:
        for start in range(0, len(windows), size):
            found = windows.batch(slice(start, start + size))
            count = int((~found.y.isnan()).sum()) if windows.gaps else found.y.numel()
            doubles = (None if each is None else each.double() for each in found)
            yield Batch(*doubles), count / total  # type: ignore[arg-type]

    series, weights = windows.weighed()
    total = float(weights.sum()) * 1.0 if windows.gaps else len(windows) * windows.horizon * len(series)

    def loss(forecaster: Forecaster, batch: Batch) -> Tensor:
        if windows.targets is None:
            return forecaster.mse(*batch)
        return partial_mse(forecaster(batch.x, batch.marks), batch.y)

    return Objective(copy.deepcopy(model).double().eval(), loss, batches)


def values(model: Forecaster, windows: Windows, setting: Setting) -> Mapping[str, float]:
    """`loss`, the mean squared error over windows as a Result has it, in the model's own precision."""
    found = {"loss": float(means(model, windows, setting, only_mse=True)["mse"])}
    model.eval()
    return found
