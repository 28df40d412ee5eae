"""Workers elsewhere, by dask.distributed: one cell at a time in each worker process, Results brought back to our store."""

from __future__ import annotations

import logging
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.errors import StopTraining, UsageError
from benchmark.files import check_regular
from benchmark.machine import bounded, host, own_process
from benchmark.runner.dask import worker as dask_worker
from benchmark.runner.job import Busy, Job, Outcome, Stopped, Unwritten
from benchmark.runner.pool import PoolLost, WorkerDied, free_place
from benchmark.runner.worker import under_lease
from benchmark.store.result import Result

CONNECT_SECONDS = 10
LOOK_SECONDS = 0.5
"""Between two looks at which workers there are."""
WORKERLESS_SECONDS = 120.0
"""That a grid waits for a worker when all are gone."""


class DaskPool:
    """The workers of a running Dask scheduler.

    A cell is pinned to one worker, and its thread here watches that worker: Dask itself would hand the cell of a worker
    that died to the next one, again and again, and would compute ended cells anew whose Results died with their worker.
    """

    alone = False

    def __init__(self, address: str, most: int | None) -> None:
        """Connects. `most`: cells at once, None: as many as there are workers.

        Raises UsageError where the scheduler cannot be reached, has no worker, or workers that cannot do it.
        """
        from distributed import Client

        warnings.filterwarnings("ignore", module="distributed")
        for name in ("distributed", "distributed.client", "asyncio"):  # a worker that dies leaves a traceback of theirs
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            client: Any = Client  # distributed has no types here
            connect = partial(client, address, timeout=CONNECT_SECONDS, set_as_default=False)
            self._client = bounded(connect, CONNECT_SECONDS + 5)  # to one that accepts and is mute it waits for ever
        except Exception as error:  # by address and state: OSError, ValueError, TypeError, RuntimeError
            why = " ".join(str(error).split())[:120] or type(error).__name__
            raise UsageError(
                f"--scheduler {address}: no Dask scheduler can be reached there ({why}); start one with: dask scheduler"
            ) from None
        self._most = most
        self._taken: dict[str, float] = {}
        self._places: dict[str, int] = {}
        self._workers: set[str] = set()
        self._looked = 0.0
        self._alive = time.monotonic()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(1000, "dask")
        self._name = f"stop-{uuid.uuid4().hex}"
        self._closed = False
        pid, process = own_process()
        self._asker = (host(), pid, process)
        try:
            self._check_workers(address)
        except BaseException:
            self.close()
            raise

    def _check_workers(self, address: str) -> None:
        if not self.workers():
            raise UsageError(
                f"--scheduler {address}: it has no workers; start some in the project's folder with: "
                f"PYTHONPATH=. dask worker {address} --nthreads 1"
            )
        try:
            found = self._client.run(dask_worker.fingerprint, on_error="return")
        except Exception as error:
            found = {address: error}
        for worker, said in sorted(found.items()):
            if said != dask_worker.fingerprint():
                what = f"cannot run the suite ({said})" if isinstance(said, BaseException) else "has another version of it"
                raise UsageError(f"--scheduler {address}: the worker {worker} {what}; start it in this project's folder, "
                                 f"as it is here, with: PYTHONPATH=. dask worker {address} --nthreads 1")  # fmt: skip

    def workers(self) -> set[str]:
        """The addresses of the workers that there are; looked up every `LOOK_SECONDS`. Raises PoolLost."""
        with self._lock:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                try:
                    self._workers = set(self._client.nthreads())
                except Exception as error:
                    raise PoolLost(f"the Dask scheduler is gone ({type(error).__name__})") from None
                self._looked = time.monotonic()
            return self._workers

    def room(self) -> int:
        """Workers without a cell of ours. Raises PoolLost, where there has been none at all for long."""
        there = self.workers()
        now = time.monotonic()
        if there:
            self._alive = now
        elif now - self._alive > WORKERLESS_SECONDS:
            raise PoolLost(f"the Dask scheduler has had no workers for {WORKERLESS_SECONDS:.0f} s")
        with self._lock:
            most = len(there) if self._most is None else self._most
            return min(len(there - self._taken.keys()), most - len(self._taken))

    def takes(self, job: Job) -> bool:
        """Any."""
        return True

    def submit(self, job: Job) -> Future[list[Outcome]]:
        """Begins a job of one cell in a worker that has none."""
        with self._lock:
            address = min(self._workers - self._taken.keys())
            self._taken[address] = time.monotonic()
            job = replace(job, asker=self._asker, place=self._place(address))
        return self._threads.submit(self._held, job, address)

    def _place(self, address: str) -> int:
        """The worker's place among those of its machine, which it keeps while it lives."""
        self._places = {known: place for known, place in self._places.items() if known in self._workers}
        for worker in sorted(self._workers - self._places.keys()):
            machine = _machine(worker)
            self._places[worker] = free_place(place for other, place in self._places.items() if _machine(other) == machine)
        return self._places[address]

    def _held(self, job: Job, address: str) -> list[Outcome]:
        try:
            with under_lease(job) as turn:
                if turn.is_ours:
                    turn.outcome = self._elsewhere(address, job, turn.is_lost)
            return [turn.outcome]
        finally:
            with self._lock:
                del self._taken[address]

    def _elsewhere(self, address: str, job: Job, is_lost: Callable[[], bool]) -> Outcome:
        """The cell's Result, made by a worker and written here. Raises WorkerDied, StopTraining."""
        try:
            answer = self._ask(address, job, None)
            if isinstance(answer, dask_worker.Wanted):
                assert job.experiment.data_path is not None
                content = self._client.scatter(job.experiment.data_path.read_bytes(), workers=[address], hash=False)
                answer = self._ask(address, job, content)
        except PoolLost:
            raise StopTraining from None
        if isinstance(answer, Stopped):
            raise StopTraining
        if isinstance(answer, dask_worker.Brought):
            _append(job.log_path, answer.log)
            return job.record(answer.result, is_lost, partial(job.kept.take, answer.kept))
        assert isinstance(answer, Result | Busy | Unwritten)
        return answer

    def _ask(self, address: str, job: Job, content: Any) -> Any:
        """What the worker answers. Raises WorkerDied; StopTraining where it is no use to wait, since nothing is known
        against the cell; what went wrong in the worker outside the cell."""
        from distributed import CancelledError, TimeoutError
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        died = WorkerDied(f"with its Dask worker {address}")
        future = self._client.submit(
            dask_worker.train_for, job, dask_worker.fingerprint(), self._name, content, workers=[address],
            allow_other_workers=False, pure=False, retries=0, key=f"{job.experiment.cell.key}-{uuid.uuid4().hex[:8]}",
        )  # fmt: skip
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                if self._closed:
                    raise StopTraining from None
                if address not in self.workers():
                    raise died from None
            except KilledWorker:
                raise died from None
            except (CancelledError, CommClosedError):
                raise StopTraining from None

    def stop(self) -> None:
        """Asks every worker; the cells under way end with their epoch."""
        with suppress(Exception):
            self._client.run(dask_worker.ask_to_stop, self._name, on_error="ignore")

    def close(self) -> None:
        """Takes every cell back, and leaves the workers to others. A cell under way there ends with its epoch."""
        if not self._closed:
            self._closed = True
            self._threads.shutdown(wait=True, cancel_futures=True)
            with suppress(Exception):
                self._client.close(timeout=5)


def _machine(address: str) -> str:
    """The host of an address such as tcp://host:8786."""
    return address.rpartition(":")[0]


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    check_regular(path)
    with path.open("a", encoding="utf-8") as log:
        log.write(text)
