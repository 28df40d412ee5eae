"""On a Dask worker: one cell, with what is not to be had there fetched from whoever asked for it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache as remembered
from pathlib import Path

from benchmark.data import cache
from benchmark.data.files import Checksums, data_dir, locate, user_cache
from benchmark.files import write_atomically
from benchmark.runner.job import Job, Outcome, Stopped
from benchmark.runner.worker import Turn, train
from benchmark.store.leases import Leases
from benchmark.store.result import Result
from benchmark.store.store import Store

LOOK_SECONDS = 0.5
"""Between two looks whether whoever asked still waits."""
_one_cell = threading.Lock()  # torch's default generator is the process's


@dataclass(frozen=True)
class Wanted:
    """The worker has no file of this checksum: send it."""

    sha256: str


@dataclass(frozen=True)
class Brought:
    """A Result that was made where the results folder cannot be seen, with the cell's log, and what is kept beside it, by
    its place below that folder."""

    result: Result
    log: str
    kept: Mapping[str, bytes]


class OtherCode(Exception):
    """The worker has another version of the suite."""


@remembered
def fingerprint() -> str:
    """A checksum over the code that a Result depends on."""
    here = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for folder in (here, here.parent / "baselines"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(here.parent)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def train_for(job: Job, code: str, stop: str, content: bytes | None = None) -> Brought | Outcome | Wanted:
    """Trains a cell in this worker. Where it sees the lease that the asker holds, results folder and checkpoints are
    shared, and the Result is written there; else in a folder of the worker's own, and is brought back.

    Args: `code`: the asker's `fingerprint`. `stop`: the name of the asker's wish to end (`ask_to_stop`). `content`: of the
    data file, after `Wanted`.

    Raises OtherCode.
    """
    if code != fingerprint():
        raise OtherCode("this worker has another version of the suite; update it, and start it anew")
    with _one_cell:
        scratch = _scratch()
        shared = _is_shared(job)
        path = _data(job, content)
        if path is None and job.experiment.dataset.file is not None:
            return Wanted(job.experiment.data_sha256)
        here = replace(
            job.experiment, data_path=path, cache_dir=cache.folder_for(path.parent) if path else None,
            device=_device(job.experiment.device),
        )  # fmt: skip
        job = replace(
            job, experiment=here, results_dir=job.results_dir if shared else scratch, parent=None,
            stop=scratch / f"{stop}-{job.digest}", place=_place(job.place, os.environ.get("CUDA_VISIBLE_DEVICES", "")),
        )  # fmt: skip
        turn = Turn(job, True, Stopped(job.digest), lambda: shared and _has_another(job))
        with _until_nobody_waits(job, scratch / stop):
            train([turn])
        outcome = turn.outcome
        if shared or not isinstance(outcome, Result):
            return outcome
        log = job.log_path.read_text("utf-8", "replace")
        job.log_path.unlink()
        Store(scratch).path(job.digest).unlink(missing_ok=True)
        kept = job.kept.files() if outcome.status == "done" and job.keep else {}
        job.kept.clear()
        return Brought(outcome, log, kept)


def ask_to_stop(stop: str) -> None:
    """In a worker: the cells of one invocation end with their epoch."""
    (_scratch() / stop).touch()


def _scratch() -> Path:
    from distributed import get_worker

    folder = Path(get_worker().local_directory) / "forecast-benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_shared(job: Job) -> bool:
    """Whether this worker sees the very results folder of the asker: the lease that it holds stands there."""
    held = Leases(job.results_dir).holder(job.digest)
    return held is not None and (held.host, held.pid, held.process) == job.asker


def _has_another(job: Job) -> bool:
    """Whether the asker's lease has gone to somebody else."""
    held = Leases(job.results_dir).holder(job.digest)
    return held is not None and (held.host, held.pid, held.process) != job.asker


def _data(job: Job, content: bytes | None) -> Path | None:
    """The cell's data file, wherever a file of its checksum lies; None where none does."""
    if job.experiment.data_path is None:
        return None
    kept = user_cache() / "by-checksum" / job.experiment.data_sha256 / job.experiment.data_path.name
    if content is not None:
        write_atomically(kept, content)
    here = locate(job.experiment.dataset, data_dir(None))
    sums = Checksums()
    for path in (job.experiment.data_path, here, kept):
        with suppress(Exception):  # a file that cannot be read is not the one
            if path is not None and sums.of(path) == job.experiment.data_sha256:
                return path
    return None


def _place(place: int, visible: str) -> int:
    """The place as it counts in this worker: dask-cuda gives every worker the same devices, each time in another order.

    So each takes the device whose name has its place among the sorted names, and no two meet on one.
    """
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return names.index(sorted(names)[place % len(names)]) if names else place


def _device(wish: str) -> str:
    """The asker does not know what this machine has."""
    if wish != "auto":
        return wish
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _until_nobody_waits(job: Job, asked: Path) -> Iterator[None]:
    """A thread that stops the cell when its asker wishes so, or is gone: then the scheduler has taken the cell back."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            known = worker.state.tasks.get(key)
            if job.stop is not None and (known is None or known.state == "cancelled" or asked.exists()):
                job.stop.touch()

    watch = threading.Thread(target=look, name="asker watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        if job.stop is not None:
            job.stop.unlink(missing_ok=True)
