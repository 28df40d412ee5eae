"""Forecasting as the loop sees it: windows over a series, their loss, metrics over all windows, steps and channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from baselines.base import ClosedForm, Forecaster
from baselines.draws import drawn
from benchmark.config.recipe import Recipe, Setting
from benchmark.data import series, windows
from benchmark.data.readers import Times
from benchmark.data.registry import DataSet
from benchmark.data.series import TIME_FEATURES, Scale
from benchmark.data.windows import Batch, Windows
from benchmark.errors import DataError, counted
from benchmark.problems.base import Once
from benchmark.problems.evaluation import evaluate, means, partial_mse
from benchmark.problems.extra import Extra
from benchmark.problems.precision import autocast
from benchmark.workloads import FORECASTING


def with_channels_dropped(batch: Batch) -> Batch:
    """A batch in which each channel is 0, in all windows and targets, with the probability 1 − ρ, ρ ~ U(0, 1) drawn once.

    CATS is trained so (docs/protocols.md, SAMoVAR's baselines). It draws from what dropout draws from.
    """

    def keep(like: Tensor, generator: torch.Generator | None) -> Tensor:
        random = torch.rand(1 + len(like), generator=generator, device=like.device)
        return (random[1:] < random[0]).to(like)

    kept = drawn(keep, batch.x[0, 0])  # [C]
    return batch._replace(x=batch.x * kept, y=batch.y * kept[-batch.y.shape[-1] :])


def through_buffer(numbers: Tensor, size: int, dice: torch.Generator) -> Tensor:
    """Numbers [n] as they leave a buffer of `size`: filled first, it gives one of those in it at a time, all as likely, and
    takes the next in its place (TensorFlow's `Dataset.shuffle`)."""
    held, waiting, given = numbers[:size].tolist(), iter(numbers[size:].tolist()), list[int]()
    for place in torch.rand(len(numbers), generator=dice, dtype=torch.float64).tolist():
        at = int(place * len(held))
        given.append(held[at])
        held[at] = next(waiting, held[-1])
        if len(given) > len(numbers) - size:
            held.pop()
    return torch.tensor(given)


@dataclass(frozen=True)
class Forecasting:
    """Training and validation windows.

    train, validation: of these splits. setting: its `evaluation_batch` is the windows of one batch of validation. truncate:
    as the recipe's `shuffled_truncated_validation` has it, the size of the batches; None: all windows count. selected_by:
    the metric on validation that selects. drop_channels, drop_last, buffer: as the recipe has it, in training.
    """

    train: Windows
    validation: Windows
    setting: Setting
    truncate: int | None = None
    selected_by: str = "mse"
    drop_channels: bool = False
    drop_last: bool = False
    buffer: int | None = None

    @property
    def device(self) -> torch.device:
        """Where the series is."""
        return self.train.series.device

    def shape(self) -> Mapping[str, int]:
        """lookback, horizon, channels."""
        return FORECASTING.shape(self.train.series.shape[0], self.train.lookback, self.train.horizon)

    def counts(self) -> tuple[int, int]:
        """Windows of training and of validation."""
        return len(self.train), len(self.validation)

    def micro_batches(self, order: torch.Generator, size: int) -> Sequence[Tensor]:
        """The starts of all training windows in a new order, cut into parts of `size` [n]; with `drop_last` whole parts.
        With a `buffer` the new order is that of the generator's seed, shuffled through the buffer.

        Raises DataError where no part is whole.
        """
        windows = len(self.train)
        if self.buffer is None:
            index = torch.randperm(windows, generator=order)
        else:
            one_order = torch.randperm(windows, generator=torch.Generator().manual_seed(order.initial_seed()))
            index = through_buffer(one_order, self.buffer, order)
        index = index.to(self.train.starts.device)
        parts = torch.split(self.train.starts[index], size)
        if not self.drop_last:
            return parts
        if windows < size:
            raise DataError(
                f"{counted(windows, 'training window')}, less than one batch of {size}: with drop_last_train_batch nothing "
                "is left to train on; take more data or smaller batches"
            )
        return parts[: windows // size]

    def batch(self, part: Tensor) -> Batch:
        """The windows that begin at these starts [n]."""
        return self.train.at(part)

    def in_order(self, size: int) -> Iterator[Batch]:
        """All training windows from the first on."""
        for part in torch.split(self.train.starts, size):
            yield self.batch(part)

    def size(self, batch: Batch) -> int:
        """Its windows; where targets are missing, those that are there, at least 1: so a mean of batches is over them."""
        return max(1, int((~batch.y.isnan()).sum())) if self.train.gaps else len(batch.y)

    def examples(self, part: Tensor) -> int:
        """As `size` of the windows that begin at these starts [n]."""
        return self.size(self.batch(part)) if self.train.gaps else len(part)

    def loss(self, model: Forecaster, batch: Batch) -> Tensor:
        """The model's own training loss []; where some targets alone count, the MSE of their forecasts."""
        batch = with_channels_dropped(batch) if self.drop_channels else batch
        if self.train.targets is None:
            return model.training_loss(*batch)
        return partial_mse(model(batch.x, batch.marks), batch.y)

    def gradients(self, model: Forecaster, batch: Batch) -> tuple[Tensor, Sequence[Tensor | None]] | None:
        """The loss [] and its gradients as the model has them, where its own training loss is what counts; else None."""
        return model.gradients(*batch) if self.train.targets is None and not self.drop_channels else None

    @property
    def steady(self) -> bool:
        """Whether validation is over all windows, in their order."""
        return self.truncate is None

    def selecting(self, model: Forecaster) -> Tensor:
        """The MSE [] over all validation windows, still on the device."""
        return means(model, self.validation, self.setting, only_mse=True)["mse"]

    def validate(self, model: Forecaster, holdout: torch.Generator) -> float:
        """The MSE over all validation windows, or over the whole batches of a new shuffle of them."""
        split = self.validation
        if self.truncate is not None:  # where there is no whole batch, all windows
            whole = len(split) - len(split) % self.truncate or len(split)
            split = split.subset(torch.randperm(len(split), generator=holdout)[:whole])
        return evaluate(model, split, self.setting, only_mse=True)["mse"]

    def measure(self, model: Forecaster) -> dict[str, float]:
        """The metrics on validation."""
        return evaluate(model, self.validation, self.setting)

    def fit(self, model: ClosedForm) -> None:
        """From all windows of training and validation."""
        model.fit(Once(self.train.batches()), Once(self.validation.batches()))


@dataclass
class HeldWindows:
    """The test windows. setting: how they are evaluated. scale: of their series, None where it is its own. times [T]:
    seconds since 1970 of its steps, where its file has dates. each [N], extra: every window's MSE, and the metrics that
    decide nothing, once they have been measured."""

    windows: Windows
    setting: Setting
    scale: Scale | None = None
    times: Times | None = None
    each: Tensor | None = field(default=None)
    extra: dict[str, float | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.windows)

    def measure(self, model: Forecaster) -> dict[str, float]:
        """The metrics on all of them."""
        each = torch.zeros(len(self), dtype=torch.float64, device=self.windows.series.device)
        extra = Extra(self.windows, self.scale)

        def observe(start: int, error: Tensor, y: Tensor) -> None:
            of_window = error.square().flatten(-2)  # NaN for a window without a single target
            mean = of_window.nanmean(dim=-1) if self.windows.gaps else of_window.mean(dim=-1)
            each[start : start + len(y)] = mean.view(-1, len(y)).mean(dim=0)
            extra.add(error, y)

        metrics = evaluate(model, self.windows, self.setting, observe=observe)
        self.each, self.extra = each, extra.metrics()
        return metrics

    @torch.no_grad()
    def forecasts(self, model: Forecaster) -> Iterator[Tensor]:
        """The forecasts that `measure` measures, batch by batch in the order of the windows: [B, H, C'] (float32, on the
        standardised scale, of the channels that are to be forecast)."""
        model.eval()
        size = self.setting.evaluation_batch or len(self)
        for start in range(0, len(self), size):
            x, y, marks = self.windows.batch(slice(start, start + size))
            with autocast(self.setting, x.device):
                forecast = model(x, marks)
            yield forecast[..., -y.shape[-1] :].float()
        model.train()


def load(
    recipe: Recipe, dataset: DataSet, path: Path | None, horizon: int, device: torch.device, *,
    evaluation_batch: Callable[[int], int], sha256: str, cache_dir: Path | None,
) -> tuple[Forecasting, HeldWindows]:  # fmt: skip
    """As `benchmark.problems.load` says."""
    task, lookback = recipe.task, recipe.lookback
    trained = recipe.training is not None
    data = series.load(
        dataset, path, lookback, horizon, sha256=sha256, cache_dir=cache_dir, mask_sentinels=task.mask_sentinels,
        time_features=trained and task.time_features, features=task.features,
    )  # fmt: skip
    if trained and task.zero_time_features and data.marks is None:
        data = replace(data, marks=np.zeros((len(data.values), TIME_FEATURES), np.float32))
    setting = recipe.setting.model_copy(update={"evaluation_batch": evaluation_batch(data.values.shape[1])})
    splits = windows.make(data, lookback, horizon, device)
    test = splits.test.evenly(recipe.bounds.max_windows)
    truncate, buffer, drop_channels, drop_last = None, None, False, False
    if recipe.training is not None:
        drop_channels, drop_last, buffer = task.drop_channels, task.drop_last_train_batch, task.shuffle_buffer
        size = recipe.training.batch_size
        if task.drop_last_test_batch and (recipe.bounds.max_windows is None or len(test) >= size):  # a smoke run has few
            test = test.whole_batches(size)
        truncate = size if task.shuffled_truncated_validation else None
    validation = splits.validation.evenly(recipe.bounds.max_windows)
    for name, split in (("training", splits.train), ("validation", validation), ("test", test)):
        if split.gaps and not split.weighed()[1].any():
            raise DataError(f"{dataset.name}: every target of the {name} windows is missing; split it otherwise")
    problem = Forecasting(
        splits.train, validation, setting, truncate, drop_channels=drop_channels, drop_last=drop_last, buffer=buffer
    )
    return problem, HeldWindows(test, setting, data.scale, data.times)
