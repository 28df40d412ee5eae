"""Everything of the suite that the frozen guards touch, in one place: when a module moves, only this file follows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from conftest import ROOT

from benchmark.cell import Experiment
from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.data.download.supply import Supply
from benchmark.data.files import synthetic_sha256
from benchmark.data.registry import DataSet
from benchmark.grid import cost, digest, listing
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.listing import last_line, statuses, text
from benchmark.grid.plan import plan
from benchmark.runner.job import Job, Stopped
from benchmark.runner.watch import Unwatched, Watcher
from benchmark.runner.worker import train, under_lease
from benchmark.show import describe
from benchmark.store.result import Result
from benchmark.store.store import Store
from tables.__main__ import main as tables

__all__ = ["Job", "Planned", "Result", "Store", "Unwatched", "checkpoint_path", "log_path", "tables"]

Checksum = Callable[[DataSet], str | None]


@cache
def everything() -> Catalogue:
    """All papers and data sets of the suite."""
    return catalogue()


def checksums(stand_ins: Mapping[str, str], folder: Path) -> Checksum:
    """The frozen checksum of a set that has one, so that no data file is needed; else that of the set's own file, or of
    what makes it."""
    supply = Supply(folder)

    def checksum(dataset: DataSet) -> str | None:
        return stand_ins.get(dataset.name) or supply.checksum(dataset)

    return checksum


def registry() -> dict[str, str | None]:
    """By data set, the checksum that the registry knows; a set without a file has that of what makes it."""
    sets = everything().datasets.values()
    return {each.name: each.sha256 if each.file else synthetic_sha256(each) for each in sets}


def planned(checksum: Checksum, own: tuple[Path, ...] = (), **selection: Any) -> list[Planned]:
    """The plan of a selection."""
    return plan(catalogue(own) if own else everything(), Selection(**selection), checksum)


def names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All papers, and all data sets."""
    return tuple(everything().papers), tuple(everything().datasets)


def sizes(cell: Planned) -> tuple[int | None, int]:
    """A cell's estimated bytes, and the windows of one batch of validation and test."""
    dataset = everything().datasets[cell.cell.dataset]
    assert cell.recipe is not None and dataset.channels is not None
    batch = cost.evaluation_batch(dataset.channels, cell.cell.horizon, cell.recipe)
    return cost.estimate(dataset, cell.cell.horizon, cell.recipe), batch


def most_steps(cell: Planned) -> int | None:
    """The optimizer steps that a profile lets a cell take; None: it sets no bound."""
    assert cell.recipe is not None
    return cell.recipe.bounds.max_steps


def listed(cells: list[Planned], results: Path) -> tuple[str, str]:
    """A plan in words beside a store, without its last line; and that line."""
    status = statuses(cells, Store(results))
    return text(cells, status, everything().papers, {}).rpartition("\n")[0], last_line(status)


def shown(cell: Planned | None, result: Result | None) -> str:
    """What `python -m benchmark.show` prints of a cell."""
    return describe(cell, result)


COMMAND = """
import runpy, sys
from benchmark.grid import digest
digest.TRAINING_SEMANTICS = int(sys.argv.pop(1))
module = sys.argv[1] == "-m"
sys.argv = sys.argv[2 if module else 1 :]
(runpy.run_module if module else runpy.run_path)(sys.argv[0], run_name="__main__")
"""


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python command from the project's folder, such as ``run_all.py --dry-run``, under this process's semantics."""
    words = [sys.executable, "-c", COMMAND, str(digest.TRAINING_SEMANTICS), *arguments]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, timeout=120)


def job(cell: Planned, folder: Path, watcher: Watcher | None = None, stop: Path | None = None) -> Job:
    """The training of a cell of a set without a file, on the CPU; it ends early once there is a file `stop`."""
    assert cell.digest is not None and cell.recipe is not None
    dataset = everything().datasets[cell.cell.dataset]
    sha256 = synthetic_sha256(dataset)
    experiment = Experiment(cell.cell, cell.digest, cell.recipe, dataset, None, sha256, None, "cpu", None)
    return Job(experiment, folder, watcher=watcher, stop=stop)


def checkpoint_path(each: Job) -> Path:
    """Where its checkpoint stands."""
    return each.checkpoint_path


def log_path(each: Job) -> Path:
    """Where its log stands."""
    return each.log_path


def trained(each: Job) -> Result | None:
    """The Result of a cell that is trained here; None where it was asked to end before it was through."""
    with under_lease(each) as turn:
        if turn.is_ours:
            train([turn])
    outcome = turn.outcome
    if isinstance(outcome, Stopped):
        return None
    assert isinstance(outcome, Result)
    return outcome


def results(folder: Path) -> Iterator[Result]:
    """Every Result of a store."""
    return Store(folder).results()


def left_out(cells: list[Planned], folder: Path) -> str | None:
    """What a plan says of Results of earlier training semantics."""
    return listing.left_out(cells, Store(folder))


def set_semantics(monkeypatch: Any, version: int) -> None:
    """As if the training semantics were of this version."""
    monkeypatch.setattr(digest, "TRAINING_SEMANTICS", version)
