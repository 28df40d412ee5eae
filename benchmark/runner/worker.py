"""In a worker: one job under its lease, with log, checkpoint and time limit; and what it does when its parent dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmark.cell import begun, environment, now, train_and_test
from benchmark.errors import StopTraining
from benchmark.grid.code import canonical
from benchmark.runner.job import Busy, Job, Outcome, Stopped, Unwritten, is_gone
from benchmark.runner.watch import Unwatched
from benchmark.runner.watchdog import time_limit
from benchmark.store.leases import Leases
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.training import device

if TYPE_CHECKING:
    from benchmark.training.loop import Epoch


def work(job: Job) -> Outcome:
    """A job in a worker process, which ends when its parent has ended: at once where it is idle, else after the epoch
    under way (then no Result is written, since nothing went wrong with the cell)."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the parent's to handle
            signal.signal(number, signal.SIG_IGN)
    with _ended_with_parent(job.parent):
        with under_lease(job) as turn:
            if turn.is_ours:
                turn.outcome = train(job, turn.is_lost)
        if job.orphaned() and isinstance(turn.outcome, Stopped):
            os._exit(1)
    return turn.outcome


@dataclass
class Turn:
    """Whether a job is ours to train now; what became of it; and whether it is lost: after a long stall (a suspended job, a
    paused machine) somebody else has taken it over, and may have ended it already."""

    is_ours: bool
    outcome: Outcome
    is_lost: Callable[[], bool] = lambda: False


@contextmanager
def under_lease(job: Job) -> Iterator[Turn]:
    """Within it a job's lease is ours, unless `is_ours` is false: then `outcome` says why it is not to be trained.

    A StopTraining and an OSError that are raised within end here: they are the outcome.
    """
    turn = Turn(False, Stopped(job.digest))
    if job.orphaned() or job.asked_to_stop():
        yield turn
        return
    try:
        lease = Leases(job.results_dir).take(job.digest)
        if lease is None:
            turn.outcome = Busy(job.digest)
            yield turn
            return
        with lease:
            store = Store(job.results_dir)
            earlier, stamp = store.read(job.digest), store.stamp(job.digest)
            turn.is_lost = lambda: lease.taken() or (not lease.mine() and store.stamp(job.digest) != stamp)
            turn.is_ours = earlier is None or not job.stands(earlier)
            turn.outcome = earlier or turn.outcome
            yield turn
    except StopTraining:
        turn.outcome = Stopped(job.digest)
    except OSError as error:
        turn.outcome = Unwritten.of(job.digest, error)
        if not turn.is_ours:  # the lease could not be taken: nothing was yielded yet
            yield turn


def train(job: Job, is_lost: Callable[[], bool]) -> Outcome:
    """Trains a job's cell in this process and writes its Result; ends with the epoch where somebody else holds the cell by
    now, as `is_lost` says. Raises StopTraining, OSError."""
    from benchmark.training.checkpoint import Checkpoint

    blank = begun(job.experiment)
    history: list[Epoch] = []
    device.choose(job.experiment.device, job.place)
    memory = device.PeakMemory(job.experiment.device)
    job.log_path.parent.mkdir(parents=True, exist_ok=True)
    watch = job.watcher.open(blank) if job.watcher else Unwatched()
    with job.log_path.open("ab", buffering=0) as log:

        def say(line: str) -> None:
            with suppress(OSError):  # the disk loses a line, and the training nothing
                log.write(f"{line}\n".encode("utf-8", "backslashreplace"))

        say(f"{blank.started} {job.experiment.cell.key} {job.digest}")
        checkpoint = Checkpoint(job.checkpoint_path, job.digest, job.experiment.device, say, canonical(job.experiment.code))

        def on_epoch(epoch: Epoch) -> None:
            history.append(epoch)
            shown = " ".join(f"{name}={value:.6g}" for name, value in epoch.items())
            say(f"epoch {len(history)}: {shown}")
            watch.epoch(epoch)
            if is_lost():
                say(f"{now()} taken over by somebody else: this process was silent for too long")
                raise StopTraining
            checkpoint.epoch_ended()
            if job.orphaned() or job.asked_to_stop():
                checkpoint.write()
                raise StopTraining

        def ended(result: Result) -> Outcome:
            whole = replace(result, seconds=checkpoint.seconds, peak_memory_bytes=memory.bytes(), ended=now(),
                            environment=environment(job.experiment))  # fmt: skip
            say(f"{whole.traceback or ''}{whole.ended} {whole.status} {whole.reason or ''}")
            outcome = job.record(whole, is_lost)
            if outcome is whole:
                watch.ended(whole)
            return outcome

        def expired(place: str) -> None:
            reason = f"not done within {job.timeout:g} s (--timeout); the traceback says where it was"
            ended(replace(blank, status="timeout", reason=reason, traceback=place, epochs=tuple(history)))

        try:
            with time_limit(job.timeout, log, expired):
                result = train_and_test(job.experiment, blank, job.results_dir, history, on_epoch, checkpoint)
            return ended(result)
        finally:
            watch.close()


def prepare(parent: tuple[int, str] | None, also: Sequence[Callable[[], object]] = ()) -> None:
    """In a worker before its first job: imports what every cell needs, which takes seconds; and does what is asked."""
    with _ended_with_parent(parent):
        import torch

        from benchmark.training import loop  # noqa: F401

        torch.optim.Adam([torch.zeros(1)])  # the first optimizer of a process imports for two seconds, too
        for function in also:
            with suppress(Exception):  # the cell will do without it, or say so
                function()


_at_work = threading.Lock()
_watching = threading.Event()


@contextmanager
def _ended_with_parent(parent: tuple[int, str] | None) -> Iterator[None]:
    """Marks this worker as at work; while it is not, a thread (one a process) ends it when its parent is gone."""
    if not _watching.is_set():
        _watching.set()
        threading.Thread(target=_end_with_parent, args=(parent,), name="parent watch", daemon=True).start()
    with _at_work:
        yield


def _end_with_parent(parent: tuple[int, str] | None) -> None:
    while True:
        time.sleep(1.0)
        if is_gone(parent) and _at_work.acquire(blocking=False):
            os._exit(1)
