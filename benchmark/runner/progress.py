"""Progress of a run, for people."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from benchmark.errors import either
from benchmark.store.result import Result
from benchmark.workloads import METRICS


class ProgressBar:
    """One line for every ended cell and, on a terminal, one that is kept up to date: done, failed, time left."""

    def __init__(self, costs: Mapping[str, float]) -> None:
        """`costs`: of every cell, by digest, what it is estimated to take, in any unit."""
        from tqdm import tqdm

        self._failed = 0
        self.count = 0
        self._costs = dict(costs)
        self._whole = sum(costs.values())
        self._total = len(costs)
        self._started = time.monotonic()
        self._bar = tqdm(
            total=self._total, disable=not sys.stderr.isatty(), dynamic_ncols=True, file=sys.stderr,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} " + either(self._total, "cell", "cells")
            + ", {elapsed} gone{postfix}",
        )  # fmt: skip

    def ended(self, result: Result) -> None:
        """Shows that a cell has ended, and how."""
        self.count += 1
        self._failed += result.status != "done"
        with suppress(BrokenPipeError):  # nobody reads any more; the training goes on
            self._bar.write(f"[{self.count}/{self._total}] {describe(result)}", file=sys.stdout)
            sys.stdout.flush()
        self._costs.pop(result.digest, None)
        self._bar.set_postfix_str(f"{left(self._whole, sum(self._costs.values()), time.monotonic() - self._started)}, "
                                  f"failed {self._failed}", refresh=False)  # fmt: skip
        self._bar.update()

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()


def left(whole: float, open_: float, seconds: float) -> str:
    """In words how long the open part of a whole will take, from the seconds that the rest of it took."""
    if whole <= open_:
        return "time left not known yet"
    minutes = seconds * open_ / (whole - open_) / 60
    return f"about {minutes / 60:.1f} h left" if minutes >= 90 else f"about {math.ceil(minutes)} min left"


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
