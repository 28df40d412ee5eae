"""In a worker: one job under its lease, with log, checkpoint and time limit; and what it does when its parent dies."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, TYPE_CHECKING

from benchmark.cell import Attempt, begun, environment, now, train_and_test
from benchmark.errors import StopTraining
from benchmark.files import check_regular
from benchmark.grid.code import canonical
from benchmark.runner import orphan
from benchmark.runner.job import Busy, Job, Outcome, Stopped, Unwritten
from benchmark.runner.watch import Unwatched, Watch
from benchmark.runner.watchdog import time_limit
from benchmark.store.kept import EPOCHS
from benchmark.store.leases import Leases
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.training import device

if TYPE_CHECKING:
    from benchmark.training.loop import Epoch


def work(job: Job) -> list[Outcome]:
    """A job in a worker process, which ends when its parent has ended: at once where it is idle, else after the epoch
    under way (then no Result is written, since nothing went wrong with the cells). What became of each of its cells."""
    leave_signals()
    with orphan.at_work(job.parent), ExitStack() as leases:
        turns = [leases.enter_context(under_lease(member)) for member in job.members]
        train([turn for turn in turns if turn.is_ours])
    if job.orphaned() and any(isinstance(turn.outcome, Stopped) for turn in turns):
        orphan.end_if_idle()
    return [turn.outcome for turn in turns]


def leave_signals() -> None:
    """Those that are sent to the whole group are the parent's to handle."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


@dataclass
class Turn:
    """Whether a cell's job is ours to train now; what became of it; and whether it is lost: after a long stall (a suspended
    job, a paused machine) somebody else has taken it over, and may have ended it already."""

    job: Job
    is_ours: bool
    outcome: Outcome
    is_lost: Callable[[], bool] = lambda: False


@contextmanager
def under_lease(job: Job) -> Iterator[Turn]:
    """Within it the lease of a job's one cell is ours, unless `is_ours` is false: then `outcome` says why it is not to be
    trained.

    A StopTraining and an OSError that are raised within end here: they are the outcome.
    """
    turn = Turn(job, False, Stopped(job.digest))
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
            turn.is_ours = earlier is None or not job.stands(earlier) or job.lacks(earlier)
            turn.outcome = earlier or turn.outcome
            yield turn
    except StopTraining:
        turn.outcome = Stopped(job.digest)
    except OSError as error:
        turn.outcome = Unwritten.of(job.digest, error)
        if not turn.is_ours:  # the lease could not be taken: nothing was yielded yet
            yield turn


def train(turns: Sequence[Turn]) -> None:
    """Trains cells in this process, several as one program, writes their Results and says in each turn what came of it; a
    cell ends with the epoch where somebody else holds it by now."""
    if not turns:
        return
    job = turns[0].job
    device.choose(job.experiment.device, job.place)
    memory = device.PeakMemory(job.experiment.device, alone=job.lane is None)
    with ExitStack() as opened:
        opened.enter_context(device.lane(job.experiment.device, job.lane or 0))
        tasks: list[_Task] = []
        for turn in turns:
            with _on_disk(turn):
                tasks.append(opened.enter_context(_opened(turn, len(turns), memory)))

        def expired(place: str) -> None:
            for task in tasks:
                if not task.ends_with_others("its time is over"):
                    task.expired(place)

        if tasks:
            with time_limit(job.timeout, tasks[0].log, expired):
                train_and_test([task.attempt for task in tasks], job.results_dir, job.stacked, partial(_tell, tasks))
        for task in tasks:
            if task.attempt.unwritten is not None:
                task.turn.outcome = Unwritten.of(task.turn.job.digest, task.attempt.unwritten)
            elif task.attempt.result is None:
                task.turn.outcome = Stopped(task.turn.job.digest)


@contextmanager
def _on_disk(turn: Turn) -> Iterator[None]:
    """An OSError that is raised within is the cell's outcome."""
    try:
        yield
    except OSError as error:
        turn.outcome = Unwritten.of(turn.job.digest, error)


