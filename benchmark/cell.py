"""One cell from recipe to Result: problem → model → loop → metrics → Result. It knows no process, lease or signal."""

from __future__ import annotations

import math
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.config.recipe import Recipe
from benchmark.data.registry import DataSet
from benchmark.errors import DataError, StopTraining
from benchmark.grid import cost
from benchmark.grid.cells import Cell
from benchmark.grid.digest import TRAINING_SEMANTICS
from benchmark.machine import processor
from benchmark.store.result import Result

if TYPE_CHECKING:
    from torch import nn

    from benchmark.analysis.kept import Keeper
    from benchmark.problems.base import Held, Problem
    from benchmark.training.checkpoint import Checkpoint
    from benchmark.training.loop import Epoch, Progress, Replica


@dataclass(frozen=True)
class Experiment:
    """All that a Result depends on; plain values, so that it travels to any process or machine.

    cell, digest, recipe, dataset: as the plan has them. data_path: of the data set's file, None for a synthetic set.
    data_sha256: what its checksum has to be. cache_dir: where its parsed copy stands. device: ``cpu`` or ``cuda``. commit,
    code: of the sources that run, for the record.
    """

    cell: Cell
    digest: str
    recipe: Recipe
    dataset: DataSet
    data_path: Path | None
    data_sha256: str
    cache_dir: Path | None
    device: str
    commit: str | None
    code: Mapping[str, str] = field(default_factory=dict)


def now() -> str:
    """This moment in ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def begun(experiment: Experiment) -> Result:
    """The Result as far as it is known before training; its status is `failed` until it is known better."""
    return Result(
        key=experiment.cell.key, digest=experiment.digest, status="failed", cell=asdict(experiment.cell),
        recipe=experiment.recipe.plain(), data_sha256=experiment.data_sha256, started=now(),
        environment={"git_commit": experiment.commit}, semantics=TRAINING_SEMANTICS,
        code=experiment.code,
    )  # fmt: skip


@dataclass
class Attempt:
    """A cell on its way to its Result.

    experiment: what it depends on. blank: its Result as `begun` made it. checkpoint: what it goes on from.
    on_epoch: called after every epoch; it may raise StopTraining. on_end: called with its Result, once that is known.
    history: the epochs that on_epoch has been told, for the Result of a training that fails. keeper: writes what is kept of
    it beside its Result; None: nothing is. unwritten: what the disk said, where it did not take that; then there is no
    Result. result: what became of it; None while it is not known, and where it was asked to stop.
    replica: its training, once there is one.
    """

    experiment: Experiment
    blank: Result
    checkpoint: Checkpoint
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_end: Callable[[Result], None] = lambda result: None
    history: list[Epoch] = field(default_factory=list)
    keeper: Keeper | None = None
    unwritten: OSError | None = None
    result: Result | None = None
    replica: Replica | None = None

    def end(self, result: Result | None) -> None:
        """This is what became of it; None: it was asked to stop."""
        self.result = result
        if result is not None:
            self.on_end(result)

    def epoch_ended(self, model: nn.Module, epochs: int, epoch: Epoch) -> None:
        """Tells of an epoch of a training that has had so many, which are more where a checkpoint brings them back; of the
        last one, which the model's weights are of, it keeps them first. Raises StopTraining."""
        number = len(self.history) + 1
        if self.keeper is not None and number == epochs:
            self.kept(partial(self.keeper.epoch, number, model, epoch))
        self.on_epoch(epoch)

    def kept(self, write: Callable[[], None]) -> None:
        """Writes something that is kept. Raises StopTraining where the disk does not take it, or its place is lost."""
        try:
            write()
        except OSError as error:  # its traceback, and one that came of it, would keep the program of its companions
            self.unwritten = error.with_traceback(None)
        if self.unwritten is not None:
            raise StopTraining

    def failed(self, error: BaseException) -> Result:
        """What a cell that could not be trained or measured comes to."""
        from benchmark.training.loop import Diverged

        if isinstance(error, DataError):
            return replace(self.blank, reason=str(error))
        epochs = tuple(self.history)
        if isinstance(error, Diverged):
            return replace(self.blank, status="diverged", reason=str(error), epochs=epochs)
        reason, trace = f"{type(error).__name__}: {error}".strip(), "".join(traceback.format_exception(error))
        return replace(self.blank, reason=reason, traceback=trace, epochs=epochs)


def train_and_test(
    attempts: Sequence[Attempt], results_dir: Path, stacked: bool = False, say: Callable[[str], None] = lambda line: None
) -> None:
    """Gives each attempt its Result, whatever becomes of it, as soon as it has ended; what their probes keep goes below
    `results_dir`.

    Several are cells of one recipe (but for rho) and data set with other seeds. stacked: they are trained as one program;
    `say` is told where they are not, and why.
    """
    import torch

    from baselines.base import ClosedForm
    from benchmark.training.loop import Replica, fit

    first = attempts[0].experiment
    if first.device == "cpu":
        torch.set_num_threads(1)  # other counts give other bits, and on a busy machine cost ten times as much
    try:
        problem, held = examples(first)
        for attempt in attempts:
            training, model = attempt.experiment.recipe.training, untrained(attempt.experiment, problem)
            if training is None or isinstance(model, ClosedForm):
                problem.fit(model)
                attempt.end(_measured(attempt, model, None, problem, held, results_dir))
            else:
                on_end = partial(_ended, attempt, problem=problem, held=held, results_dir=results_dir)
                seed, checkpoint = attempt.experiment.cell.seed, attempt.checkpoint
                attempt.replica = Replica(model, training, seed, on_end=on_end, checkpoint=checkpoint)
                attempt.replica.on_epoch = _teller(attempt, attempt.replica)
        replicas = [attempt.replica for attempt in attempts if attempt.replica is not None]
        fit(replicas, problem, stacked=stacked, max_steps=first.recipe.bounds.max_steps, say=say)
    except (Exception, SystemExit) as error:  # a user's model may end its process, which other cells are to be trained by
        for attempt in attempts:
            if attempt.result is None and attempt.unwritten is None:
                attempt.end(attempt.failed(error))


