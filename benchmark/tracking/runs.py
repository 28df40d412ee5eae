"""What a run says of a cell: its name, tags, parameters and metrics, all of them read off the cell's Result.

The worker that logs live and the sync that rebuilds both write through this file, so that their runs are the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from benchmark.store.judged import JudgedCell
from benchmark.store.result import Result

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARENT = "mlflow.parentRunId"
KIND = "cell"
MOST_METRICS = 1000
"""Of one call; MLflow's own limit."""

_MOST_TEXT = 500
_MOST_DIGEST = 36  # of a data set, MLflow's own limit

Point = tuple[str, float, int]
"""Metric, value, epoch (from 1)."""


def name(result: Result) -> str:
    """The cell's key without the paper, which is the experiment."""
    return result.key.removeprefix(f"{result.cell['paper']}/")


def params(result: Result) -> dict[str, str]:
    """The flat recipe and the cell. `model` is the paper's column, `architecture` the registered model behind it."""
    recipe: dict[str, Any] = {("architecture" if k == "model" else k): v for k, v in result.recipe.items()}
    cell = {k: result.cell[k] for k in ("dataset", "horizon", "lookback", "model", "seed", "sam")}
    return {k: _text(v) for k, v in sorted((recipe | cell).items())}


def tags(result: Result) -> dict[str, str]:
    """What runs are filtered, grouped and sorted by. `status` is `running` until the Result is there, `current` whether the
    store has this Result and no later one, `order` the cell's place by data set, horizon, column, SAM and seed, as text."""
    commit = result.environment.get("git_commit")
    names = ("dataset", "horizon", "lookback", "model", "sam", "seed", "protocol", "profile")
    said = {
        "kind": KIND, "current": "yes", "order": order(result),
        "key": result.key, "digest": result.digest, "status": "running", "started": result.started,
        "rho": _text(result.recipe.get("rho")), "mlflow.source.name": "run_all.py", "mlflow.source.type": "LOCAL",
    }  # fmt: skip
    said |= {k: _text(result.cell[k]) for k in names}
    return said | ({"git_commit": commit, "mlflow.source.git.commit": commit} if commit else {})


def order(result: Result) -> str:
    """A text by which runs stand as in a table: numbers are filled up with zeros, so that 96 comes before 720."""
    cell = result.cell
    horizon, lookback, seed = (f"{int(cell.get(name) or 0):05d}" for name in ("horizon", "lookback", "seed"))
    sam = "sam" if cell["sam"] else "-"
    parts = (cell["dataset"], horizon, cell["model"], lookback, sam, cell["protocol"], cell["profile"], seed)
    return "/".join(map(str, parts))


def superseded(by: Result) -> dict[str, str]:
    """What a run says whose Result is not the store's any more."""
    return {"current": f"no: superseded by the Result that ended {by.ended}"}


def verdict_metrics(cell: JudgedCell) -> dict[str, float]:
    """The printed number, and how far our mean over all seeds is off it, in percent, with the digits that a list shows."""
    found = {"published": cell.published, "deviation_pct": cell.deviation_pct and round(cell.deviation_pct, 2)}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def verdict_tags(cell: JudgedCell) -> dict[str, str]:
    """What came of a cell over all its seeds, as every one of their runs says it; nothing without a printed number."""
    if not cell.verdict:
        return {}
    judged = f"at least {cell.to_judge}" if cell.to_judge else "nothing"
    needed = str(cell.needed) if cell.needed is not None else cell.why or judged
    return {"verdict": cell.verdict, "verdict_seeds": str(cell.n), "verdict_would_need": needed}


PEAK_MEMORY_OF_CPU = "resident in the worker process, libraries included"
PEAK_MEMORY_OF_CUDA = "allocated by tensors on the CUDA device"


