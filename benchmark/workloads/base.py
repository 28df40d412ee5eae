"""What a plan and a table need of a kind of task: recipe fields, axes, metrics, sizes, why a cell cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from benchmark.data.registry import DataSet


@dataclass(frozen=True)
class Metric:
    """One measured number, in one place: a new one is an entry in its workload and a line in its problem.

    name: in files, as in ``test_mse``. title: in tables. higher_is_better: which way is good. absolute, relative: ours
    and a printed number are the same where they differ by no more than the larger of `absolute` and `relative` times the
    printed one. extra: it is shown where it is asked for, but a Result without it is whole, and it decides nothing. scale:
    in words.
    """

    name: str
    title: str
    higher_is_better: bool = False
    absolute: float = 0.005
    relative: float = 0.02
    extra: bool = False
    scale: str = "on the standardised scale"

    def tolerance(self, printed: float) -> float:
        """The largest deviation from a printed number that counts as the same."""
        return max(self.absolute, self.relative * abs(printed))


class Workload(Protocol):
    """A kind of task. `channels` counts the series of a data set; `lookback` and `horizon` are the cell's axes."""

    name: str
    axes: tuple[str, ...]
    """Which of horizon and look-back its cells have; a cell's others are 0, and stand in no key and no file."""
    measured: str
    """What its metrics are over, in words, and what a table's letters for its axes mean."""
    examples: str
    """What a model is trained and tested on, in a word: windows, images."""
    metrics: tuple[Metric, ...]
    """Of validation and test. Weights are selected by the first one on validation."""
    fields: type[BaseModel]
    """Recipe fields that every model's Result depends on, trained or not."""
    training_fields: type[BaseModel]
    """The same, and those that concern training alone."""
    listed: str | None
    """A field of which a recipe may list several values: each is trained, and validation chooses."""
    unsaid: Mapping[str, Any]
    """Fields with the value that says no more than their absence: it enters no recipe, and so no digest."""

    profiles: Mapping[str, Mapping[str, int]]
    """Bounds of each profile by name: max_steps, max_windows, and ``max_FIELD`` of the listed field."""

    def variant(self, values: Mapping[str, Any]) -> str:
        """In a word, what a recipe (values by name) makes another task of, so that its numbers are compared with none of
        the usual one; empty for the usual task."""

    def channels(self, dataset: DataSet, variant: str) -> int | None:
        """The series that a model sees; None where the data set's size is not known."""

    def partial(self, dataset: DataSet, variant: str) -> str | None:
        """Why not every target of an example counts, in words; None where all do."""

    def shape(self, channels: int, lookback: int, horizon: int) -> Mapping[str, int]:
        """The keywords that a model of this kind is built with beside its own arguments."""

    def example(self, channels: int, lookback: int, horizon: int) -> int:
        """Numbers in one example, its target included."""

    def train_examples(self, dataset: DataSet, lookback: int, horizon: int) -> int:
        """How many there are to train on; 1 where that is not known."""

    def forecasts(self, dataset: DataSet, variant: str, lookback: int, horizon: int) -> tuple[int, int, int] | None:
        """How many test examples there are, the numbers in the forecast of one, and in what they are held against; None
        where that is not known."""

    def data_bytes(self, dataset: DataSet, lookback: int, horizon: int) -> int | None:
        """Bytes that the data of a cell take in a worker; None where the data set's size is not known."""

    def infeasible(self, dataset: DataSet, lookback: int, horizon: int) -> str | None:
        """Why a cell cannot be, from sizes alone; None where it can."""
