"""Windows over a series that lives once, as one tensor, on the device of the training; a batch is a gather."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.series import Array, Series
from benchmark.errors import counted, either


class Batch(NamedTuple):
    """x [B, L, C], y [B, H, C'] (C' is C, but with features MS; NaN is missing), marks [B, L, F] or None."""

    x: Tensor
    y: Tensor
    marks: Tensor | None


@dataclass(frozen=True)
class Windows:
    """Windows of `lookback` + `horizon` steps of `series` [C, T] (float32), beginning at `starts` [N] (int64).

    `marks` [F, T]: time features of every step, or None. `targets` [C', T]: what is to be forecast, where it is not all of
    `series`: its last channels, NaN where one is missing.
    """

    series: Tensor
    starts: Tensor
    lookback: int
    horizon: int
    marks: Tensor | None = None
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, index: Tensor | slice) -> Batch:
        """The windows of some indices [B]."""
        return self.at(self.starts[index])

    def at(self, starts: Tensor) -> Batch:
        """The windows that begin at some steps [B]. All windows together are a view: one gather is all that is copied."""
        gathered = _gather(self._all, starts)  # [C, B, L + H]
        x = gathered[:, :, : self.lookback].permute(1, 2, 0)  # [B, L, C]
        if self._all_targets is None:
            y = gathered[:, :, self.lookback :].permute(1, 2, 0)  # [B, H, C]
        else:
            y = _gather(self._all_targets, starts + self.lookback).permute(1, 2, 0)  # [B, H, C']
        if self._all_marks is None:
            return Batch(x, y, None)
        return Batch(x, y, _gather(self._all_marks, starts).permute(1, 2, 0))  # marks [B, L, F]

    @cached_property
    def _all(self) -> Tensor | NDArray[Any]:
        return _windows(self.series, self.lookback + self.horizon)

    @property
    def asked(self) -> Tensor:
        """What is to be forecast, [C', T]."""
        return self.series if self.targets is None else self.targets

    @cached_property
    def gaps(self) -> bool:
        """Whether any target of the series is missing."""
        return self.targets is not None and bool(self.targets.isnan().any())

    def weighed(self) -> tuple[Tensor, Tensor]:
        """The targets of all windows, each step once, [C', T'], and in how many windows each counts (float64): 0 where it
        is missing."""
        first = self.starts + self.lookback
        begin, end = int(first.min()), int(first.max()) + self.horizon
        change = torch.zeros(end - begin + 1, dtype=torch.float64, device=first.device)
        one = torch.ones(len(first), dtype=torch.float64, device=first.device)
        change.index_add_(0, first - begin, one).index_add_(0, first - begin + self.horizon, -one)
        values = self.asked[:, begin:end]
        return values, change.cumsum(0)[:-1] * ~values.isnan()

    @cached_property
    def _all_targets(self) -> Tensor | NDArray[Any] | None:
        return None if self.targets is None else _windows(self.targets, self.horizon)

    @cached_property
    def _all_marks(self) -> Tensor | NDArray[Any] | None:
        return None if self.marks is None else _windows(self.marks, self.lookback)

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
            there = f"{counted(len(self), 'window')} {either(len(self), 'is', 'are')}"
            raise ValueError(f"{there} no whole batch of {size}: nothing would be left to test on")
        return replace(self, starts=self.starts[: len(self) - len(self) % size])

    def batches(self, elements: int = 2**22) -> Iterator[tuple[Tensor, Tensor]]:
        """All windows in order as (x [B, L, C], y [B, H, C]), B such that inputs have about so many elements."""
        size = max(1, elements // (self.lookback * self.series.shape[0]))
        for first in range(0, len(self), size):
            x, y, _ = self.batch(slice(first, first + size))
            yield x, y


def _windows(series: Tensor, span: int) -> Tensor | NDArray[Any]:
    """All windows of `span` steps of a series [R, T], as a view [R, T − span + 1, span]; on a CPU one of NumPy's."""
    view = series.unfold(1, span, 1)
    return view if series.device.type != "cpu" else view.numpy()


def _gather(windows: Tensor | NDArray[Any], starts: Tensor) -> Tensor:
    """[R, B, span] of the windows that begin at the starts [B].

    NumPy copies a window at a time, in a quarter of the time of torch, which copies number by number.
    """
    return windows[:, starts] if isinstance(windows, Tensor) else torch.from_numpy(windows[:, starts.numpy()])


@dataclass(frozen=True)
class Splits:
    """The windows of the three splits, over one tensor."""

    train: Windows
    validation: Windows
    test: Windows


def make(series: Series, lookback: int, horizon: int, device: torch.device) -> Splits:
    """The three splits' windows on a device; the series, and its marks if it was loaded with them, go there once."""

    def on_device(values: Array) -> Tensor:  # [T, C] to [C, T]
        return torch.from_numpy(values.T.astype("float32", order="C")).to(device)

    values, targets = on_device(series.values), None if series.targets is None else on_device(series.targets)
    marks = None if series.marks is None else torch.from_numpy(series.marks.T.copy()).to(device)  # [F, T]
    parts = (torch.from_numpy(s).to(device) for s in (series.train, series.validation, series.test))
    return Splits(*(Windows(values, starts, lookback, horizon, marks, targets) for starts in parts))
