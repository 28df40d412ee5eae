"""A trained cell as a command of ``python -m benchmark.analysis`` has it: its model, its windows, where its files go."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.console import whole
from benchmark.errors import UsageError
from benchmark.files import write_atomically
from benchmark.store.kept import Kept
from benchmark.store.measured import write

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from baselines.base import Forecaster
    from benchmark.analysis.probes.losses import Loss
    from benchmark.config.recipe import Setting
    from benchmark.data.windows import Windows
    from benchmark.load import Task
    from benchmark.problems.forecasting import Forecasting, HeldWindows
    from tables.figures.data import Figure

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Cell:
    """A trained cell. model: with its selected weights, in eval mode. task: its windows. kept: where its files stand."""

    model: Forecaster
    task: Task
    kept: Kept

    @property
    def key(self) -> str:
        """Its key."""
        return self.task.result.key

    @property
    def title(self) -> str:
        """How figures name it."""
        return self.task.result.title

    @property
    def training(self) -> Forecasting:
        """Its windows of training and validation, and how they are evaluated."""
        from benchmark.problems.forecasting import Forecasting

        if not isinstance(self.task.training, Forecasting):
            raise UsageError(f"{self.key}: expected a cell of forecasting, which has windows; this one has none")
        return self.task.training

    @property
    def test(self) -> HeldWindows:
        """Its test windows."""
        from benchmark.problems.forecasting import HeldWindows

        if not isinstance(self.task.test, HeldWindows):
            raise UsageError(f"{self.key}: expected a cell of forecasting, which has windows; this one has none")
        return self.task.test

    def windows(self, split: str, most: int | None) -> Windows:
        """So many windows of one of `SPLITS`, evenly over it; all, where there are fewer, or `most` is None."""
        training, test = self.training, self.test
        return {"train": training.train, "validation": training.validation, "test": test.windows}[split].evenly(most)

    @property
    def loss(self) -> Loss:
        """The loss that probes of its weights look at."""
        from benchmark.analysis.probes.losses import LOSSES

        return LOSSES[self.task.experiment.recipe.workload]

    def examples(self, split: str, most: int | None) -> Any:
        """So many windows or images of one of `SPLITS`, evenly over it; all, where there are fewer, or `most` is None."""
        training: Any = self.task.training
        of = {"train": training.train, "validation": training.validation, "test": self.loss.tested(self.task.test)}
        return of[split].evenly(most)

    @property
    def setting(self) -> Setting:
        """How it is evaluated."""
        training: Any = self.task.training
        found: Setting = training.setting
        return found

    def test_windows(self, most: int) -> Tensor:
        """So many test windows x [N, L, C], evenly over the segment; all, where there are fewer."""
        return self.windows("test", most).batch(slice(None)).x

    def epochs(self) -> Iterator[int]:
        """The epochs whose weights are kept, from 1; within an iteration the model has these, and afterwards its own."""
        from benchmark.load import with_weights

        for number in range(1, len(self.task.result.epochs) + 1):
            if self.kept.epoch(number).is_file():
                with_weights(self.model, self.kept.epoch(number))
                yield number
        with_weights(self.model, self.kept.weights)

    def write(self, name: str, arrays: Mapping[str, NDArray[Any]], figures: Sequence[tuple[str, Figure | None]]) -> None:
        """Writes ``<name>.npz``, and of each figure (suffix, figure) ``<name>.<suffix>.png`` and ``.svg``; says where."""
        from tables.figures.matplotlib_renderer import pictures

        result, files = self.task.result, dict[str, bytes]()
        for suffix, figure in figures:
            if figure is not None:
                files |= {f"{'.'.join(filter(None, (name, suffix)))}.{k}": v for k, v in pictures(figure).items()}
        about = {"key": result.key, "digest": result.digest, "metrics": dict(result.metrics)}
        write(self.kept.analysis / f"{name}.npz", about, arrays)
        for file, content in files.items():
            write_atomically(self.kept.analysis / file, content)
        print(f"written: {self.kept.analysis}/{', '.join([f'{name}.npz', *files])}")


@dataclass(frozen=True)
class Command:
    """A subcommand. summary: its line of the help. about: more of it. options: adds its own. run: does it."""

    summary: str
    about: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def opened(options: argparse.Namespace, cell: str) -> Cell:
    """A cell of the command line. Raises UsageError where it cannot be loaded, as `benchmark.load` says."""
    from benchmark.load import load

    model, task = load(cell, options.results_dir, data_dir=options.data_dir, config=options.config)
    return Cell(model, task, Kept(options.results_dir, task.result.digest))


def of_each(
    options: argparse.Namespace,
    name: str,
    measure: Callable[[Cell], dict[str, NDArray[Any]]],
    figure: Callable[[list[tuple[Cell, dict[str, NDArray[Any]]]]], Figure | None],
) -> None:
    """Measures each cell of the command line, and writes what comes of it as `name`.

    The figure of all of them, where there is one, stands with the first.
    """
    found = [(cell, measure(cell)) for cell in (opened(options, text) for text in options.cells)]
    drawn = figure(found)
    for place, (cell, arrays) in enumerate(found):
        cell.write(name, arrays, [("", None if place else drawn)])


def whole_or_all(text: str) -> int | None:
    """A whole number from 1, or None for `all`. Raises ArgumentTypeError for anything else."""
    return None if text == "all" else whole(text, least=1)
