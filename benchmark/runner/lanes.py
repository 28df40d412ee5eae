"""Several programs at once on one CUDA device: a process for each device, and in it a lane, a thread with a CUDA stream of
its own, for each program.

A small program leaves most of a device idle, and two processes take turns on it, where two streams of one process share it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.machine import own_process
from benchmark.runner.job import Job, Outcome
from benchmark.runner.pool import (
    KEEP_MEMORY,
    ONE_THREAD,
    DiedInCompany,
    StopFile,
    free_place,
    may_have_lost_device,
    process,
)
from benchmark.runner.worker import leave_signals, prepare, work

LANES = 4
"""Of a device, for `--jobs auto`. Not measured yet: docs/performance.md."""
TURN_SECONDS = 0.2
"""After which a process looks for jobs that have come meanwhile."""
Ended = tuple[int, list[Outcome] | str]
"""A job's number, and what became of its cells; a sentence: the error that the worker itself ended in."""


class LanePool:
    """At most `jobs` jobs, as evenly as can be on `devices` CUDA devices, each of which has one process.

    Where a process dies, so do all jobs of its lanes.
    """

    alone = True

    def __init__(
        self, jobs: int, results_dir: Path, also: Sequence[Callable[[], object]] = (), *, devices: int = 1
    ) -> None:  # fmt: skip
        """also: as `LocalPool` has it."""
        self._stopping = StopFile(results_dir)
        self._processes = [
            _Process(place, (jobs + devices - 1 - place) // devices, also) for place in range(min(devices, jobs))
        ]

    def room(self) -> int:
        """Lanes that have nothing to do."""
        return sum(each.room() for each in self._processes)

    def takes(self, job: Job) -> bool:
        """Whether a process has a free lane for it: one that shares its process with no other waits until one is free."""
        return any(each.takes(job) for each in self._processes)

    def submit(self, job: Job) -> Future[list[Outcome]]:
        """Hands the job to a lane of the process that has most of them free."""
        there = [each for each in self._processes if each.takes(job)] or self._processes
        return max(there, key=_Process.room).submit(replace(job, stop=self._stopping.path))

    def stop(self) -> None:
        """Asks by a file, which the lanes look for after each epoch."""
        self._stopping.ask()

    def close(self) -> None:
        """Ends the processes, whatever they do."""
        for each in self._processes:
            each.close()
        self._stopping.remove()


class _Process:
    """A process with its lanes, and the thread of ours that hands it jobs and takes in what becomes of them."""

    def __init__(self, place: int, lanes: int, also: Sequence[Callable[[], object]]) -> None:
        self._place, self._lanes, self._also = place, lanes, also
        self._executor: Any = self._made()
        self._changed = threading.Condition()
        self._new: list[tuple[int, Job]] = []
        self._running: dict[int, tuple[Job, Future[list[Outcome]]]] = {}
        self._count, self._spent, self._closed = 0, False, False
        self._thread = threading.Thread(target=self._serve, name=f"lanes {place}", daemon=True)
        self._thread.start()

    def _made(self) -> Any:
        executor = process(ONE_THREAD | KEEP_MEMORY)
        executor.submit(prepare, own_process(), self._also)
        return executor

    def room(self) -> int:
        """Free lanes; none where the process is to be left before it takes another job."""
        with self._changed:
            return 0 if self._spent else self._lanes - len(self._running)

    def takes(self, job: Job) -> bool:
        """Whether it has a lane for this job now."""
        with self._changed:
            free, shared = self.room(), job.shares and all(other.shares for other, _ in self._running.values())
        return free > 0 and (shared or free == self._lanes)

    def submit(self, job: Job) -> Future[list[Outcome]]:
        """Begins a job in a free lane."""
        future: Future[list[Outcome]] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            taken = (other.lane for other, _ in self._running.values() if other.lane is not None)
            job = replace(job, place=self._place, lane=free_place(taken) if self._lanes > 1 else None)
            self._count += 1
            self._running[self._count] = job, future
            self._new.append((self._count, job))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Ends it, at once."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._drop(wait=True)
        self._thread.join()

    def _drop(self, wait: bool = False) -> None:
        with self._changed:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=wait, kill_workers=True)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._running and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                begin, self._new = self._new, []
                idle = len(begin) == len(self._running)
            try:
                ended: list[Ended] = self._begun(begin, idle).result()
            except Exception as error:  # BrokenExecutor, or what shutting it down meanwhile leads to
                self._died(error)
            else:
                self._take_in(ended)

    def _begun(self, begin: Sequence[tuple[int, Job]], idle: bool) -> Any:
        try:
            return self._there().submit(turn, begin)
        except BrokenExecutor:
            if not idle:
                raise
        self._drop()  # it died while it had nothing to do
        return self._there().submit(turn, begin)

    def _there(self) -> Any:
        with self._changed:
            if self._closed:
                raise BrokenExecutor("it was closed")
            if self._executor is None:
                self._executor = self._made()
            return self._executor

    def _take_in(self, ended: Sequence[Ended]) -> None:
        for number, outcomes in ended:
            with self._changed:
                job, future = self._running.pop(number)
                self._spent = self._spent or may_have_lost_device(job, [] if isinstance(outcomes, str) else outcomes)
                if done := self._spent and not self._running:
                    self._spent = False
            if done:
                self._drop()
            if isinstance(outcomes, str):
                future.set_exception(RuntimeError(outcomes))
            else:
                future.set_result(outcomes)

    def _died(self, error: Exception) -> None:
        """All that its lanes had is lost with it; what had not begun yet begins in the next process."""
        self._drop()
        with self._changed:
            waiting = {number for number, _ in self._new}
            lost = [self._running.pop(number)[1] for number in list(self._running) if number not in waiting]
            self._spent = False
        why = (DiedInCompany if len(lost) > 1 else BrokenExecutor)(str(error))
        for future in lost:
            future.set_exception(why)


def turn(begin: Sequence[tuple[int, Job]]) -> list[Ended]:
    """In the process: begins jobs, each in a lane, and waits a moment for one to end. What has ended by then."""
    leave_signals()
    for number, job in begin:
        _there[number] = _threads().submit(work, job)
    wait(_there.values(), TURN_SECONDS, FIRST_COMPLETED)
    ended = {number: future for number, future in _there.items() if future.done()}
    for number in ended:
        del _there[number]
    return [(number, _outcome(future)) for number, future in ended.items()]


def _outcome(future: Future[list[Outcome]]) -> list[Outcome] | str:
    error = future.exception()
    return future.result() if error is None else f"{type(error).__name__}: {error}"


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(64, "lane")


_there: dict[int, Future[list[Outcome]]] = {}
"""Of this process: the jobs under way, by number."""
