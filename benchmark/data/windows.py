"""Windows over a series that lives once, as one tensor, on the device of the training; a batch is a gather."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.data.series import Series


class Batch(NamedTuple):
    """x [B, L, C], y [B, H, C], marks [B, L, F] or None."""

    x: Tensor
    y: Tensor
    marks: Tensor | None


@dataclass(frozen=True)
class Windows:
    """Windows of `lookback` + `horizon` steps of `series` [C, T] (float32), beginning at `starts` [N] (int64).

    `marks` [F, T]: time features of every step, or None.
    """

    series: Tensor
    starts: Tensor
    lookback: int
    horizon: int
    marks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, index: Tensor | slice) -> Batch:
        """The windows of some indices. `unfold` is a view, so that one gather is all that is copied."""
        span, starts = self.lookback + self.horizon, self.starts[index]
        gathered = self.series.unfold(1, span, 1)[:, starts]  # [C, B, L + H]
        x = gathered[:, :, : self.lookback].permute(1, 2, 0)  # [B, L, C]
        y = gathered[:, :, self.lookback :].permute(1, 2, 0)  # [B, H, C]
        if self.marks is None:
            return Batch(x, y, None)
        marks = self.marks.unfold(1, self.lookback, 1)[:, starts].permute(1, 2, 0)  # [B, L, F]
        return Batch(x, y, marks)

    def evenly(self, most: int | None) -> Windows:
        """At most so many windows, evenly spaced from the first to the last."""
        if most is None or len(self) <= most:
            return self
        return self.subset(torch.linspace(0, len(self) - 1, most, dtype=torch.float64).round().long())

    def subset(self, index: Tensor) -> Windows:
        """The windows of these indices [n], in this order."""
        return replace(self, starts=self.starts[index.to(self.starts.device)])


    def whole_batches(self, size: int) -> Windows:
        """The windows of the whole batches of this size: an incomplete last batch is dropped.

        Raises ValueError where there is no whole batch.
        """
        if len(self) < size:
            raise ValueError(f"{len(self)} windows are no whole batch of {size}: nothing would be left to test on")
        return replace(self, starts=self.starts[: len(self) - len(self) % size])

    def batches(self, elements: int = 2**22) -> Iterator[tuple[Tensor, Tensor]]:
        """All windows in order as (x [B, L, C], y [B, H, C]), B such that inputs have about so many elements."""
        size = max(1, elements // (self.lookback * self.series.shape[0]))
        for first in range(0, len(self), size):
            x, y, _ = self.batch(slice(first, first + size))
            yield x, y


@dataclass(frozen=True)
class Splits:
    """The windows of the three splits, over one tensor."""

    train: Windows
    validation: Windows
    test: Windows


def make(series: Series, lookback: int, horizon: int, device: torch.device) -> Splits:
    """The three splits' windows on a device; the series, and its marks if it was loaded with them, go there once."""
    values = torch.from_numpy(series.values.T.astype("float32", order="C")).to(device)  # [C, T]
    marks = None if series.marks is None else torch.from_numpy(series.marks.T.copy()).to(device)  # [F, T]
    parts = (torch.from_numpy(s).to(device) for s in (series.train, series.validation, series.test))
    return Splits(*(Windows(values, starts, lookback, horizon, marks) for starts in parts))
