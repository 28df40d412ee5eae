"""Tables → standardised series with the starts of their windows. numpy only; tensors are made in `windows`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data import cache, synthetic
from benchmark.data.readers import SENTINEL, Times
from benchmark.data.registry import DataSet
from benchmark.data.splits import Range, Ranges, segments
from benchmark.data.text import steps
from benchmark.data.text.gaps import previous
from benchmark.errors import DataError, counted, either

Array = NDArray[np.float64]

ROUNDING = 64 * np.finfo(np.float64).eps
"""Differences of this size, relative to the numbers, are rounding: 64 units in the last place."""


@dataclass(frozen=True)
class Scale:
    """What leads from the standardised scale back to the data's own, by channel [C] (float64).

    mean, deviation: own = standardised·deviation + mean. naive: on the own scale, the mean |v_t − v_{t−season}| over the
    train segment; NaN where it has no two rows so far apart. season: steps, see `steps.season_of`.
    """

    mean: Array
    deviation: Array
    naive: Array
    season: int = 1


@dataclass(frozen=True)
class Series:
    """A series and its windows.

    values [time, channels] (float64): standardised. train, validation, test: the window starts of each split (row
    numbers). scale: how it was standardised. targets [time, C'] (float64): what is to be forecast, where it is not all of
    `values`: the last channel with features MS; NaN where it is missing (``fill: mask``), while `values` hold the last
    value there. marks [time, 4] (float32): the time features, where they were asked for and the set has dates. times
    [time]: seconds since 1970 as the file's clock has them, where it has dates.
    """

    values: Array
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    scale: Scale
    targets: Array | None = None
    marks: NDArray[np.float32] | None = None
    times: Times | None = None


def load(
    dataset: DataSet,
    path: Path | None,
    lookback: int,
    horizon: int,
    *,
    sha256: str | None = None,
    cache_dir: Path | None = None,
    mask_sentinels: bool = False,
    time_features: bool = False,
    features: str = "M",
) -> Series:
    """A data set as the papers' loaders give it: read, split, standardised by the train segment, windows of stride 1.

    Args: `sha256` is the checksum that the file is known to have, under which its parsed copy stands in `cache_dir`
    (see `cache.table`). `mask_sentinels` replaces −9999 by the channel's last value before it (else the next). `features`:
    M, all channels to all; S, the last one alone; MS, all, of which the last one is to be forecast.

    Raises DataError for a file that is not what the registry says.
    """
    if dataset.reader == "linear_pairs":
        values, starts = synthetic.linear_pairs(dataset, lookback, horizon)
        values = values[:, -1:] if features == "S" else values
        channels = values.shape[1]
        as_it_is = Scale(np.zeros(channels), np.ones(channels), np.full(channels, np.nan))
        return Series(values, starts[0], starts[1], starts[2], as_it_is, values[:, -1:] if features == "MS" else None)
    if dataset.reader == "var":
        values, times = synthetic.var(dataset), None
    else:
        assert path is not None
        table = cache.table(dataset, path, sha256, cache_dir)
        values, times = table.values, table.times
    if mask_sentinels:
        values = masked(values)
    values = np.ascontiguousarray(values[:, -1:]) if features == "S" else values
    parts = segments(dataset, len(values), lookback)
    train, validation, test = (_starts(part, lookback, horizon) for part in (parts.train, parts.validation, parts.test))
    stamps = marks(times) if time_features and times is not None else None
    missing = np.isnan(values) if dataset.options.get("fill") == "mask" else None
    if missing is None or not missing.any():
        mean, deviation = moments(values, parts)
    else:
        mean, deviation = moments_of_present(dataset, values, parts)
    season = own_season(dataset.step, times) if dataset.own else dataset.season
    scale = Scale(mean, deviation, naive_error(values[parts.train.start : parts.train.end], season), season)
    scaled = standardise(values, mean, deviation)
    targets = scaled[:, -1:] if features == "MS" else scaled
    if missing is not None and missing.any():
        scaled = previous(pd.DataFrame(scaled)).to_numpy(np.float64)
    return Series(scaled, train, validation, test, scale, None if targets is scaled else targets, stamps, times)


def moments(values: Array, parts: Ranges) -> tuple[Array, Array]:
    """Mean and population standard deviation [C] of the train segment, by which a series is standardised
    (docs/protocols.md, Standardisation). The deviation of a channel that is constant there counts as 1.

    The bits are the same whatever the memory layout of `values` [rows, channels], and whichever other channels there are:
    numpy sums in the order in which numbers lie, so each channel is laid out by itself.
    """
    train = np.ascontiguousarray(values[parts.train.start : parts.train.end].T)  # [C, rows]
    still = constant(train.T)
    return np.where(still, train[:, 0], train.mean(axis=1)), np.where(still, 1.0, train.std(axis=1))


def constant(rows: Array) -> NDArray[np.bool_]:
    """Which channels of rows [n, channels] vary by no more than rounding does: their range is that of `ROUNDING` at their
    size. (The deviation of 42 times 1.1 is 7e-16 or 0, as one sums it.) What is NaN does not count."""
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
    still: NDArray[np.bool_] = high - low <= ROUNDING * np.maximum(abs(low), abs(high))
    return still


def note_constant(dataset: DataSet, values: Array) -> str | None:
    """What a reader should know of channels that never change in the training rows of a table [rows, channels]."""
    train = segments(dataset, len(values), 0).train
    rows = values[train.start : train.end]
    count = int(constant(rows).sum()) if len(rows) else 0
    if not count:
        return None
    channels = counted(values.shape[1], "channel")
    return f"{count} of {channels} never {either(count, 'changes', 'change')} in the training rows; there the scale is 1"


def moments_of_present(dataset: DataSet, values: Array, parts: Ranges) -> tuple[Array, Array]:
    """The same of what is there: NaN counts in neither. Raises DataError for a channel without a value to train on."""
    train = values[parts.train.start : parts.train.end]
    found = []
    for channel, column in enumerate(train.T, start=1):
        there = column[~np.isnan(column)][:, None]
        if not len(there):
            raise DataError(
                f"{dataset.name}: channel {channel} of {train.shape[1]} has no value in the train segment (its first "
                f"{counted(len(train), 'row')}), so nothing tells its scale; leave the column out"
            )
        found.append(moments(there, replace(parts, train=Range(0, len(there)))))
    mean, deviation = zip(*found, strict=True)
    return np.concatenate(mean), np.concatenate(deviation)


def standardise(values: Array, mean: Array, deviation: Array) -> Array:
    """Per channel: less the mean, over the deviation."""
    scaled: Array = (values - mean) / deviation
    return scaled


def own_season(step: str, times: Times | None) -> int:
    """The season of a set of one's own, by its step; by its first two times, where no step is given."""
    if not step and times is not None and len(times) > 1:
        step = steps.in_words(int(times[1] - times[0]) * steps.MICROSECONDS["s"])
    return steps.season_of(step)


def naive_error(train: Array, season: int) -> Array:
    """Of each channel [C], the mean error of the seasonal naive forecast of one step over `train` [T, C], the scale of
    MASE (Hyndman and Koehler, 2006), where both are there; NaN where no value has one a season before it."""
    train = np.ascontiguousarray(train)  # for the same bits whatever the memory layout
    errors = np.abs(train[season:] - train[: max(0, len(train) - season)])
    there = ~np.isnan(errors)
    sums, counts = np.where(there, errors, 0.0).sum(axis=0), there.sum(axis=0)
    means: Array = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def masked(values: Array) -> Array:
    """The values with each sentinel replaced by the last value before it that is none, at the start by the next."""
    wrong = values == SENTINEL
    if not wrong.any():
        return values
    rows = np.where(wrong, -1, np.arange(len(values))[:, None])
    last = np.maximum.accumulate(rows, axis=0)
    first = np.argmax(~wrong, axis=0)  # of each channel, the first row that is none
    filled: Array = np.take_along_axis(values, np.where(last < 0, first, last), axis=0)
    return filled


TIME_FEATURES = 4
"""Of a step: see `marks`."""


def marks(times: Times) -> NDArray[np.float32]:
    """Hour of day, day of week, day of month, day of year, each scaled to [−0.5, 0.5] (docs/models.md), [time, 4].

    As the released code has them for every set with dates, whatever its step: hour/23, weekday/6 (Monday 0),
    (day − 1)/30, (day of year − 1)/365, less a half.
    """
    stamps = times.astype("datetime64[s]")
    days = stamps.astype("datetime64[D]")
    hour = (times // 3600) % 24
    weekday = (days.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday
    day = (days - days.astype("datetime64[M]")).astype(np.int64)
    of_year = (days - days.astype("datetime64[Y]")).astype(np.int64)
    scaled = np.stack([hour / 23, weekday / 6, day / 30, of_year / 365], axis=1) - 0.5
    return scaled.astype(np.float32)


def _starts(part: Range, lookback: int, horizon: int) -> NDArray[np.int64]:
    return np.arange(part.start, part.start + max(0, part.windows(lookback, horizon)), dtype=np.int64)
