"""Workers of this machine: each a process of its own behind an executor of its own, so that a death concerns one cell."""

from __future__ import annotations

import atexit
import math
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from benchmark import machine
from benchmark.errors import UsageError
from benchmark.grid import cost
from benchmark.machine import own_process
from benchmark.runner.job import Job, Outcome
from benchmark.runner.orphan import watch
from benchmark.runner.worker import prepare, work
from benchmark.store.result import Result

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
}

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_TOP_PAD_": str(2**26)}
"""Of glibc's malloc: a worker keeps what it has freed. Given back and asked for anew at every step, memory costs page
faults: a third of a step with tensors above 32 MiB (docs/performance.md)."""


def process(env: Mapping[str, str]) -> Any:
    """An executor of one process that stays, with these environment variables."""
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(1, env=dict(env), initializer=_stay, initargs=(own_process(),))


@atexit.register
def _feeders_end() -> None:
    """At the end of this process: gives the threads by which executors fed their workers a second to end. loky joins none
    of them; one that the end of Python stops while it frees a semaphore has it told on stderr as a leak."""
    until = time.monotonic() + 1.0
    for thread in threading.enumerate():
        if thread.name == "QueueFeederThread":
            thread.join(max(0.0, until - time.monotonic()))


def _stay(parent: tuple[int, str] | None) -> None:
    """As long as its parent, from its first moment on: one whose parent is killed before it gives it a job would wait for
    ever. And not shorter: loky ends a process that has grown by 300 MB, if psutil is installed; a worker has after one
    cell, and the next one would wait for torch again. Nor is garbage collected each second, as loky does without psutil:
    that holds up what other lanes do, and a cell does it when it begins (`benchmark.training.device.PeakMemory`)."""
    from joblib.externals.loky import process_executor

    process_executor._USE_PSUTIL, process_executor._MEMORY_LEAK_CHECK_DELAY = False, math.inf
    watch(parent)


def usable_device(asked: str) -> str:
    """`cpu` or `cuda`, for `cpu`, `cuda` or `auto`. Raises UsageError where CUDA is asked for and not there."""
    if asked != "cpu" and not version("torch").endswith("+cpu"):  # such a build has no CUDA; importing it takes seconds
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if asked == "cuda":
        raise UsageError("--device cuda: no CUDA device is usable here; use --device cpu")
    return "cpu"


def memory_of(device: str) -> tuple[int | None, int]:
    """Bytes in which cells are trained, and how often there are so many: the machine's, or each CUDA device's."""
    if device == "cpu":
        return machine.memory(), 1
    import torch

    count = torch.cuda.device_count()
    return min(int(torch.cuda.get_device_properties(place).total_memory) for place in range(count)), count


class WorkerDied(BrokenExecutor):
    """The process that trained a cell is gone; the message says how."""


class DiedInCompany(BrokenExecutor):
    """The process is gone that trained other jobs, too: whose fault it was, and whose time was over, is not known."""


class PoolLost(Exception):
    """No cell can be handed out any more; the message says why."""


class Pool(Protocol):
    """Who trains cells. A future that ends in BrokenExecutor is one whose process died (`how` says in what way)."""

    alone: bool
    """Whether cells share one machine, so that a suspect is to be tried with nothing else beside it."""

    def room(self) -> int:
        """How many more cells it takes now. Raises PoolLost."""

    def takes(self, job: Job) -> bool:
        """Whether it would begin this job now, where there is room. Raises PoolLost."""

    def submit(self, job: Job) -> Future[list[Outcome]]:
        """Begins a job, whose future has what became of each of its cells; to be called only where it is taken."""

    def stop(self) -> None:
        """Asks the cells under way to end with their epoch."""

    def close(self) -> None:
        """Ends all workers, at once."""


def free_place(taken: Iterable[int]) -> int:
    """The least place from 0 that no worker of the machine has: one that died leaves its device to the next."""
    used = set(taken)
    return next(place for place in count() if place not in used)


class StopFile:
    """A file in the results folder by which the workers of a pool are asked to end with their epoch."""

    def __init__(self, results_dir: Path) -> None:
        self.path = results_dir.resolve() / "leases" / f".stop-{uuid.uuid4().hex}"

    def ask(self) -> None:
        """Has it be there; a disk that does not take it leaves the workers at their work."""
        with suppress(OSError):
            self.path.touch()

    def remove(self) -> None:
        """It is needed no more."""
        self.path.unlink(missing_ok=True)


@dataclass
class _Worker:
    """An executor of one process, and its place among those of this machine."""

    executor: Any
    place: int


