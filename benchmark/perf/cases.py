"""What is measured: a column of a paper at a data set's shape, on made-up windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

import baselines
from benchmark.config.catalogue import catalogue
from benchmark.config.recipe import Recipe, Training
from benchmark.config.resolve import candidates, resolve
from benchmark.data.windows import Windows
from benchmark.problems.forecasting import Forecasting


@dataclass(frozen=True)
class Case:
    """A column of a paper at the shape of a dataset and a horizon; its lookback, where the recipe lists several; switches
    of the paper's released code."""

    paper: str
    column: str
    dataset: str
    horizon: int
    lookback: int | None = None
    switches: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it is shown."""
        return " + ".join((self.column, *self.switches))


CASES = (
    Case("samformer", "SAMformer", "ETTh1", 96),
    Case("samformer", "TSMixer+SAM", "ETTh1", 96),
    Case("samovar", "SAMoVAR", "ETTh1", 96),
    Case("samovar", "FixedVAR", "ETTh1", 96),
    Case("samovar", "LinTrans", "ETTh1", 96),
    Case("samovar", "iTransformer", "ETTh1", 96, 512),
    Case("samovar", "PatchTST", "ETTh1", 96, 512),
)
"""Those that have a plain reference."""


def recipe_of(case: Case) -> Recipe:
    """The recipe of a case."""
    paper = catalogue().papers[case.paper]
    column = paper.columns[case.column]
    recipes = candidates(resolve(paper, column, case.dataset, case.horizon, column.sam, case.switches, "paper"))
    return next(r for r in recipes if case.lookback in (None, r.lookback))


@dataclass(frozen=True)
class Task:
    """A case on a device: its recipe, the recipe's training, and made-up windows of its shape."""

    recipe: Recipe
    training: Training
    problem: Forecasting

    def model(self, seed: int) -> Any:
        """One of its models, on the device."""
        torch.manual_seed(seed)
        model = baselines.build(self.recipe.model, **self.problem.shape(), **self.recipe.arguments)
        return model.to(self.problem.device)


def task(case: Case, device: str) -> Task:
    """What a case's steps are taken on."""
    found, channels = recipe_of(case), catalogue().datasets[case.dataset].channels or 1
    training = found.training
    assert training is not None
    windows = _windows(found.lookback, case.horizon, channels, training, found.task.time_features, torch.device(device))
    return Task(found, training, Forecasting(windows, windows, found.setting))


def _windows(
    lookback: int, horizon: int, channels: int, training: Training, time_features: bool, device: torch.device
) -> Windows:
    """Forty batches of windows of random numbers."""
    count, span = 40 * training.batch_size, lookback + horizon
    random = torch.Generator().manual_seed(0)
    series = torch.randn(channels, count + span - 1, generator=random).to(device)
    marks = torch.rand(4, count + span - 1, generator=random).to(device) - 0.5 if time_features else None
    return Windows(series, torch.arange(count, device=device), lookback, horizon, marks)
