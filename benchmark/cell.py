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
    history: the epochs that on_epoch has been told, for the Result of a training that fails. result: what became of it;
    None while it is not known, and where it was asked to stop.
    """

    experiment: Experiment
    blank: Result
    checkpoint: Checkpoint
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_end: Callable[[Result], None] = lambda result: None
    history: list[Epoch] = field(default_factory=list)
    result: Result | None = None

    def end(self, result: Result) -> None:
        """This is what became of it."""
        self.result = result
        self.on_end(result)

    def failed(self, error: Exception) -> Result:
        """What a cell that could not be trained or measured comes to."""
        from benchmark.training.loop import Diverged

        if isinstance(error, DataError):
            return replace(self.blank, reason=str(error))
        epochs = tuple(self.history)
        if isinstance(error, Diverged):
            return replace(self.blank, status="diverged", reason=str(error), epochs=epochs)
        reason, trace = f"{type(error).__name__}: {error}".strip(), "".join(traceback.format_exception(error))
        return replace(self.blank, reason=reason, traceback=trace, epochs=epochs)


def train_and_test(attempts: Sequence[Attempt], results_dir: Path, stacked: bool = False) -> None:
    """Gives each attempt its Result, whatever becomes of it, as soon as it has ended; what their probes keep goes below
    `results_dir`.

    Several are cells of one recipe (but for rho) and data set with other seeds. stacked: they are trained as one program.
    """
    import torch

    import baselines
    from baselines.base import ClosedForm
    from benchmark import problems
    from benchmark.training.loop import Replica, fit
    from benchmark.training.streams import seed_default

    first = attempts[0].experiment
    recipe, horizon, device = first.recipe, first.cell.horizon, torch.device(first.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # other counts give other bits, and on a busy machine cost ten times as much
    try:
        problem, held = problems.load(
            recipe, first.dataset, first.data_path, horizon, device,
            evaluation_batch=lambda channels: cost.evaluation_batch(channels, horizon, recipe),
            sha256=first.data_sha256, cache_dir=first.cache_dir,
        )  # fmt: skip
        replicas = []
        for attempt in attempts:
            seed, training = attempt.experiment.cell.seed, attempt.experiment.recipe.training
            seed_default(seed, "initialisation")
            model = baselines.build(recipe.source or recipe.model, **problem.shape(), **recipe.arguments).to(device)
            if training is None or isinstance(model, ClosedForm):
                problem.fit(model)
                attempt.end(_measured(attempt, model, None, problem, held, results_dir))
            else:
                on_end = partial(_ended, attempt, problem=problem, held=held, results_dir=results_dir)
                replicas.append(Replica(model, training, seed, on_epoch=attempt.on_epoch, on_end=on_end,
                                        checkpoint=attempt.checkpoint))  # fmt: skip
        fit(replicas, problem, stacked=stacked, max_steps=recipe.bounds.max_steps)
    except Exception as error:
        for attempt in attempts:
            if attempt.result is None:
                attempt.end(attempt.failed(error))


def _ended(attempt: Attempt, replica: Replica, *, problem: Problem, held: Held, results_dir: Path) -> None:
    """Gives a cell whose training has ended its Result, unless it was asked to stop."""
    if replica.failed is None:
        attempt.end(_measured(attempt, replica.model, replica.progress, problem, held, results_dir))
    elif not isinstance(replica.failed, StopTraining):
        attempt.end(attempt.failed(replica.failed))


def _measured(
    attempt: Attempt, model: nn.Module, progress: Progress | None, problem: Problem, held: Held, results_dir: Path
) -> Result:
    """The Result of a cell whose model is trained (progress) or fitted; its test examples are opened here, once."""
    from benchmark import analysis

    epochs = tuple(progress.epochs) if progress is not None else ()
    try:
        test, validation = held.measure(model), problem.measure(model)
        analysis.keep(attempt.experiment.recipe.workload, model, held, results_dir, attempt.experiment.digest)
    except Exception as error:
        return attempt.failed(error)
    metrics = {f"test_{n}": value for n, value in test.items()} | {f"val_{n}": value for n, value in validation.items()}
    if wild := ", ".join(f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)):
        return replace(attempt.blank, status="diverged", reason=f"after training, {wild}", epochs=epochs)
    return replace(
        attempt.blank, status="done", metrics=metrics, epochs=epochs,
        extra_metrics={f"test_{name}": value for name, value in held.extra.items()},
        windows=dict(zip(("train", "val", "test"), (*problem.counts(), len(held)), strict=True)),
        best_epoch=progress.best_epoch + 1 if progress is not None and epochs else None,
        n_params=sum(p.numel() for p in model.parameters()),
    )  # fmt: skip


def environment(experiment: Experiment, replicas: int | None = None) -> dict[str, Any]:
    """What the cell ran on: versions, hardware, threads, deterministic flags, git commit; where it was trained by the
    program of several replicas, how many these were."""
    import numpy
    import torch

    from benchmark.problems.precision import bfloat16

    in_bfloat16 = bfloat16(experiment.recipe.setting, torch.device(experiment.device))
    return {
        "python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__,
        "platform": platform.platform(), "machine": platform.machine(), "processor": processor(),
        "device": torch.cuda.get_device_name() if experiment.device == "cuda" else "cpu",
        "precision": "bfloat16" if in_bfloat16 else "float32", "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "git_commit": experiment.commit, **({} if replicas is None else {"replicas": replicas}),
    }  # fmt: skip
