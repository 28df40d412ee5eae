"""Several trainings as one program: what a step of all together takes, beside a training alone in the same run."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchmark.config.catalogue import catalogue
from benchmark.config.recipe import Recipe
from benchmark.errors import counted
from benchmark.perf import cases
from benchmark.perf.cases import CASES, Case
from benchmark.perf.steps import clock, timed
from benchmark.training import loop
from benchmark.training.device import clear, free, lane
from benchmark.training.recorded import matrix
from benchmark.training.step import Program, Stepper
from benchmark.training.streams import own_generators
from benchmark.workloads import WORKLOADS

STACKED = (CASES[0], Case("samformer", "SAMformer", "ETTh1", 96, switches=("batch_mixed_denorm",)), *CASES[1:])
COUNTS = {"cpu": (1, 5), "cuda": (1, 5, 20)}
"""Trainings of one program."""
GROUPS = (2, 4, 8)
"""Programs of five at once on one CUDA device, each in a lane of one process, as `--jobs` has them."""
BLOCK_SECONDS = 1.0

EPOCHS = {"SAMformer": 17, "Transformer": 9}
"""That a cell takes until it stops early: the means of SAMformer's paper in `docs/measured`."""
SETS, HORIZONS, SEEDS = ("ETTh1", "ETTh2", "ETTm1", "ETTm2"), (96, 192, 336, 720), 5
VALIDATION = 1 / 3
"""Windows of validation for one of training: of the ETT sets' twenty months, four and twelve."""


@dataclass(frozen=True)
class Together:
    """What was measured of a case.

    case, lookback, sam: of what. alone: milliseconds of a training's step by itself, as the suite takes it. step:
    milliseconds of a step of so many together. at_once: of a round of so many programs of five. graphs: whether the steps
    were replayed as CUDA graphs. said: why something was done otherwise.
    """

    case: Case
    lookback: int
    sam: bool
    alone: float
    step: Mapping[int, float]
    at_once: Mapping[int, float] = field(default_factory=dict)
    graphs: bool = False
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """From command to table: SAMformer's columns on the ETT sets, estimated from the steps and validations of a program of
    five at horizon 96. seconds: of them all, one program at a time. cells: how many. parts: seconds by column. at_once: of
    them all with so many programs at once, as far as that was measured."""

    seconds: float
    cells: int
    parts: Mapping[str, float]
    at_once: Mapping[int, float] = field(default_factory=dict)


class _Group:
    """Trainings of a case that take steps together. stacked: as one program, else one alone."""

    def __init__(self, case: Case, device: str, count: int, stacked: bool) -> None:
        self.device, self.said = torch.device(device), list[str]()
        self.task = task = cases.task(case, device)
        self.together = []
        for seed in range(count):
            draws = own_generators(self.device, seed, "training") if stacked else None
            model = task.model(seed).train()
            self.together.append(loop.Running.of(Stepper(model, task.training, task.problem, draws), seed))
        steppers = [each.stepper for each in self.together]
        self.program = matrix.program_of(steppers, self.said.append) if stacked else Program(steppers)

    def run(self, count: int) -> None:
        """So many steps, a pass over the windows at a time."""
        for each in self.together:
            each.replica.progress = loop.Progress()
        while self.together[0].replica.progress.steps < count:
            loop.run_epoch(self.program, self.together, count)

    def enough(self) -> int:
        """Steps that take about a second."""
        self.run(2)
        return max(2, math.ceil(BLOCK_SECONDS / (timed(self.device, lambda: self.run(2)) / 2)))

    def milliseconds(self, turns: int) -> float:
        """Of a step: the median of the turns."""
        count = self.enough()
        return 1e3 * statistics.median(timed(self.device, lambda: self.run(count)) / count for _ in range(turns))

    def validation(self) -> float:
        """Milliseconds of validation, a window of all."""

        def once() -> Any:
            return self.program.validate([each.holdout for each in self.together])

        once()
        windows = self.task.problem.counts()[1]
        return float(1e3 * statistics.median(timed(self.device, once) for _ in range(3)) / windows)


