"""A cell's job: the experiment, where it writes, who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.data.registry import DataSet
from benchmark.grid.cells import Cell
from benchmark.machine import process_start
from benchmark.runner.watch import Watcher
from benchmark.store.result import Result, Status
from benchmark.store.store import Store

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Task:
    """All that a worker needs to train one cell; plain values, so that it travels to any process or machine.

    `replaces`: a Result that is there and has one of these statuses is made anew; any other stands. `timeout`: seconds
    that the cell may take. `stop`: a file; once it is there, the cell ends with the epoch under way. `asker`: host, number
    and start of the process that holds the lease, where that is not the one that trains.
    """

    cell: Cell
    digest: str
    recipe: Mapping[str, Any]
    dataset: DataSet
    data_path: Path | None
    data_sha256: str
    results_dir: Path
    device: str
    replaces: tuple[Status, ...]
    commit: str | None
    parent: tuple[int, str] | None
    cache_dir: Path | None = None
    watcher: Watcher | None = None
    timeout: float | None = None
    stop: Path | None = None
    asker: tuple[str, int, str] | None = None


@dataclass(frozen=True)
class Busy:
    """Somebody else is training the cell."""

    digest: str


@dataclass(frozen=True)
class Stopped:
    """The cell was asked to end before it was through; the same command goes on with it."""

    digest: str


Outcome = Result | Busy | Stopped


class Interrupted(Exception):
    """The cell was asked to end with the epoch under way."""


class Orphaned(Exception):
    """The process that asked for this cell is gone."""


def record(task: Task, result: Result) -> None:
    """Writes a cell's Result; what was kept to go on with goes, unless the cell was ended from outside: then another
    attempt, with more time or memory, goes on from it. Raises OSError where the disk does not take the Result."""
    Store(task.results_dir).write(result)
    if result.status not in ("timeout", "killed"):
        checkpoint_path(task).unlink(missing_ok=True)


def without_result(task: Task, status: Status, reason: str, trace: str | None = None) -> Result:
    """The Result of a cell whose process did not live to write one, or could not be reached."""
    return replace(_blank(task), status=status, reason=reason, traceback=trace, ended=_now())


def _orphaned(parent: tuple[int, str] | None) -> bool:
    return parent is not None and process_start(parent[0]) != parent[1]


def _check(task: Task) -> None:
    """Raises where nobody waits for the cell any more, or it is asked to end."""
    if _orphaned(task.parent):
        raise Orphaned
    if task.stop is not None and task.stop.exists():
        raise Interrupted


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _blank(task: Task) -> Result:
    return Result(
        key=task.cell.key, digest=task.digest, status="failed", cell=asdict(task.cell), recipe=task.recipe,
        data_sha256=task.data_sha256, started=_now(), environment={"git_commit": task.commit},
    )  # fmt: skip


def log_path(task: Task) -> Path:
    """Where a cell's log stands."""
    return task.results_dir / "logs" / f"{task.digest}.log"


def checkpoint_path(task: Task) -> Path:
    """Where a cell's checkpoint stands."""
    return task.results_dir / "checkpoints" / f"{task.digest}.pt"
