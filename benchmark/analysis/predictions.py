"""The forecasts of all test windows as a file keeps them: with targets and times, and the way to the data's own scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.base import Forecaster
from baselines.classifier import Classifier
from benchmark.problems.forecasting import HeldWindows
from benchmark.problems.images import HeldImages
from benchmark.workloads.images import CLASSES


@dataclass(frozen=True)
class Streamed:
    """An array (float32) of which no more than a part is held: its name and shape, and its parts along the first axis."""

    name: str
    shape: tuple[int, ...]
    parts: Iterable[NDArray[Any]]


def all_windows(model: Forecaster, held: HeldWindows) -> tuple[Mapping[str, NDArray[Any]], Streamed]:
    """`forecast` [N, H, C] (float32, on the standardised scale), the windows in the order of time, and beside it:

    truth [T, C] (float32, standardised; NaN is missing), each step once, and first [N]: the targets of window n are
    truth[first[n] : first[n] + H]. row []: which row of the data truth begins with. times [T] (datetime64[s]): of the rows
    of truth, where the file has dates. mean, deviation [C]: own scale = standardised·deviation + mean.
    """
    windows = held.windows
    starts = windows.starts.cpu().numpy() + windows.lookback
    begin, end = int(starts.min()), int(starts.max()) + windows.horizon
    truth = windows.asked[:, begin:end].cpu().numpy().T  # [T, C]
    channels = truth.shape[1]
    arrays: dict[str, NDArray[Any]] = {
        "first": starts - begin, "row": np.array(begin), "truth": truth,
        "mean": np.zeros(channels), "deviation": np.ones(channels),
    }  # fmt: skip
    if held.times is not None:
        arrays["times"] = held.times[begin:end].astype("datetime64[s]")
    if held.scale is not None:
        arrays |= {"mean": held.scale.mean[-channels:], "deviation": held.scale.deviation[-channels:]}
    parts = (part.cpu().numpy() for part in held.forecasts(model))
    return arrays, Streamed("forecast", (len(windows), windows.horizon, channels), parts)


def all_images(model: Classifier, held: HeldImages) -> tuple[Mapping[str, NDArray[Any]], Streamed]:
    """`scores` [N, K] (float32), an image a row in the order of the files, and beside it labels [N], their classes."""
    labels = held.pictures.labels.cpu().numpy()
    parts = (part.cpu().numpy() for part in held.scores(model))
    return {"labels": labels}, Streamed("scores", (len(labels), CLASSES), parts)