@dataclass
class _Task:
    """A cell under training. turn: whose it is. attempt: on its way to its Result. log: its file. watch: who looks on.
    memory: of this process. replicas: as the checkpoint has them. ending: held by who writes its Result: this thread, or
    that of the time limit. ended: whether there is one."""

    turn: Turn
    attempt: Attempt
    log: IO[bytes]
    watch: Watch
    memory: device.PeakMemory
    replicas: int | None
    ending: threading.Lock = field(default_factory=threading.Lock)
    ended: bool = False

    def say(self, line: str) -> None:
        """Writes a line to the log."""
        _say(self.log, line)

    def on_epoch(self, epoch: Epoch) -> None:
        """Tells of an epoch. Raises StopTraining where the cell is to end with it."""
        job, history = self.turn.job, self.attempt.history
        history.append(epoch)
        shown = " ".join(f"{name}={value:.6g}" for name, value in epoch.items())
        self.say(f"epoch {len(history)}: {shown}")
        self.watch.epoch(epoch)
        if self.turn.is_lost():
            self.say(f"{now()} taken over by somebody else: this process was silent for too long")
            raise StopTraining
        self.attempt.checkpoint.epoch_ended()
        if job.orphaned() or job.asked_to_stop():
            self.attempt.checkpoint.write()
            raise StopTraining

    def end(self, result: Result) -> None:
        """Writes the cell's Result and what is kept, while others may still be trained. A disk that does not take it is the
        outcome. Where a failure may be another lane's fault, the process ends instead: each cell is then tried alone."""
        if result.status == "failed" and device.of_all(why := result.reason or "") and self.ends_with_others(why):
            os._exit(1)
        with self.ending, _on_disk(self.turn):
            if not self.ended:
                self.ended = True
                self._write(result)

    def ends_with_others(self, why: str) -> bool:
        """Whether the process is to end without a Result of this cell, since it trains other jobs, too, which may be to
        blame; says so in the log."""
        others = orphan.jobs() > 1
        if others:
            self.say(f"{now()} {why}: the process ends, and each cell that it trained is tried alone")
        return others

    def _write(self, result: Result) -> None:
        whole = replace(result, seconds=self.attempt.checkpoint.seconds, peak_memory_bytes=self.memory.bytes(), ended=now(),
                        environment=environment(self.attempt))  # fmt: skip
        self.say(f"{whole.traceback or ''}{whole.ended} {whole.status} {whole.reason or ''}")
        settle = self.attempt.keeper.settle if self.attempt.keeper is not None else lambda: None
        self.turn.outcome = self.turn.job.record(whole, self.turn.is_lost, settle)
        if self.turn.outcome is whole or (whole.status == "done" and isinstance(self.turn.outcome, Result)):
            self.watch.ended(self.turn.outcome)  # the one that was there, where it says the same

    def expired(self, place: str) -> None:
        """The time is over, which is nothing to a cell that has ended; `place`: where it was."""
        among = f" of {self.replicas} cells trained as one" if self.replicas and self.replicas > 1 else ""
        reason = f"not done within {self.turn.job.timeout:g} s{among} (--timeout); the traceback says where it was"
        epochs = tuple(self.attempt.history)
        self.end(replace(self.attempt.blank, status="timeout", reason=reason, traceback=place, epochs=epochs))


def _tell(tasks: Sequence[_Task], line: str) -> None:
    """Says something of cells that are trained together: in the log of each, and on standard error once a process."""
    for task in tasks:
        task.say(line)
    cell = tasks[0].turn.job.experiment.cell
    told = f"{replace(cell, seed=0).key.rpartition('/')[0]}: {line}"
    if told not in _told:
        _told.add(told)
        print(f"run_all.py: {told}", file=sys.stderr, flush=True)


_told: set[str] = set()


@contextmanager
def _opened(turn: Turn, replicas: int, memory: device.PeakMemory) -> Iterator[_Task]:
    """A cell with its log and its checkpoint, and with who looks on. Raises OSError for a log that cannot be."""
    from benchmark.analysis.kept import Keeper
    from benchmark.training.checkpoint import Checkpoint

    job, among = turn.job, replicas if turn.job.stacked else None
    blank = begun(job.experiment)
    job.log_path.parent.mkdir(parents=True, exist_ok=True)
    check_regular(job.log_path)
    with job.log_path.open("ab", buffering=0) as log:
        say = partial(_say, log)
        say(f"{blank.started} {job.experiment.cell.key} {job.digest}")
        code = canonical(job.experiment.code)
        checkpoint = Checkpoint(
            job.checkpoint_path, job.digest, job.experiment.device, say, code, among, EPOCHS in job.keep
        )
        watch = job.watcher.open(blank) if job.watcher else Unwatched()
        task = _Task(turn, Attempt(job.experiment, blank, checkpoint), log, watch, memory, among)
        task.attempt.on_epoch, task.attempt.on_end = task.on_epoch, task.end
        if job.keep:
            workload = job.experiment.recipe.workload
            task.attempt.keeper = Keeper(job.kept, job.keep, workload, blank, turn.is_lost)
        try:
            yield task
        finally:
            if task.attempt.keeper is not None:
                task.attempt.keeper.drop()
            watch.close()


def _say(log: IO[bytes], line: str) -> None:
    with suppress(OSError):  # the disk loses a line, and the training nothing
        log.write(f"{line}\n".encode("utf-8", "backslashreplace"))


def prepare(parent: tuple[int, str] | None, also: Sequence[Callable[[], object]] = ()) -> None:
    """In a worker before its first job: imports what every cell needs, which takes seconds; and does what is asked.

    What is there then stays as long as the process. So garbage is not looked for in it: neither meanwhile nor when a cell
    begins, which took a seventh of a second of each.
    """
    with orphan.at_work(parent):
        gc.disable()
        from benchmark import analysis  # noqa: F401
        from benchmark.training import loop  # noqa: F401

        for function in also:
            with suppress(Exception):  # the cell will do without it, or say so
                function()
        gc.freeze()
        gc.enable()