class LocalPool:
    """At most `jobs` worker processes, by joblib's loky.

    One executor of one process each: an executor of many ends all of its processes when one of them dies. They are
    started at once, so that they import (and do what `also` says) while the parent still prepares.
    """

    alone = True

    def __init__(
        self,
        jobs: int,
        results_dir: Path,
        work: Callable[[Job], list[Outcome]] = work,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._jobs = jobs
        self._work = work
        self._idle = [_Worker(process(ONE_THREAD | KEEP_MEMORY), place) for place in range(jobs)]
        self._busy: list[tuple[_Worker, Job, Future[list[Outcome]]]] = []
        self._stopping = StopFile(results_dir)
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")  # loky renews it by itself
        for worker in self._idle:
            worker.executor.submit(prepare, own_process(), also)

    def room(self) -> int:
        """Workers that have nothing to do, or are yet to be started."""
        there, self._busy = self._busy, []
        for worker, job, future in there:
            if not future.done():
                self._busy.append((worker, job, future))
            elif _usable(job, future):
                self._idle.append(worker)
            else:
                worker.executor.shutdown(wait=False, kill_workers=True)
        return self._jobs - len(self._busy)

    def takes(self, job: Job) -> bool:
        """Any."""
        return True

    def submit(self, job: Job) -> Future[list[Outcome]]:
        """Hands the cell to an idle worker, else to a new one."""
        worker = self._idle.pop() if self._idle else self._started()
        job = replace(job, stop=self._stopping.path, place=worker.place)
        future: Future[list[Outcome]]
        try:
            future = worker.executor.submit(self._work, job)
        except BrokenExecutor:  # its process died while it had nothing to do
            worker.executor.shutdown(wait=False, kill_workers=True)
            worker.executor = process(ONE_THREAD | KEEP_MEMORY)
            future = worker.executor.submit(self._work, job)
        self._busy.append((worker, job, future))
        return future

    def _started(self) -> _Worker:
        taken = (worker.place for worker in (*self._idle, *(worker for worker, _, _ in self._busy)))
        return _Worker(process(ONE_THREAD | KEEP_MEMORY), free_place(taken))

    def stop(self) -> None:
        """Asks by a file, which the workers look for after each epoch."""
        self._stopping.ask()

    def close(self) -> None:
        """Ends the workers, whatever they do."""
        everyone = [*self._idle, *(worker for worker, _, _ in self._busy)]
        with ThreadPoolExecutor(max(1, len(everyone))) as threads:
            for worker in everyone:
                threads.submit(worker.executor.shutdown, wait=True, kill_workers=True)  # until the process is gone
        self._stopping.remove()


def pool_here(
    device: str, stacked: bool, asked: int | None, needed: Sequence[int | None], results_dir: Path,
    also: Sequence[Callable[[], object]],
) -> Pool:  # fmt: skip
    """Workers of this machine. stacked: whether jobs are trained as programs of several. asked: how many at once; None: as
    many as it has cores (of CUDA devices: lanes) and memory for. needed: bytes of each job, None where not known."""
    from benchmark.runner.lanes import LANES, LanePool

    memory, devices = memory_of(device)
    lanes = device == "cuda" and stacked
    most = LANES * devices if lanes else machine.cores()
    jobs = min(asked or cost.jobs(most, needed, memory, devices), len(needed))
    return LanePool(jobs, results_dir, also, devices=devices) if lanes else LocalPool(jobs, results_dir, also=also)


def _usable(job: Job, future: Future[list[Outcome]]) -> bool:
    """Whether a worker can take another cell."""
    if future.cancelled() or isinstance(future.exception(), BrokenExecutor):
        return False
    return not may_have_lost_device(job, future.result() if future.exception() is None else [])


def may_have_lost_device(job: Job, outcomes: Sequence[Outcome]) -> bool:
    """Whether there was an error on a CUDA device, after which the process may have lost it for good."""
    failed = any(isinstance(outcome, Result) and outcome.status == "failed" for outcome in outcomes)
    return job.experiment.device == "cuda" and failed


def how(died: BaseException) -> str:
    """In what way a process died: its signal or its exit status, as far as the message of loky's error names it."""
    if isinstance(died, WorkerDied):
        return str(died)
    found = re.search(r"\{(\w+)\((-?\d+)\)", str(died))
    if found is None:
        return "in an unknown way"
    name, number = found[1], int(found[2])
    return f"by signal {name}" if number < 0 else f"with exit status {number}"
