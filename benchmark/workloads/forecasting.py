"""Forecasting: from `lookback` steps of all channels the next `horizon` steps of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from benchmark.data.registry import DataSet
from benchmark.data.splits import segments
from benchmark.errors import counted
from benchmark.workloads.base import Metric

_FLOAT32, _FLOAT64 = 4, 8
Features = Literal["M", "S", "MS"]
"""What is forecast from what, in the words of Informer's code (Zhou et al., AAAI 2021) and all that followed it."""


class ForecastingFields(BaseModel):
    """What any model's forecast depends on, trained or not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    lookback: PositiveInt = Field(
        description="input steps L; a recipe may list several: then each is trained, and validation chooses (tables)"
    )
    mask_sentinels: bool = Field(
        default=False, description="replace −9999 (Weather) by the channel's last value; the papers use it as it stands"
    )
    features: Features = Field(
        default="M", description="M: all channels to all; S: the target alone, in and out; MS: all to the target"
    )


class ForecastingTrainingFields(ForecastingFields):
    """What a trained model's forecast depends on besides."""

    time_features: bool = Field(default=False, description="the model gets time features, where the file has dates")
    zero_time_features: bool = Field(
        default=False, description="where the file has no dates, the model gets four time features that are always 0"
    )
    drop_channels: bool = Field(
        default=False,
        description="in training a share of the channels, drawn anew for each micro-batch, is 0, in windows and in targets",
    )
    shuffle_buffer: PositiveInt | None = Field(
        default=None,
        description="one order of windows for the whole training, which each epoch shuffles through a buffer of so many; "
        "null: each epoch has a new order",
    )
    drop_last_train_batch: bool = Field(
        default=False, description="train on whole batches alone: each epoch drops what is left over of its order"
    )
    drop_last_test_batch: bool = Field(
        default=False, description="test on whole training batches alone: the windows of an incomplete last one are dropped"
    )
    shuffled_truncated_validation: bool = Field(
        default=False, description="validate on whole batches of a new shuffle each epoch; what is left over is dropped"
    )


class Forecasting:
    """The workload of every paper that does not say another."""

    name = "forecasting"
    axes: tuple[str, ...] = ("lookback", "horizon")
    measured = (
        "on the standardised scale, over all windows, steps and channels: mean ± sample standard deviation (n − 1) over n "
        "seeds. L: look-back, H: horizon, in steps."
    )
    examples = "windows"
    metrics: tuple[Metric, ...] = (
        Metric("mse", "MSE"),
        Metric("mae", "MAE"),
        Metric("rmse", "RMSE", extra=True),
        Metric("r2", "R2", higher_is_better=True, extra=True, scale="the mean of the channels'"),
        Metric("raw_mse", "raw MSE", extra=True, scale="on the data's own scale"),
        Metric("raw_mae", "raw MAE", extra=True, scale="on the data's own scale"),
        Metric("mape", "MAPE", extra=True, scale="in percent, over targets other than 0"),
        Metric("smape", "sMAPE", extra=True, scale="in percent, over targets other than 0"),
        Metric("mase", "MASE", extra=True, scale="the mean of the channels'"),
    )
    fields: type[BaseModel] = ForecastingFields
    training_fields: type[BaseModel] = ForecastingTrainingFields
    listed: str | None = "lookback"
    unsaid: Mapping[str, Any] = MappingProxyType({"features": "M"})
    profiles: Mapping[str, Mapping[str, int]] = MappingProxyType({
        "paper": {}, "quick": {"max_lookback": 512, "max_steps": 60, "max_windows": 64},
    })  # fmt: skip

    def variant(self, values: Mapping[str, Any]) -> str:
        """`features`, where they are not M."""
        features = str(values.get("features", "M"))
        return "" if features == "M" else features

    def channels(self, dataset: DataSet, variant: str) -> int | None:
        """One with features S, else all."""
        return 1 if variant == "S" and dataset.channels is not None else dataset.channels

    def partial(self, dataset: DataSet, variant: str) -> str | None:
        """With features MS the target alone counts, with ``fill: mask`` what is not missing."""
        found = ["features MS"] if variant == "MS" else []
        found += ["fill: mask"] if dataset.options.get("fill") == "mask" else []
        return " and ".join(found) or None

    def shape(self, channels: int, lookback: int, horizon: int) -> Mapping[str, int]:
        """As in baselines: lookback, horizon, channels."""
        return {"lookback": lookback, "horizon": horizon, "channels": channels}

    def example(self, channels: int, lookback: int, horizon: int) -> int:
        """Numbers in one window, (L + H)·C."""
        return (lookback + horizon) * channels

    def train_examples(self, dataset: DataSet, lookback: int, horizon: int) -> int:
        """Windows of the train split; 1 where the data set's size is not known."""
        if dataset.split == "pairs":
            return int(dataset.options["train"])
        if dataset.rows is None:
            return 1
        return max(1, segments(dataset, dataset.rows, lookback).train.windows(lookback, horizon))

    def forecasts(self, dataset: DataSet, variant: str, lookback: int, horizon: int) -> tuple[int, int, int] | None:
        """Windows of the test split, H·C of one (C the channels that are forecast), T·C of the rows that they have."""
        channels = 1 if variant in ("S", "MS") else dataset.channels
        if dataset.rows is None or channels is None:
            return None
        if dataset.split == "pairs":
            count = int(dataset.options["test"])
            return count, horizon * channels, count * (lookback + horizon) * channels
        count = max(0, segments(dataset, dataset.rows, lookback).test.windows(lookback, horizon))
        return count, horizon * channels, (count + horizon) * channels

    def data_bytes(self, dataset: DataSet, lookback: int, horizon: int) -> int | None:
        """The table and its standardised copy (float64), and the series on the device (float32)."""
        if dataset.rows is None or dataset.channels is None:
            return None
        rows = dataset.rows
        if dataset.split == "pairs":
            rows = sum(int(dataset.options[split]) for split in ("train", "validation", "test")) * (lookback + horizon)
        return rows * dataset.channels * (2 * _FLOAT64 + _FLOAT32)

    def infeasible(self, dataset: DataSet, lookback: int, horizon: int) -> str | None:
        """Which split has no window at all, if one has none; that the data set has no series, if it is so."""
        if dataset.split == "given":
            return f"{dataset.name} has images, and the task is forecasting"
        if dataset.split == "pairs" or dataset.rows is None:
            return None
        counts = segments(dataset, dataset.rows, lookback).counts(lookback, horizon)
        for split, count in zip(("train", "validation", "test"), counts, strict=True):
            if count < 1 and (split != "validation" or counts[2] >= 1):
                rows = f" ({counted(dataset.rows, 'row')})" if dataset.own else ""
                return f"no {split} window: {dataset.name}{rows}, look-back {lookback}, horizon {horizon}"
        return None


FORECASTING = Forecasting()
