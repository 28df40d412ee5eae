"""A training step of each model: how long it takes, of what it consists, beside its plain reference and its floor."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from baselines.base import Forecaster
from benchmark.config.recipe import Training
from benchmark.perf import reference as plain
from benchmark.perf.cases import Case, task
from benchmark.problems.forecasting import Forecasting
from benchmark.runner.pool import KEEP_MEMORY, ONE_THREAD, process
from benchmark.training import loop
from benchmark.training.device import peak_memory
from benchmark.training.step import Program, Stepper

BLOCKS = 7
"""Ours and the plain reference take turns this many times; the ratio is the median of the turns' ratios."""
BLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Measured:
    """What was measured of a step.

    case, lookback, channels, sam: of what. ours, plain: milliseconds of this process's CPU time (on CUDA: of the clock),
    ours and the plain reference. ratio, ratios: plain/ours, the median of the turns, and each. flops: of one step.
    overhead: the share outside forward, backward and optimizer. memory: the peak bytes of the process. costliest: the two
    operations with the most time of their own, and their share of all.
    """

    case: Case
    lookback: int
    channels: int
    sam: bool
    ours: float
    plain: float
    ratio: float
    ratios: tuple[float, ...]
    flops: int
    overhead: float
    memory: int | None
    costliest: tuple[tuple[str, float], ...] = field(default=())

    def floor(self, flops_per_second: float) -> float:
        """The milliseconds that the step's matrix products alone would take at the machine's speed."""
        return self.flops / flops_per_second * 1e3


def matmul_speed(device: torch.device, size: int = 1024) -> float:
    """FLOP/s of a square matrix product in float32: the best of some."""
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    a @ b
    return 2 * size**3 / min(timed(device, lambda: a @ b) for _ in range(10))


def clock(device: torch.device) -> float:
    """Seconds: CPU time of this process, which other processes disturb least; on CUDA the clock's, after all that the
    current stream has to do is done (to wait for the device would end what another lane records)."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
        return time.perf_counter()
    return time.process_time()


def timed(device: torch.device, work: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = clock(device)
    work()
    return clock(device) - started


def measure(case: Case, device: str, blocks: int = BLOCKS) -> Measured:
    """Measures one case on made-up windows of the data set's shape (no number of a step depends on the values).

    Ours runs in a worker as the suite's are, the plain reference in a process as Python's are.
    """
    ours, theirs = process(ONE_THREAD | KEEP_MEMORY), process(ONE_THREAD)
    try:
        count = ours.submit(_steps_of_a_block, case, device).result()
        turns = []
        for _ in range(blocks + 1):  # the first one warms up
            mine = ours.submit(_block, case, device, count, False).result()
            turns.append((mine / count, theirs.submit(_block, case, device, count, True).result() / count))
        described: Measured = ours.submit(_described, case, device, count, tuple(turns[1:])).result()
        return described
    finally:
        for executor in (ours, theirs):
            executor.shutdown(kill_workers=True)


@dataclass(frozen=True)
class _Prepared:
    """A case in a process of its own: its training, look-back (lookback) and SAM setting (sam), the problem,
    the model, and what takes so many steps (run)."""

    training: Training
    lookback: int
    sam: bool
    problem: Forecasting
    model: Any
    run: Callable[[int], None]


@cache
def _prepared(case: Case, device: str, reference: bool) -> _Prepared:
    torch.set_num_threads(1)
    there = task(case, device)
    model, problem, recipe = there.model(0), there.problem, there.recipe
    if reference:
        weights = model.state_dict()
        model = plain.MODELS[recipe.model](**problem.shape(), **recipe.arguments)
        model.load_state_dict(weights)
        model.to(device)
    run = (_theirs if reference else _ours)(model.train(), there.training, problem)
    return _Prepared(there.training, recipe.lookback, recipe.sam, problem, model, run)


def _steps_of_a_block(case: Case, device: str) -> int:
    run = _prepared(case, device, False).run
    run(2)
    return max(2, math.ceil(BLOCK_SECONDS / (timed(torch.device(device), lambda: run(2)) / 2)))


def _block(case: Case, device: str, count: int, reference: bool) -> float:
    """Seconds of so many steps."""
    run = _prepared(case, device, reference).run
    return timed(torch.device(device), lambda: run(count))


def _described(case: Case, device: str, count: int, turns: tuple[tuple[float, float], ...]) -> Measured:
    there, place = _prepared(case, device, False), torch.device(device)
    ratios = tuple(b / a for a, b in turns)
    program = Program([Stepper(there.model, there.training, there.problem)])
    batch = [there.problem.train.batch(slice(0, there.training.batch_size))]
    with FlopCounterMode(display=False) as counter:
        program.step([batch])
    return Measured(
        case, there.lookback, there.problem.shape()["channels"], there.sam,
        ours=1e3 * statistics.median(a for a, _ in turns), plain=1e3 * statistics.median(b for _, b in turns),
        ratio=statistics.median(ratios), ratios=ratios, flops=counter.get_total_flops(),
        overhead=_overhead(there, count, place),
        memory=peak_memory(place.type), costliest=_costliest(program, batch, place),
    )  # fmt: skip


def _ours(model: Forecaster, training: Training, problem: Forecasting) -> Callable[[int], None]:
    """So many steps through the suite's own loop, a pass over the windows at a time."""
    running = loop.Running.of(Stepper(model, training, problem))
    program = Program([running.stepper])

    def run(count: int) -> None:
        running.replica.progress = progress = loop.Progress()
        while progress.steps < count:
            loop.run_epoch(program, [running], count)

    return run


