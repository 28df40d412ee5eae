"""Tables → standardised series with the starts of their windows. numpy only; tensors are made in `windows`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data import cache, synthetic
from benchmark.data.readers import SENTINEL, Times
from benchmark.data.registry import DataSet
from benchmark.data.splits import Range, Ranges, segments

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """A standardised series [time, channels] (float64) and the window starts of each split (row numbers).

    marks [time, 4] (float32): the time features, where they were asked for and the set has dates.
    """

    values: Array
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    marks: NDArray[np.float32] | None = None


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
) -> Series:
    """A data set as the papers' loaders give it: read, split, standardised by the train segment, windows of stride 1.

    Args: `sha256` is the checksum that the file is known to have, under which its parsed copy stands in `cache_dir`
    (see `cache.table`). `mask_sentinels` replaces −9999 by the channel's last value before it (else the next).

    Raises DataError for a file that is not what the registry says.
    """
    if dataset.reader == "linear_pairs":
        values, starts = synthetic.linear_pairs(dataset, lookback, horizon)
        return Series(values, starts[0], starts[1], starts[2])
    if dataset.reader == "var":
        values, times = synthetic.var(dataset), None
    else:
        assert path is not None
        table = cache.table(dataset, path, sha256, cache_dir)
        values, times = table.values, table.times
    if mask_sentinels:
        values = masked(values)
    parts = segments(dataset, len(values), lookback)
    train, validation, test = (_starts(part, lookback, horizon) for part in (parts.train, parts.validation, parts.test))
    features = marks(times) if time_features and times is not None else None
    return Series(standardise(values, parts), train, validation, test, features)


def standardise(values: Array, parts: Ranges) -> Array:
    """Per channel: less the mean, over the population standard deviation, of the train segment (docs/protocols.md,
    Standardisation)."""
    train = values[parts.train.start : parts.train.end]
    deviation = train.std(axis=0)
    scaled: Array = (values - train.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)
    return scaled


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
