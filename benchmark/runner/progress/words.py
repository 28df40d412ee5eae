"""Words on cells that train or have ended, for people."""

from __future__ import annotations

import math

from benchmark.store.result import Result
from benchmark.workloads import METRICS


def left(whole: float, open_: float, seconds: float) -> str:
    """In words how long the open part of a whole will take, from the seconds that the rest of it took."""
    if whole <= open_:
        return "time left not known yet"
    return f"about {lasting(seconds * open_ / (whole - open_))} left"


def lasting(seconds: float) -> str:
    """In seconds under a minute, in hours from an hour and a half on, else in minutes."""
    minutes = seconds / 60
    if minutes < 1:
        return f"{math.ceil(seconds)} s"
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{math.ceil(minutes)} min"


def describe(result: Result) -> str:
    """One line on a Result."""
    if result.status != "done":
        first = (result.reason or "no reason given").splitlines()[0]
        return f"{result.status:8} {result.key}: {first}"
    trained = f"epoch {result.best_epoch} of {len(result.epochs)}" if result.epochs else "not trained"
    measured = "  ".join(
        f"{METRICS[name].title} {value:.4f}"
        for split, _, name in (key.partition("_") for key in result.metrics)
        if split == "test" and name in METRICS and (value := result.metrics[f"test_{name}"]) is not None
    )
    return f"done     {result.key}  test {measured}  {trained}  {result.seconds:.0f} s"
