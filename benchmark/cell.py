"""One cell from recipe to Result."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.config.resolve import PROFILES
from benchmark.grid import cost
from benchmark.store.result import Result

if TYPE_CHECKING:
    from benchmark.training.checkpoint import Checkpoint
    from benchmark.training.loop import Epoch
from benchmark.machine import processor
from benchmark.runner.job import Task


def _trained(task: Task, blank: Result, on_epoch: Callable[[Epoch], None], checkpoint: Checkpoint) -> Result:
    import torch

    import baselines
    from baselines.base import ClosedForm
    from benchmark.analysis.forecasts import keep
    from benchmark.config.recipe import arguments, setting, typed
    from benchmark.data import series, windows
    from benchmark.problems.forecasting import evaluate
    from benchmark.training.loop import Progress, train
    from benchmark.training.streams import seed_default

    recipe, cell, bounds = dict(task.recipe), task.cell, PROFILES[task.cell.profile]
    device = torch.device(task.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # other counts give other bits, and on a busy machine cost ten times as much
    data = series.load(
        task.dataset, task.data_path, cell.lookback, cell.horizon, sha256=task.data_sha256, cache_dir=task.cache_dir,
        mask_sentinels=setting(recipe).mask_sentinels, time_features=recipe.get("time_features", False),
    )  # fmt: skip
    channels = data.values.shape[1]
    recipe["evaluation_batch"] = cost.evaluation_batch(channels, cell.horizon, recipe)
    known = setting(recipe)
    splits = windows.make(data, cell.lookback, cell.horizon, device)
    validation = splits.validation.evenly(bounds.get("max_windows"))
    test = splits.test.evenly(bounds.get("max_windows"))
    if recipe.get("drop_last_test_batch"):
        test = test.whole_batches(recipe["batch_size"])
    seed_default(cell.seed, "initialisation")
    model = baselines.build(
        recipe["model"], lookback=cell.lookback, horizon=cell.horizon, channels=channels, **arguments(recipe)
    ).to(device)
    progress = Progress()
    if isinstance(model, ClosedForm):
        model.fit(splits.train.batches(), validation.batches())
    else:
        progress = train(
            model, typed(recipe), splits.train, validation, seed=cell.seed, max_steps=recipe.get("profile.max_steps"),
            on_epoch=on_epoch, checkpoint=checkpoint,
        )  # fmt: skip
    each = torch.zeros(len(test), dtype=torch.float64, device=device)
    found = {"test": evaluate(model, test, known, each=each), "val": evaluate(model, validation, known)}
    keep(task.results_dir / "forecasts" / f"{task.digest}.npz", model, test, known, each)
    return replace(
        blank,
        status="done",
        metrics={f"{split}_{name}": value for split, metrics in found.items() for name, value in metrics.items()},
        windows={"train": len(splits.train), "val": len(validation), "test": len(test)},
        epochs=tuple(progress.epochs),
        best_epoch=progress.best_epoch + 1 if progress.epochs else None,
        n_params=sum(p.numel() for p in model.parameters()),
    )


def environment(task: Task) -> dict[str, Any]:
    """What the cell ran on: versions, hardware, threads, deterministic flags, git commit."""
    import numpy
    import torch

    from benchmark.config.recipe import setting
    from benchmark.problems.precision import bfloat16

    in_bfloat16 = bfloat16(setting(task.recipe), torch.device(task.device))
    return {
        "python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__,
        "platform": platform.platform(), "machine": platform.machine(), "processor": processor(),
        "device": torch.cuda.get_device_name() if task.device == "cuda" else "cpu",
        "precision": "bfloat16" if in_bfloat16 else "float32", "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "git_commit": task.commit,
    }  # fmt: skip