def _theirs(model: torch.nn.Module, training: Training, problem: Forecasting) -> Callable[[int], None]:
    trainer = plain.Trainer(model, training)

    def endless() -> Iterator[tuple[torch.Tensor, ...]]:
        while True:
            yield from plain.loader(problem.train, training.batch_size)

    batches = endless()

    def run(count: int) -> None:
        for _ in range(count):
            trainer.step(next(batches))

    return run


class _Inside:
    """Adds up the time of the calls that it wraps."""

    def __init__(self, device: torch.device) -> None:
        self.seconds, self.device, self.depth = 0.0, device, 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def inside(*arguments: Any, **options: Any) -> Any:
            self.depth += 1
            started = clock(self.device)
            try:
                return function(*arguments, **options)
            finally:
                self.depth -= 1
                if not self.depth:
                    self.seconds += clock(self.device) - started

        return inside


def _overhead(there: _Prepared, count: int, device: torch.device) -> float:
    """The share of the loop's time that is not in forward, backward, SAM's moves, clipping or the optimizer's step."""
    stepper: Any = Stepper(there.model, there.training, there.problem)
    running, inside = loop.Running.of(stepper), _Inside(device)
    for owner, names in (
        (stepper, ("accumulate", "clip")), (stepper.optimizer, ("step",)), (stepper.perturbation, ("ascend", "restore")),
    ):  # fmt: skip
        for name in names if owner is not None else ():
            setattr(owner, name, inside.wrap(getattr(owner, name)))
    program, shares = Program([stepper]), []
    for _ in range(5):
        inside.seconds, running.replica.progress = 0.0, loop.Progress()
        total = timed(device, lambda: loop.run_epoch(program, [running], count))
        shares.append(1 - inside.seconds / total)
    return statistics.median(shares)


def _costliest(program: Program, batch: list[Any], device: torch.device) -> tuple[tuple[str, float], ...]:
    with profile(activities=[ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU]) as taken:
        for _ in range(3):
            program.step([batch])
    events = [(e.key, e.self_device_time_total if device.type == "cuda" else e.self_cpu_time_total)
              for e in taken.key_averages()]  # fmt: skip
    total = sum(t for _, t in events) or 1.0
    return tuple((name, t / total) for name, t in sorted(events, key=lambda e: -e[1])[:2])
