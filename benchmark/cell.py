"""One cell from recipe to Result: problem → model → loop → metrics → Result. It knows no process, lease or signal."""

from __future__ import annotations

import math
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
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
    from benchmark.training.checkpoint import Checkpoint
    from benchmark.training.loop import Epoch


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


def train_and_test(
    experiment: Experiment, blank: Result, results_dir: Path, history: Sequence[Epoch],
    on_epoch: Callable[[Epoch], None], checkpoint: Checkpoint,
) -> Result:  # fmt: skip
    """The cell's Result, whatever becomes of it; what its probes keep goes below `results_dir`.

    blank: as `begun` made it. on_epoch: called after every epoch; StopTraining, which it may raise, goes through.
    history: the epochs that on_epoch has been told, for the Result of a training that fails.
    """
    import torch

    import baselines
    from baselines.base import ClosedForm
    from benchmark import analysis, problems
    from benchmark.training.loop import Diverged, Progress, fit
    from benchmark.training.streams import seed_default

    cell, recipe, device = experiment.cell, experiment.recipe, torch.device(experiment.device)
    progress = Progress()
    if device.type == "cpu":
        torch.set_num_threads(1)  # other counts give other bits, and on a busy machine cost ten times as much
    try:
        problem, held = problems.load(
            recipe, experiment.dataset, experiment.data_path, cell.horizon, device,
            evaluation_batch=lambda channels: cost.evaluation_batch(channels, cell.horizon, recipe),
            sha256=experiment.data_sha256, cache_dir=experiment.cache_dir,
        )  # fmt: skip
        seed_default(cell.seed, "initialisation")
        model = baselines.build(recipe.model, **problem.shape(), **recipe.arguments).to(device)
        if recipe.training is None or isinstance(model, ClosedForm):
            problem.fit(model)
        else:
            fit(model, recipe.training, problem, progress, seed=cell.seed, max_steps=recipe.bounds.max_steps,
                on_epoch=on_epoch, checkpoint=checkpoint)  # fmt: skip
        test, validation = held.measure(model), problem.measure(model)  # the test examples are opened once, here
        analysis.keep(recipe.workload, model, held, results_dir, experiment.digest)
    except StopTraining:
        raise
    except Diverged as error:
        return replace(blank, status="diverged", reason=str(error), epochs=tuple(history))
    except DataError as error:
        return replace(blank, reason=str(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip()
        return replace(blank, reason=reason, traceback=traceback.format_exc(), epochs=tuple(history))
    metrics = {f"test_{n}": value for n, value in test.items()} | {f"val_{n}": value for n, value in validation.items()}
    if wild := ", ".join(f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)):
        return replace(blank, status="diverged", reason=f"after training, {wild}", epochs=tuple(history))
    return replace(
        blank, status="done", metrics=metrics, epochs=tuple(progress.epochs),
        extra_metrics={f"test_{name}": value for name, value in held.extra.items()},
        windows=dict(zip(("train", "val", "test"), (*problem.counts(), len(held)), strict=True)),
        best_epoch=progress.best_epoch + 1 if progress.epochs else None,
        n_params=sum(p.numel() for p in model.parameters()),
    )  # fmt: skip


def environment(experiment: Experiment) -> dict[str, Any]:
    """What the cell ran on: versions, hardware, threads, deterministic flags, git commit."""
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
        "git_commit": experiment.commit,
    }  # fmt: skip
