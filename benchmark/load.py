"""``benchmark.load(KEY, results_dir)``: a trained model with its kept weights, and the windows that it belongs to."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.cell import Experiment, examples, untrained
from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.data.cache import folder_for
from benchmark.data.files import Checksums, checksum_of, data_dir, locate
from benchmark.data.registry import DataSet
from benchmark.errors import DataError, UsageError
from benchmark.grid.cells import Planned
from benchmark.grid.code import changed, code_of
from benchmark.machine import git_commit
from benchmark.show import find
from benchmark.store.kept import WEIGHTS, Kept
from benchmark.store.result import Result
from benchmark.store.store import Store

if TYPE_CHECKING:
    from baselines.base import Forecaster
    from benchmark.problems.base import Held, Problem

TRAINING_ALONE = ("benchmark/cell.py", "benchmark/training/")
"""Sources that decide how weights come about, and nothing of what a model with given weights forecasts."""


@dataclass(frozen=True)
class Task:
    """What a loaded model belongs to.

    training: the windows of training and validation (`training.train`, `training.validation`), with loss and validation as
    the loop sees them. test: the test windows (`test.windows`; a slice of them is `test.windows.batch(slice(0, 5))`, x
    [B, L, C], y [B, H, C], marks), all on the standardised scale; `test.scale` leads back to the data's own. experiment:
    the cell with its recipe and data set. result: what its training came to.
    """

    training: Problem
    test: Held
    experiment: Experiment
    result: Result

    def measure(self, model: Any) -> dict[str, float]:
        """The metrics of a model, by the names that the Result's have."""
        test, validation = self.test.measure(model), self.training.measure(model)
        model.eval()
        return {f"test_{n}": v for n, v in test.items()} | {f"val_{n}": v for n, v in validation.items()}


def load(
    cell: str, results_dir: str | Path = "results", *, epoch: int | None = None, device: str = "cpu",
    data_dir: str | Path | None = None, config: Iterable[str | Path] = (),
) -> tuple[Forecaster, Task]:  # fmt: skip
    """A trained model in eval mode, with the weights that `--keep weights` kept, and the windows that it belongs to.

    >>> model, task = benchmark.load("samformer/ETTh1/96/Transformer/s0", "results")
    >>> task.measure(model)["test_mse"]

    Args: `cell`: its key, or its digest or the first letters of it. `epoch`: the weights after that epoch in their place,
    from 1 (`--keep epochs`). `device`: where model and windows are to be. `data_dir`: where the data lies, as with the
    command line. `config`: the YAML files that the cell was run with.

    Raises UsageError, one sentence: no such cell, no done Result, no such weights, another data file or other code than it
    was trained with.
    """
    there, store, folder = catalogue([Path(path) for path in config]), Store(Path(results_dir)), _folder(data_dir)
    planned, result = _found(there, store, cell, folder)
    assert planned.recipe is not None and planned.digest is not None
    kept = Kept(store.root, result.digest)
    path = kept.weights if epoch is None else kept.epoch(epoch)
    if not path.is_file():
        what, option = ("weights", "weights") if epoch is None else (f"weights of epoch {epoch}", "epochs")
        raise UsageError(f"{result.key}: no {what} are kept in {path.parent}; run_all.py --keep {option} trains it again")
    if epoch is None and kept.lacks((WEIGHTS,), result):
        raise UsageError(
            f"{path}: no whole weights, or of another training than its Result; --keep weights makes them anew"
        )
    other = [p for p in changed(result.code, code_of(planned.recipe)) if not p.startswith(TRAINING_ALONE)]
    if other:
        commit = result.environment.get("git_commit")
        raise UsageError(
            f"{result.key}: other code than today's has trained it (another {', '.join(other[:3])}); check out its commit "
            f"{commit or '(not known)'}, or train it again: run_all.py --retry stale --keep weights"
        )
    dataset = there.datasets[planned.cell.dataset]
    experiment = Experiment(
        planned.cell, planned.digest, planned.recipe, dataset, locate(dataset, folder), str(result.data_sha256),
        folder_for(folder), device, git_commit(), result.code,
    )  # fmt: skip
    try:
        problem, held = examples(experiment)
    except DataError as error:
        raise UsageError(str(error)) from None
    return with_weights(untrained(experiment, problem), path), Task(problem, held, experiment, result)


def _folder(given: str | Path | None) -> Path:
    return data_dir(None if given is None else str(given))


def with_weights(model: Forecaster, path: Path) -> Forecaster:
    """The model with the weights of a file. Raises UsageError for one that is damaged, or of another model."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        why = " ".join(str(error).split())[:120]
        raise UsageError(
            f"{path}: no weights of this model ({why}); run_all.py --force --keep weights makes them anew"
        ) from None
    return model.eval()


def _found(there: Catalogue, store: Store, cell: str, folder: Path) -> tuple[Planned, Result]:
    """A cell as it is planned today, and its done Result. Raises UsageError where one of them is not there."""
    planned, result, why = find(there, store, cell, folder)
    alike = (store.read(digest) for digest, key in list(store.keys()) if key == cell)
    made = result or next(filter(None, alike), None)
    if made is not None:
        _check_data(made, there.datasets, folder)
    elif planned is not None and planned.refused:
        raise UsageError(f"{cell}: there is no such cell: {planned.refused}")
    if result is None:
        said = why.splitlines()
        raise UsageError(f"{cell}: {'; '.join(said)}; run_all.py with --keep weights trains it and keeps its weights")
    if planned is None:
        raise UsageError(
            f"{result.key}: its recipe is not the one of today's papers; give the YAML that it was run with (--config, "
            "config=), or train it again with --keep weights"
        )
    if result.status != "done":
        raise UsageError(
            f"{result.key}: its Result is '{result.status}', so there are no weights; its log says why, and once that is "
            "mended run_all.py --retry failed --keep weights runs it again"
        )
    return planned, result


def _check_data(result: Result, datasets: Mapping[str, DataSet], folder: Path) -> None:
    """Raises UsageError where the data file of a Result is not there, or is another one."""
    dataset = datasets.get(str(result.cell["dataset"]))
    if dataset is None:
        raise UsageError(f"{result.key}: its data set is of a YAML; give the one that it was run with (--config, config=)")
    found, amiss = checksum_of(dataset, folder, Checksums())
    if found is None:
        raise UsageError(f"{result.key}: {amiss}")
    if found != result.data_sha256:
        raise UsageError(
            f"{result.key}: it was trained on another data file than {locate(dataset, folder)}: SHA-256 "
            f"{str(result.data_sha256)[:12]}…, found {found[:12]}…; give the folder that has it (--data-dir, data_dir=)"
        )


class _Callable(ModuleType):
    """Importing this file puts it in the place of the name `benchmark.load`; so that one can be called all the same."""

    def __call__(self, *given: Any, **named: Any) -> tuple[Forecaster, Task]:
        return load(*given, **named)


sys.modules[__name__].__class__ = _Callable