def _ended(attempt: Attempt, replica: Replica, *, problem: Problem, held: Held, results_dir: Path) -> None:
    """Gives a cell whose training has ended its Result, unless it was asked to stop."""
    if replica.failed is None:
        attempt.end(_measured(attempt, replica.model, replica.progress, problem, held, results_dir))
    elif not isinstance(replica.failed, StopTraining):
        attempt.end(attempt.failed(replica.failed))


def examples(experiment: Experiment) -> tuple[Problem, Held]:
    """What a cell is trained on, and what it is tested on. Raises DataError for a file that is not as it should be."""
    import torch

    from benchmark import problems

    recipe, horizon = experiment.recipe, experiment.cell.horizon
    return problems.load(
        recipe, experiment.dataset, experiment.data_path, horizon, torch.device(experiment.device),
        evaluation_batch=lambda channels: cost.evaluation_batch(channels, horizon, recipe),
        sha256=experiment.data_sha256, cache_dir=experiment.cache_dir,
    )  # fmt: skip


def untrained(experiment: Experiment, problem: Problem) -> Any:
    """A cell's model as its seed initialises it, where the problem is."""
    import baselines
    from benchmark.training.device import by_itself
    from benchmark.training.streams import seed_default

    recipe = experiment.recipe
    with by_itself:
        seed_default(experiment.cell.seed, "initialisation")
        return baselines.build(recipe.source or recipe.model, **problem.shape(), **recipe.arguments).to(problem.device)


def _teller(attempt: Attempt, replica: Replica) -> Callable[[Epoch], None]:
    """What a replica calls after every epoch."""
    return lambda epoch: attempt.epoch_ended(replica.model, len(replica.progress.epochs), epoch)


def _measured(
    attempt: Attempt, model: nn.Module, progress: Progress | None, problem: Problem, held: Held, results_dir: Path
) -> Result | None:
    """The Result of a cell whose model is trained (progress) or fitted; its test examples are opened here, once."""
    from benchmark import analysis
    from benchmark.analysis.independence import checked

    recipe = attempt.experiment.recipe
    epochs = tuple(progress.epochs) if progress is not None else ()
    try:
        test, validation = held.measure(model), problem.measure(model)
        analysis.keep(recipe.workload, model, held, results_dir, attempt.experiment.digest)
        batch = recipe.training.batch_size if recipe.training is not None else 2
        checks = checked(recipe.workload, model, problem, batch) if recipe.source is not None else {}
    except Exception as error:
        return attempt.failed(error)
    metrics = {f"test_{n}": value for n, value in test.items()} | {f"val_{n}": value for n, value in validation.items()}
    if wild := ", ".join(f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)):
        return replace(attempt.blank, status="diverged", reason=f"after training, {wild}", epochs=epochs)
    result = replace(
        attempt.blank, status="done", metrics=metrics, epochs=epochs,
        extra_metrics={f"test_{name}": value for name, value in held.extra.items()},
        windows=dict(zip(("train", "val", "test"), (*problem.counts(), len(held)), strict=True)),
        best_epoch=progress.best_epoch + 1 if progress is not None and epochs else None,
        n_params=sum(p.numel() for p in model.parameters()), checks=checks,
    )  # fmt: skip
    if attempt.keeper is not None:
        try:
            attempt.kept(partial(attempt.keeper.trained, model, held, result))
        except StopTraining:
            return None
        except Exception as error:
            return attempt.failed(error)
    return result


def environment(attempt: Attempt) -> dict[str, Any]:
    """What a cell ran on: versions, hardware, threads, deterministic flags, git commit; where it was trained by the program
    of several replicas, how many these were, and whether their steps were replayed as CUDA graphs."""
    import numpy
    import torch

    from benchmark.problems.precision import bfloat16

    experiment, ran = attempt.experiment, attempt.replica.ran if attempt.replica is not None else None
    in_bfloat16 = bfloat16(experiment.recipe.setting, torch.device(experiment.device))
    return {
        "python": platform.python_version(), "torch": str(torch.__version__), "numpy": numpy.__version__,
        "platform": platform.platform(), "machine": platform.machine(), "processor": processor(),
        "device": torch.cuda.get_device_name() if experiment.device == "cuda" else "cpu",
        "precision": "bfloat16" if in_bfloat16 else "float32", "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "git_commit": experiment.commit, **({} if ran is None else ran._asdict()),
    }  # fmt: skip
