"""The interfaces that all models share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Generator, Tensor, nn

Batches = Iterable[tuple[Tensor, Tensor]]
"""Windows x [B, L, C] and targets y [B, H, C], batch by batch; B may differ."""


class Forecaster(nn.Module, ABC):
    """A model that forecasts the next `horizon` steps of a window from its `lookback` steps.

    All values are on the standardised scale. A forecast depends on its own window alone.
    """

    partial_targets: ClassVar[bool] = False
    """Whether its training loss is the MSE of its forecast and nothing else (of a `ClosedForm`: whether `fit` does without
    the targets), so that it may be trained where some of the targets alone count. A plan reads it without an import."""

    batches_stack: ClassVar[bool] = False
    """Whether `mse` of several batches may be taken as one pass, by `torch.func.vmap` over them."""

    @abstractmethod
    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """The forecast [B, H, C] of the windows x [B, L, C].

        marks [B, L, F] are the windows' time features, for the models that use them.
        """

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """Scalar to minimise on windows x [B, L, C] and targets y [B, H, C]: here the MSE of the forecast."""
        return self.mse(x, y, marks)

    def gradients(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> tuple[Tensor, Sequence[Tensor | None]] | None:
        """`training_loss` [] of x [B, L, C] and y [B, H, C], and its gradient by parameter, in their order.

        Of a model that derives it by hand, which spares a small one a fifth of its step. None: autograd derives it.
        """
        return None

    def mse(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """The forecast's mean squared error [], as validation takes it, on windows x [B, L, C] and targets y [B, H, C].

        Raises ValueError if the forecast has another shape than y.
        """
        return mean_squared_error(self(x, marks), y)


class ClosedForm(Forecaster):
    """A model that is not trained: `fit` once, then it forecasts. Its parameters, if any, take no gradient."""

    @abstractmethod
    def fit(self, train: Batches, validation: Batches) -> None:
        """Computes the parameters from the windows of the two splits, going through each at most once.

        Raises ValueError if a split that is needed is empty.
        """


@dataclass(frozen=True)
class Examples:
    """What a model is trained on, in an order that stays, as it stands (without augmentation).

    count: how many there are. batches: goes through them from the first, so many at once: tuples that begin with inputs
    [B, ...] and targets [B, ...].
    """

    count: int
    batches: Callable[[int], Iterator[Any]]

    def __len__(self) -> int:
        return self.count


class SelfMoving(ABC):
    """A model that moves its weights by itself too, beside the optimizer: the training loop lets it, in every training.

    It changes weights in place, and draws from `dice` alone, so that a training is the same in any company.
    """

    @abstractmethod
    def before_training(self, examples: Examples, dice: Generator) -> None:
        """Once, before the first epoch; not where a training goes on from a checkpoint."""

    @abstractmethod
    def before_epoch(self, epoch: int, examples: Examples) -> None:
        """Before each epoch, from 0."""

    @abstractmethod
    def after_step(self) -> None:
        """After each step of the optimizer."""


def mean_squared_error(forecast: Tensor, y: Tensor) -> Tensor:
    """MSE [] of a forecast of y's shape. Raises ValueError if it has another one.

    (Broadcasting would hide that: so arose the mistake that `batch_mixed_denorm` of `samformer` describes.)
    """
    if forecast.shape != y.shape:
        raise ValueError(f"the forecast is {tuple(forecast.shape)}, the target {tuple(y.shape)}")
    return F.mse_loss(forecast, y)
