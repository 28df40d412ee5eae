"""The training loop: every model goes through this one. It cannot reach the test windows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.config.recipe import Training
from benchmark.errors import DataError, StopTraining
from benchmark.problems.base import Problem
from benchmark.training import device
from benchmark.training.checkpoint import Checkpoint, State
from benchmark.training.device import by_itself
from benchmark.training.recorded import graphs, matrix
from benchmark.training.replicas import Stack, why_not_stacked
from benchmark.training.schedules import Position, beta1, learning_rate, radius, step_groups
from benchmark.training.step import Planned, Program, Stepper
from benchmark.training.streams import default_generators, generator, own_generators, seed_default

Epoch = dict[str, float]
"""train_loss, val_METRIC (what selects), lr (of its last step), grad_norm (mean over the epoch's steps), seconds."""


class Diverged(Exception):
    """A loss that is no number any more; the message says where."""


@dataclass
class Progress:
    """How far a training is. Together with model, optimizer and generators this is all that a resume needs."""

    epochs: list[Epoch] = field(default_factory=list)
    steps: int = 0
    best_epoch: int = -1
    best_val_mse: float = math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        return len(self.epochs) - 1 - self.best_epoch


class Ran(NamedTuple):
    """How many trainings were one program, at most; and whether their steps were replayed as CUDA graphs."""

    replicas: int
    graphs: bool


@dataclass
class Replica:
    """One training on its way.

    model: trained in place, and left with the weights that the recipe selects. training: the recipe. seed: of its streams.
    progress: what came of it. on_epoch: called after every epoch; it may raise `errors.StopTraining` to end the training;
    for the epochs that a checkpoint brings back it is called before the first. on_end: called once it has ended, while
    others may still be trained. checkpoint: what it goes on from. failed: what ended it before it was through (Diverged,
    StopTraining, torch.OutOfMemoryError); None: nothing. ran: with how many others it was one program; None: with none, nor
    by the means of one.
    """

    model: nn.Module
    training: Training
    seed: int
    progress: Progress = field(default_factory=Progress)
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_end: Callable[[Replica], None] = lambda replica: None
    checkpoint: Checkpoint | None = None
    failed: Exception | None = None
    ran: Ran | None = None

    def begin(self, problem: Problem, own_draws: bool) -> Running:
        """Ready for its next epoch. own_draws: dropout draws from generators of its own, not from torch's default ones."""
        device = problem.device
        if own_draws:
            draws = own_generators(device, self.seed, "training")
        else:
            seed_default(self.seed, "training")
            draws = default_generators(device)
        stepper = Stepper(self.model, self.training, problem, draws)
        running = Running(self, stepper, generator(self.seed, "order"), generator(self.seed, "validation"))
        self.model.train()
        if self.checkpoint is not None and self.checkpoint.attach(running.state()):
            for earlier in self.progress.epochs:
                self.on_epoch(earlier)
        else:
            stepper.before_training(generator(self.seed, "before training"))
        return running

    def through(self, max_steps: int | None) -> bool:
        """Whether nothing is left to train: it failed, or epochs, patience or steps have run out."""
        training, progress = self.training, self.progress
        out_of_patience = training.patience is not None and progress.stale >= training.patience
        out_of_steps = max_steps is not None and progress.steps >= max_steps
        return self.failed is not None or len(progress.epochs) >= training.epochs or out_of_patience or out_of_steps

    def epoch_ended(self, entry: Epoch, selecting: float, named: str) -> None:
        """Takes in an epoch and its validation metric, `named` so. Raises Diverged, and what `on_epoch` raises."""
        progress = self.progress
        progress.epochs.append(entry)
        epoch = len(progress.epochs)
        if not (math.isfinite(entry["train_loss"]) and math.isfinite(selecting)):
            raise Diverged(f"epoch {epoch}: train loss {entry['train_loss']}, validation {named.upper()} {selecting}")
        if selecting < progress.best_val_mse:
            progress.best_epoch, progress.best_val_mse = epoch - 1, selecting
            if self.training.selection == "best_validation":
                progress.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.on_epoch(entry)

    def end(self) -> None:
        """Leaves the model with the weights that the recipe selects, and says that it has ended."""
        if self.failed is None and self.training.selection == "best_validation":
            self.model.load_state_dict(self.progress.best_weights)
        self.on_end(self)


@dataclass
class Running:
    """A replica with what moves it. order, holdout: the generators of its batches and of a shuffled validation."""

    replica: Replica
    stepper: Stepper
    order: torch.Generator
    holdout: torch.Generator

    @classmethod
    def of(cls, stepper: Stepper, seed: int = 0) -> Running:
        """From the beginning, with the batches of a seed."""
        replica = Replica(stepper.model, stepper.training, seed)
        return cls(replica, stepper, generator(seed, "order"), generator(seed, "validation"))

    def state(self) -> State:
        """All that decides how it goes on."""
        generators = {"order": self.order, "validation": self.holdout}
        return State(self.replica.model, self.stepper.optimizer, generators, self.replica.progress, self.stepper.draws,
                     self.stepper.perturbation)  # fmt: skip


def fit(
    replicas: Sequence[Replica], problem: Problem, *, stacked: bool = False, max_steps: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:  # fmt: skip
    """Trains them all; each ends for itself. They have one recipe, but for rho, and other seeds.

    Args: `stacked`: all of them as one program (`benchmark.training.replicas`), else one after the other. `max_steps`
    bounds the optimizer steps of each (profile quick). `say` is told where they are trained otherwise: singly, since their
    passes cannot be stacked; by halves, since the memory does not take them all; without CUDA graphs.

    Raises what goes wrong with the program; what goes wrong with one replica alone it keeps in `failed`.
    """
    why = why_not_stacked(replicas[0].model, replicas[0].training, problem) if stacked and replicas else None
    if why:
        say(f"trained one after the other, not as one program: {why}")
    stacked = stacked and not why
    make = partial(matrix.program_of, say=graphs.once(say)) if stacked else Program
    for together in [replicas] if stacked else [[each] for each in replicas]:
        with nullcontext() if stacked else by_itself:
            begun = [each for each in (_begun(replica, problem, stacked) for replica in together) if each]
            waiting = [_left(begun, max_steps)]
            while waiting:
                waiting[:0] = _go_on(waiting.pop(0), make, max_steps, say)


def _go_on(
    left: list[Running], make: Callable[[list[Stepper]], Program], max_steps: int | None, say: Callable[[str], None]
) -> list[list[Running]]:
    """Trains them as one program until each has ended. Where memory runs out: the halves that are to go on instead."""
    program: Program | None = None
    while left:
        # A checkpoint may have brought some further than others.
        first = min(len(each.replica.progress.epochs) for each in left)
        now = [each for each in left if len(each.replica.progress.epochs) == first]
        begin, started = list[dict[str, Any]](), time.perf_counter()
        try:
            begin += [each.state().kept() for each in now] if len(left) > 1 else []
            if program is None or not program.goes_on_with([each.stepper for each in now]):
                recorded, program = isinstance(program, matrix.Matrix), None
                if recorded:
                    device.free()  # for the next: what is recorded refers to itself
                program = make([each.stepper for each in now])
            outcomes = run_epoch(program, now, max_steps)
            selecting = program.validate([each.holdout for each in now])
        except torch.OutOfMemoryError as error:
            program = None
            if len(left) == 1:
                device.clear(error)
                left[0].replica.failed = error
        if program is None:
            return _halves(left, now, begin, say)
        seconds = (time.perf_counter() - started) / len(now)
        for each, (loss, norm), value in zip(now, outcomes, selecting, strict=True):
            _take_in(each, program, loss, norm, value, seconds)
        left = _left(left, max_steps)
    return []


def _halves(
    left: list[Running], now: Sequence[Running], begin: Sequence[dict[str, Any]], say: Callable[[str], None]
) -> list[list[Running]]:
    """What goes on where memory ran out: two halves of what is left, those of `now` as they were when the epoch began."""
    device.free()
    if len(left) == 1:
        left[0].replica.end()
        return []
    for each, state in zip(now, begin, strict=False):  # none where these did not fit: nothing has moved
        each.state().apply(state)
    half = len(left) // 2
    say(f"out of memory: going on with {half} and then {len(left) - half} at a time")
    return [left[:half], left[half:]]


def _begun(replica: Replica, problem: Problem, own_draws: bool) -> Running | None:
    try:
        return replica.begin(problem, own_draws)
    except StopTraining as error:
        replica.failed = error
        replica.end()
        return None


def _left(running: Sequence[Running], max_steps: int | None) -> list[Running]:
    """Those that are still to be trained; what is through ends here, whatever is left of the others."""
    through = [each for each in running if each.replica.through(max_steps)]
    for each in through:
        each.replica.end()
    return [each for each in running if each not in through]


def _take_in(running: Running, program: Program, loss: float, norm: float, selecting: float, seconds: float) -> None:
    """Ends an epoch of a replica, which took these seconds: its share, where several trained together."""
    replica, named = running.replica, running.stepper.problem.selected_by
    entry = {"train_loss": loss, f"val_{named}": selecting, "lr": running.stepper.learning_rate, "grad_norm": norm,
             "seconds": seconds}  # fmt: skip
    if isinstance(program, Stack):
        most = max(len(program.steppers), replica.ran.replicas if replica.ran else 0)
        replica.ran = Ran(most, program.graphs)
    try:
        replica.epoch_ended(entry, selecting, named)
    except (Diverged, StopTraining) as error:
        replica.failed = error.with_traceback(None)  # which would keep the program for as long as the others are trained


def run_epoch(program: Program, together: Sequence[Running], max_steps: int | None = None) -> list[tuple[float, float]]:
    """One pass of each replica over the training examples in a new order of its own: (mean train loss, mean gradient norm)
    by replica; counts the steps in `progress`, which has as many epochs for all. Nothing is read back from the device
    before the end.

    Raises DataError where the epoch has no step at all.
    """
    problem, training = together[0].stepper.problem, together[0].replica.training
    for each in together:
        each.stepper.before_epoch(len(each.replica.progress.epochs))
    parts = [problem.micro_batches(each.order, training.batch_size) for each in together]
    count = len(parts[0])
    groups = step_groups(count, training)
    if not groups:  # with void_accumulation
        raise DataError(
            f"no optimizer step in an epoch: {count} micro-batches, accumulation {training.accumulation}, and with "
            "void_accumulation the step is on the last but one of so many; take more data or smaller batches"
        )
    steps, epoch = together[0].replica.progress.steps, len(together[0].replica.progress.epochs)
    planned = []
    for number, group in enumerate(groups[: None if max_steps is None else max(0, max_steps - steps)]):
        at = Position(epoch, group.stop - 1, count)
        rate = _late(training, at, groups, number) if training.late_learning_rate else learning_rate(training, at)
        rhos = [radius(each.replica.training, at) for each in together]
        planned.append(Planned(steps + number, rate, beta1(training, at), rhos, [its[group] for its in parts]))
    for batches in program.epoch(planned):
        program.step(batches)
        for each in together:
            each.replica.progress.steps += 1
    return program.means()


def _late(training: Training, at: Position, groups: Sequence[slice], number: int) -> float:
    """The learning rate of the step before this one, which has this number in its epoch; of the first, the base rate."""
    if number == 0 and at.epoch == 0:
        return training.learning_rate
    epoch = at.epoch - (number == 0)
    return learning_rate(training, Position(epoch, groups[number - 1].stop - 1, at.per_epoch))
