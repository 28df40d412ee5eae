"""Files → standardised series. numpy and pandas only; tensors are made in `windows`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.registry import DataSet
from benchmark.data.splits import Segments, segments
from benchmark.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """A standardised series [time, channels] (float64) and the window starts of each split (row numbers)."""

    values: Array
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def load(dataset: DataSet, path: Path | None, lookback: int, horizon: int) -> Series:
    """A data set as the papers' loaders give it: read, split, standardised by the train segment, windows of stride 1.

    Raises DataError for a file that is not what the registry says.
    """
    if dataset.reader == "linear_pairs":
        return linear_pairs(dataset, lookback, horizon)
    assert path is not None
    values = read_csv(path)
    if values.shape != (dataset.rows, dataset.channels):
        raise DataError(
            f"{dataset.name}: {path} has {values.shape[0]:,} rows × {values.shape[1]} channels, expected "
            f"{dataset.rows:,} × {dataset.channels}; replace it"
        )
    parts = segments(dataset, len(values), lookback)
    return Series(standardise(values, parts), *_starts(parts, lookback, horizon))


@lru_cache(maxsize=4)
def read_csv(path: Path) -> Array:
    """A CSV whose first column is the date → its values [rows, channels]; the column `OT` moved last, if there is one.

    Raises DataError, with the row and the column, for a value that is no number.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = pd.read_csv(path, encoding="utf-8", encoding_errors="replace", engine="c")
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: not a readable CSV ({' '.join(str(error).split())[:120]}); replace it") from None
    if frame.shape[1] < 2 or not len(frame):
        raise DataError(f"{path}: expected a date column, value columns and rows, found {frame.shape}; replace it")
    names = list(frame.columns[1:])
    if "OT" in names:
        names = [n for n in names if n != "OT"] + ["OT"]
    values: Array = frame[names].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        found = frame[names[column]].iloc[row]
        raise DataError(f"{path}: line {row + 2}, column '{names[column]}': expected a number, found {found!r}")
    return values


def standardise(values: Array, parts: Segments) -> Array:
    """Per channel: less the mean, over the population standard deviation, of the train segment (protocols.md)."""
    train = values[parts.train.start : parts.train.end]
    deviation = train.std(axis=0)
    scaled: Array = (values - train.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)
    return scaled


def _starts(parts: Segments, lookback: int, horizon: int) -> list[NDArray[np.int64]]:
    return [
        np.arange(part.start, part.start + max(0, part.windows(lookback, horizon)), dtype=np.int64)
        for part in (parts.train, parts.validation, parts.test)
    ]


def linear_pairs(dataset: DataSet, lookback: int, horizon: int) -> Series:
    """SAMformer's motivating task (its section 3): inputs X ~ N(0, 1), targets X·W + noise, one W for all channels.

    Pair i is laid out as rows [i·(L+H), (i+1)·(L+H)) of one series, so that windows gather it like any other. W is
    scaled to targets of unit variance, so the noise's variance is the least MSE that can be had.
    """
    options = dataset.options
    counts = [int(options[k]) for k in ("train", "validation", "test")]
    random = np.random.default_rng(int(options["seed"]))
    weights = random.standard_normal((lookback, horizon)) / np.sqrt(lookback)
    inputs = random.standard_normal((sum(counts), dataset.channels, lookback))
    targets = inputs @ weights + float(options["noise"]) * random.standard_normal(
        (sum(counts), dataset.channels, horizon)
    )
    pairs = np.concatenate([inputs, targets], axis=2)  # [N, C, L + H]
    values = pairs.transpose(0, 2, 1).reshape(-1, dataset.channels)  # [N·(L + H), C]
    starts = np.arange(sum(counts), dtype=np.int64) * (lookback + horizon)
    first, second = counts[0], counts[0] + counts[1]
    return Series(values, starts[:first], starts[first:second], starts[second:])
