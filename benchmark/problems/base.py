"""The two things that a kind of task gives: a problem, on which models are trained; and what is held out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class Problem(Protocol):
    """What the training loop sees. There are no test examples in it.

    A model is an `nn.Module` of the kind that the problem is for. A batch is whatever the problem makes of some examples;
    the loop hands it back and knows nothing of it.
    """

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""

    @property
    def selected_by(self) -> str:
        """The metric on validation whose least value selects the weights."""

    def shape(self) -> Mapping[str, int]:
        """The keywords that a model for it is built with."""

    def counts(self) -> tuple[int, int]:
        """How many examples there are to train on, and to validate on."""

    def micro_batches(self, order: torch.Generator, size: int) -> Sequence[Tensor]:
        """The training examples in a new order, cut into parts of `size` [n]; the last one may be smaller."""

    def batch(self, part: Tensor) -> Any:
        """The examples of one part [n], on the device; each tensor in it has them along its first axis."""

    def in_order(self, size: int) -> Iterator[Any]:
        """The training examples in an order that stays, as they stand, in batches of `size`: what `batch` makes of them,
        without what it draws."""

    def size(self, batch: Any) -> int:
        """How many examples a batch has."""

    def examples(self, part: Tensor) -> int:
        """As `size` of the batch of a part [n]."""

    def loss(self, model: Any, batch: Any) -> Tensor:
        """The training loss [] of a batch: the mean over its examples."""

    def gradients(self, model: Any, batch: Any) -> tuple[Tensor, Sequence[Tensor | None]] | None:
        """That loss [] and its gradient by trained parameter, where the model derives it by itself; else None."""

    @property
    def steady(self) -> bool:
        """Whether validation is over the same examples each time, so that `holdout` is not drawn from."""

    def selecting(self, model: Any) -> Tensor:
        """`selected_by` [] on all of validation, still on the device."""

    def validate(self, model: Any, holdout: torch.Generator) -> float:
        """`selected_by` on validation. `holdout`: what a protocol that shuffles validation draws from."""

    def measure(self, model: Any) -> dict[str, float]:
        """Every metric on validation by name."""

    def fit(self, model: Any) -> None:
        """Fits a model in closed form (`baselines.base.ClosedForm`)."""


class Once:
    """Batches that are made as they are taken. Raises ValueError where they are gone through a second time."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        self._taken = False

    def __iter__(self) -> Iterator[Any]:
        if self._taken:
            raise ValueError("fit goes through a split's windows a second time; they are there once: keep what it needs")
        self._taken = True
        return iter(self._batches)


class Held(Protocol):
    """The test examples. Whoever trains has none of them; they are opened once, when training has ended."""

    extra: dict[str, float | None]
    """Further metrics by name, which decide nothing and may be None, once they have been measured."""

    def __len__(self) -> int:
        """How many there are."""

    def measure(self, model: Any) -> dict[str, float]:
        """Every metric on them by name."""