def ending_tags(result: Result) -> dict[str, str]:
    """Tags that are known at the end. `started` and `ended` name the very Result that the run shows."""
    said = {"status": result.status, "started": result.started, "ended": result.ended}
    if result.peak_memory_bytes is not None:
        on_cpu = result.environment.get("device", "cpu") == "cpu"
        said["peak_memory_of"] = PEAK_MEMORY_OF_CPU if on_cpu else PEAK_MEMORY_OF_CUDA
    return said | ({"reason": result.reason[:_MOST_TEXT]} if result.reason else {})


def points(epochs: Iterable[Mapping[str, float]], first: int = 1) -> list[Point]:
    """The history's metrics; what is no finite number is left out, as it is from the store."""
    return [
        (key, float(epoch[key]), number)
        for number, epoch in enumerate(epochs, first)
        for key in epoch
        if key != "seconds" and _finite(epoch[key])
    ]


def final_metrics(result: Result) -> dict[str, float]:
    """What is measured once. The validation metrics of the tested weights are `final_val_*`: `val_mse` is the history."""
    measured: dict[str, Any] = {(f"final_{k}" if k.startswith("val_") else k): v for k, v in result.metrics.items()}
    measured |= result.extra_metrics
    measured |= {f"windows_{split}": count for split, count in result.windows.items()}
    measured |= {k: getattr(result, k) for k in ("seconds", "n_params", "peak_memory_bytes", "best_epoch")}
    return {k: float(v) for k, v in measured.items() if _finite(v)}


def run_status(result: Result) -> str:
    """MLflow's word for a Result's status."""
    return {"done": "FINISHED", "killed": "KILLED"}.get(result.status, "FAILED")


def milliseconds(moment: str) -> int | None:
    """An ISO time in MLflow's unit; None for what is none."""
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value[:_MOST_TEXT]
    if isinstance(value, list | tuple):  # the one in a task, the other in the store
        return ", ".join(map(_text, value))[:_MOST_TEXT]
    return json.dumps(value, ensure_ascii=False)[:_MOST_TEXT]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def create(client: MlflowClient, experiment: str, parent: str, result: Result, extra: Mapping[str, str]) -> str:
    """A run that has begun, by its Result as far as that is known; returns its id. Raises what MLflow raises."""
    said = tags(result) | dict(extra) | {PARENT: parent}
    return str(client.create_run(experiment, milliseconds(result.started), said, name(result)).info.run_id)


def describe(client: MlflowClient, run_id: str, result: Result) -> None:
    """Parameters and data set of a run; saying them twice changes nothing. The data is not loaded for it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    client.log_batch(run_id, params=[Param(k, v) for k, v in params(result).items()])
    sha256 = result.data_sha256 or ""
    source = json.dumps({"name": result.cell["dataset"], "sha256": sha256})
    data = Dataset(str(result.cell["dataset"]), sha256[:_MOST_DIGEST], "benchmark", source)
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def log_points(client: MlflowClient, run_id: str, found: Sequence[Point], moments: Mapping[int, int]) -> None:
    """Metrics of epochs in as few calls as MLflow takes. `moments`: of each epoch, in milliseconds."""
    from mlflow.entities import Metric

    metrics = [Metric(key, value, moments[step], step) for key, value, step in found]
    for start in range(0, len(metrics), MOST_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MOST_METRICS])


def moments_of(result: Result) -> dict[int, int]:
    """When each epoch of a Result ended, in milliseconds, as far as its history tells."""
    began = milliseconds(result.started) or 0
    lasted = accumulate(float(epoch.get("seconds") or 0) for epoch in result.epochs)
    return {number: began + int(seconds * 1000) for number, seconds in enumerate(lasted, 1)}


def end(client: MlflowClient, run_id: str, result: Result) -> None:
    """The last of a run: what was measured once, then its status. A run with the tag `ended` lacks nothing."""
    from mlflow.entities import Metric, RunTag

    moment = milliseconds(result.ended) or 0
    metrics = [Metric(k, v, moment, 0) for k, v in final_metrics(result).items()]
    client.log_batch(run_id, metrics=metrics, tags=[RunTag(k, v) for k, v in ending_tags(result).items()])
    client.set_terminated(run_id, run_status(result), moment)
