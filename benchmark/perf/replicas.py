"""Several trainings as one program: what a step of all together takes, beside a training alone in the same run."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmark.config.catalogue import catalogue
from benchmark.config.recipe import Recipe
from benchmark.perf import cases
from benchmark.perf.cases import CASES, Case
from benchmark.perf.steps import clock, timed
from benchmark.runner.pool import KEEP_MEMORY, ONE_THREAD, process
from benchmark.training import loop
from benchmark.training.recorded import matrix
from benchmark.training.step import Program, Stepper
from benchmark.training.streams import own_generators
from benchmark.workloads import WORKLOADS

STACKED = (CASES[0], Case("samformer", "SAMformer", "ETTh1", 96, switches=("batch_mixed_denorm",)), *CASES[1:])
COUNTS = {"cpu": (1, 5), "cuda": (1, 5, 20)}
"""Trainings of one program."""
GROUPS = (2, 4, 8)
"""Programs of five at once on one CUDA device, each in a process of its own, as `--jobs` has them."""
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
    five at horizon 96. seconds: of them all, one program at a time. cells: how many. parts: seconds by column."""

    seconds: float
    cells: int
    parts: Mapping[str, float]


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
    """Measures one case, in this process and (several programs at once) in others."""
    alone = _Group(case, device, 1, stacked=False)
    step, graphs, said = {}, False, list[str]()
    single = alone.milliseconds(turns)
    for count in COUNTS[device]:
        group = _Group(case, device, count, stacked=True)
        step[count] = group.milliseconds(turns)
        graphs, said = graphs or group.program.graphs, said + group.said
    at_once = {count: round_of(case, device, count) for count in GROUPS} if device == "cuda" else {}
    task = alone.task
    return Together(case, task.recipe.lookback, task.recipe.sam, single, step, at_once, graphs, tuple(dict.fromkeys(said)))


def round_of(case: Case, device: str, groups: int) -> float:
    """Milliseconds in which each of so many programs of five, a process each, takes a step."""
    there = [process(ONE_THREAD | KEEP_MEMORY) for _ in range(groups)]
    try:
        count: int = max(each.result() for each in [one.submit(_ready, case, device) for one in there])
        started = time.perf_counter()
        for each in [one.submit(_run, count) for one in there]:
            each.result()
        return 1e3 * (time.perf_counter() - started) / float(count)
    finally:
        for one in there:
            one.shutdown(kill_workers=True)


_groups: list[_Group] = []


def _ready(case: Case, device: str) -> int:
    torch.set_num_threads(1)
    _groups[:] = [_Group(case, device, SEEDS, stacked=True)]
    return _groups[0].enough()


def _run(count: int) -> None:
    _groups[0].run(count)
    clock(_groups[0].device)


def table(device: str, turns: int, columns: Sequence[str] = tuple(EPOCHS)) -> Table:
    """Seconds of SAMformer's columns on the four ETT sets at four horizons, five seeds each as one program."""
    there, parts = catalogue(), {}
    for column in columns:
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


def report(columns: Sequence[str], device: str, turns: int) -> tuple[tuple[Together, ...], Table | None]:
    """What there is to say of these columns, with a line of progress each; of none, nothing."""
    found = []
    for case in [each for each in STACKED if each.column in columns]:
        print(f"measuring {case.name} as one program …", file=sys.stderr)
        found.append(measure(case, device, turns))
    if "SAMformer" not in columns:
        return tuple(found), None
    print("measuring SAMformer's table …", file=sys.stderr)
    return tuple(found), table(device, turns)
