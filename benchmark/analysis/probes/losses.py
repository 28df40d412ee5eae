"""By kind of task, the loss that the probes of weights look at, and what it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.analysis.probes import pictures, windows
from benchmark.analysis.probes.curvature import Objective


@dataclass(frozen=True)
class Loss:
    """A loss over examples (windows, images), and how it is called.

    title, words: of it, short and long. example: of what it is the mean, one of them. tested: the test examples of what is
    held for the end. objective, values: (model, examples, setting) → the loss to be derived; its value, `loss`, and, where
    there are classes, the `accuracy` in %. summed: how many times the mean loss the sum is that SAMformer's released code
    takes, where it takes one.
    """

    title: str
    words: str
    example: str
    tested: Callable[[Any], Any]
    objective: Callable[[Any, Any, Any], Objective]
    values: Callable[[Any, Any, Any], Mapping[str, float]]
    summed: Callable[[Any], float] | None = None


LOSSES: Mapping[str, Loss] = {
    "forecasting": Loss(
        "MSE", "mean squared error", "window", lambda held: held.windows, windows.objective, windows.values,
        lambda examples: float(len(examples) * examples.horizon),
    ),
    "images": Loss("cross-entropy", "cross-entropy", "image", lambda held: held.pictures, pictures.objective,
                   pictures.values),
}  # fmt: skip
