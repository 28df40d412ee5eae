"""What became of one cell: the Result, as it stands in its JSON file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

SCHEMA = 1


Status = Literal["done", "failed", "diverged", "timeout", "killed"]


STATUSES: tuple[Status, ...] = get_args(Status)


MEASURED = ("seconds", "peak_memory_bytes", "environment", "started", "ended", "code")
"""Fields that say how a run went, not what it found: two runs of one cell agree in all the others."""
LATER = ("extra_metrics", "semantics", "code", "checks")
"""Fields that older files lack: where one is empty it is not written, so that such a Result is written as it was."""


@dataclass(frozen=True)
class Result:
    """What became of one cell.

    key, digest: which cell. status: one of `STATUSES`. cell: the cell's fields by name. reason, traceback: of one that is
    not done. metrics: by name (``test_mse``), on the standardised scale; a done Result is whole if all that it was written
    with are finite, whichever a later version adds. extra_metrics: likewise, of those that decide nothing; None where there
    is nothing to measure by, and none at all in older files. windows: of train, val, test. epochs: the history: train_loss,
    val_mse, lr, grad_norm, seconds. best_epoch: from 1. n_params: the model's parameters. seconds: of wall clock.
    peak_memory_bytes: of the latest attempt, while it was trained and tested: resident in its process on a CPU (libraries
    are in it), allocated by tensors on a CUDA device; None where that cannot be measured. recipe: resolved, by name.
    environment: versions, hardware, threads, commit. data_sha256: of the file. started, ended: ISO 8601, UTC. schema: of
    the file's form. semantics: the version of the training semantics. code: by file of ours that
    the number depends on, the SHA-256 of its syntax tree (`benchmark.grid.code`). checks: what was found of a model of the
    user's own once it was trained, in a sentence: `own_window`, whether a forecast depends on its own window alone.
    """

    key: str
    digest: str
    status: Status
    cell: Mapping[str, Any]
    reason: str | None = None
    traceback: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    extra_metrics: Mapping[str, float | None] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    epochs: tuple[Mapping[str, float], ...] = ()
    best_epoch: int | None = None
    n_params: int | None = None
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    data_sha256: str | None = None
    started: str = ""
    ended: str = ""
    schema: int = SCHEMA
    semantics: int | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How a picture of it is headed: its key, and protocol and profile, which a key leaves out where they are usual."""
        return f"{self.key}, protocol {self.cell['protocol']}, profile {self.cell['profile']}"

    def comparable(self) -> dict[str, Any]:
        """The fields that do not depend on when, where and how fast the cell ran."""
        told = {k: v for k, v in plain(self).items() if k not in MEASURED}
        told["epochs"] = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in self.epochs]
        return told


def plain(result: Result) -> dict[str, Any]:
    """A Result as JSON has it, its first fields those that a plan looks at."""
    order = ["schema", "key", "digest", "status", "reason"]
    names = order + [f.name for f in fields(result) if f.name not in order]
    names = [name for name in names if name not in LATER or getattr(result, name)]
    return {name: _json_safe(getattr(result, name)) for name in names}


def _json_safe(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null, and the Result's reason says why."""
    if isinstance(value, Mapping):
        return {k: _json_safe(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