def measure(case: Case, device: str, turns: int) -> Together:
    """Measures one case; what no longer fits into the device's memory is left out, and that is said."""
    recipe = cases.recipe_of(case)
    single, *_ = _of(case, device, 1, turns, stacked=False)
    of = {count: _of(case, device, count, turns, stacked=True) for count in COUNTS[device]}
    step, said = {count: found[0] for count, found in of.items()}, [line for *_, lines in of.values() for line in lines]
    at_once = {}
    for groups in GROUPS if device == "cuda" else ():
        try:
            at_once[groups] = round_of(case, device, groups)
        except torch.OutOfMemoryError as error:
            clear(error)
            said.append(f"{counted(groups, 'program')} of {SEEDS} at once, and more: out of memory")
            break
        finally:
            free()
    graphs = any(found[1] for found in of.values())
    return Together(case, recipe.lookback, recipe.sam, single, step, at_once, graphs, tuple(dict.fromkeys(said)))


def _of(case: Case, device: str, count: int, turns: int, stacked: bool) -> tuple[float, bool, list[str]]:
    """Of so many trainings: milliseconds of a step, whether it is replayed, what was said. Gives back what they took."""
    with lane(device, 0):
        group = _Group(case, device, count, stacked)
        found = group.milliseconds(turns), group.program.graphs, group.said
    del group
    free()
    return found


def round_of(case: Case, device: str, groups: int) -> float:
    """Milliseconds in which each of so many programs of five takes a step, each in a lane of this process."""
    there = []
    for number in range(groups):
        with lane(device, number):
            there.append(_Group(case, device, SEEDS, stacked=True))
            count = there[-1].enough()

    def run(number: int) -> None:
        torch.set_num_threads(1)
        with lane(device, number):
            there[number].run(count)
            clock(there[number].device)

    with ThreadPoolExecutor(groups) as threads:
        started = time.perf_counter()
        list(threads.map(run, range(groups)))
        return 1e3 * (time.perf_counter() - started) / count


def table(device: str, turns: int, columns: Sequence[str] = tuple(EPOCHS)) -> Table:
    """Seconds of SAMformer's columns on the four ETT sets at four horizons, five seeds each as one program."""
    there, parts = catalogue(), {}
    for column in columns:
        with lane(device, 0):
            group = _Group(Case("samformer", column, "ETTh1", 96), device, SEEDS, stacked=True)
            step, window = group.milliseconds(turns), group.validation()
        total = 0.0
        for name in SETS:
            for horizon in HORIZONS:
                recipe = cases.recipe_of(Case("samformer", column, name, horizon))
                examples = examples_of(recipe, there.datasets[name], horizon)
                assert recipe.training is not None
                each = math.ceil(examples / recipe.training.batch_size) * step + VALIDATION * examples * window
                total += EPOCHS[column] * each / 1e3
        parts[column] = total
    return Table(sum(parts.values()), len(columns) * len(SETS) * len(HORIZONS) * SEEDS, parts)


def examples_of(recipe: Recipe, dataset: Any, horizon: int) -> int:
    """Training windows of a cell."""
    return WORKLOADS[recipe.workload].train_examples(dataset, recipe.lookback, horizon)


def stacked_cases(columns: Sequence[str]) -> list[Case]:
    """The cases of these columns."""
    return [each for each in STACKED if each.column in columns]


def _in_words(found: Together) -> str:
    together = ", ".join(f"{ms:.2f} of {count} as one program" for count, ms in found.step.items())
    at_once = "".join(f", {ms:.2f} of {counted(n, 'program')} of {SEEDS} at once" for n, ms in found.at_once.items())
    return "\n".join([f"  ms a step: {found.alone:.2f} alone, {together}{at_once}", *(f"  {line}" for line in found.said)])


def report(columns: Sequence[str], device: str, turns: int) -> tuple[tuple[Together, ...], Table | None]:
    """What there is to say of these columns, with a line of progress each; of none, nothing."""
    found = []
    for case in stacked_cases(columns):
        print(f"measuring {case.name} as one program …", file=sys.stderr)
        found.append(measure(case, device, turns))
        print(_in_words(found[-1]), file=sys.stderr)  # a run that is ended before its report has this
    if "SAMformer" not in columns:
        return tuple(found), None
    print("measuring SAMformer's table …", file=sys.stderr)
    one, first = table(device, turns), found[0]
    at_once = {count: one.seconds * each / count / first.step[SEEDS] for count, each in first.at_once.items()}
    return tuple(found), replace(one, at_once=at_once)
