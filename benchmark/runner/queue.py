"""Many cells: handed out to a pool of workers, each done once, worker deaths survived, progress shown."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import counted, either
from benchmark.files import read
from benchmark.runner.job import Job, Outcome, Unwritten
from benchmark.runner.pool import DiedInCompany, Pool, how
from benchmark.runner.watchdog import GRACE_SECONDS
from benchmark.store.leases import LEASE_SECONDS, Leases
from benchmark.store.result import Result, Status
from benchmark.store.store import Store

POLL_SECONDS = 0.25
TELL_SECONDS = 5.0
"""That nothing but cells of others is left, before it is said whom one waits for."""
LOOK_SECONDS = 1.0
"""Between two looks at cells that others hold."""


@dataclass
class Queue:
    """One invocation's jobs on their way. `ended` is called once for each Result, as it comes.

    A cell whose worker died is tried once more, without those that were trained with it as one program (where cells share a
    machine, alone, when all others have ended); if its worker dies again its Result is `killed`. A cell that another
    invocation holds is waited for, and taken over if that one goes silent. Once `interrupted` says so, no job is begun, and
    those under way end with their epoch. `look` is called several times a second, with the jobs under way.

    jobs: in the order to be handed out. pool: who trains. results_dir: the store. running: jobs under way, with their
    start. unwritten: by digest, the cells that ended or were begun, and whose Result the disk does not take. full: why the
    disk takes none, once that is so: then, too, no job is begun.
    """

    jobs: Sequence[Job]
    pool: Pool
    results_dir: Path
    ended: Callable[[Result], None]
    interrupted: Callable[[], bool] = lambda: False
    look: Callable[[Iterable[tuple[Job, float]]], None] = lambda running: None
    running: dict[Future[list[Outcome]], tuple[Job, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store, self.leases = Store(self.results_dir), Leases(self.results_dir)
        self.waiting = deque(self.jobs)
        self.busy: dict[str, Job] = {}
        self.suspects: dict[str, Job] = {}
        self.unwritten: dict[str, Unwritten] = {}
        self.full: str | None = None
        cells = [member.digest for job in self.jobs for member in job.members]
        self.count, self.before = len(cells), {digest: self.store.stamp(digest) for digest in cells}

    def run(self) -> int:
        """Runs every cell; returns how many are left, which is none unless it was interrupted or the disk is full.

        Raises PoolLost, when no worker can be had any more.
        """
        self.leases.sweep()
        stopping = False
        while left := self._left():
            if (self.interrupted() or self.full) and not stopping:
                stopping = True
                if not self.full:
                    print("interrupted: ending the epochs under way; Ctrl-C again ends them now", file=sys.stderr)
                self.pool.stop()
            if stopping and not self.running:
                break
            for job in self._next() if not stopping else ():
                self.running[self.pool.submit(job)] = (job, time.monotonic())
            self._take_in()
            self.look(self.running.values())
        if self.full:
            many = left + len(self.unwritten)
            of = f"{many} of {counted(self.count, 'cell')} {either(many, 'is', 'are')} left"
            print(f"run_all.py: {self.full}; {of}, what has "
                  "ended is kept; once that is mended the same command goes on from here", file=sys.stderr)  # fmt: skip
        return left

    def _left(self) -> int:
        """How many cells have not ended."""
        jobs = [*self.waiting, *(job for job, _ in self.running.values())]
        return len({member.digest for job in jobs for member in job.members} | self.suspects.keys() | self.busy.keys())

    def _next(self) -> Iterator[Job]:
        """The jobs that there is room for now."""
        room = self.pool.room()
        for _ in range(min(room, len(self.waiting))):
            if not self.pool.takes(self.waiting[0]):
                return
            yield self.waiting.popleft()
        if self.suspects and room > 0 and not self.waiting and not self.running:
            yield next(iter(self.suspects.values()))

    def _take_in(self) -> None:
        if not self.running:  # all that is left is held by others
            time.sleep(POLL_SECONDS)
        for future in wait(self.running, POLL_SECONDS, FIRST_COMPLETED).done:
            job, begun = self.running.pop(future)
            error = future.exception()
            for place, member in enumerate(job.members):
                if isinstance(error, BrokenExecutor):
                    alone = not isinstance(error, DiedInCompany)
                    self._died(member, how(error), time.monotonic() - begun if alone else 0.0)
                elif error is not None:
                    self._give_up(member, "failed", f"{type(error).__name__}: {error}")
                elif isinstance(outcome := future.result()[place], Result):
                    self._end(outcome)
                elif isinstance(outcome, Unwritten):
                    self._not_written(member, outcome)
                else:
                    self.busy[member.digest] = member  # held by somebody, or stopped
        if self.busy and time.monotonic() > self._next_look:
            self._look_at_others()
        if self.running or self.waiting or not self.busy:
            self._alone_since = time.monotonic()
        elif time.monotonic() > self._alone_since + TELL_SECONDS and not self._told:
            self._told = True
            print(f"run_all.py: {whom(self.busy, self.leases)}", file=sys.stderr)

    _next_look = 0.0
    _alone_since = 0.0
    _told = False

    def _look_at_others(self) -> None:
        """Cells that others hold: their Results are taken in; those that nobody holds any more are ours again."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        self.leases.sweep()
        for digest, job in list(self.busy.items()):
            result = self.store.read(digest)
            if result is not None and not job.lacks(result) and (self._has_new(job) or job.stands(result)):
                del self.busy[digest]
                self._end(result)
            elif not self.leases.path(digest).exists():
                del self.busy[digest]
                self.waiting.append(job)

    def _has_new(self, job: Job) -> bool:
        return self.store.stamp(job.digest) not in (None, self.before[job.digest])

    def _died(self, job: Job, way: str, seconds: float) -> None:
        """Sees what is to be done about a cell whose worker died after so many seconds that were the cell's own."""
        self.leases.sweep()
        if self._has_new(job) and (result := self.store.read(job.digest)) is not None:
            self._end(result)
        elif self.leases.path(job.digest).exists():  # ours was silent for so long that somebody else took it over
            self.busy[job.digest] = job
        elif job.timeout is not None and seconds > job.timeout + (GRACE_SECONDS if self.pool.alone else 0):
            more = ", and no Python code ran in it any more" if self.pool.alone else f"; it ended {way}"
            reason = f"not done within {job.timeout:g} s (--timeout){more}"
            self._give_up(job, "timeout", reason, last_words(job))
        elif job.digest in self.suspects:
            where = ", the second time alone" if self.pool.alone else ""
            reason = f"its worker process died twice{where}; the last time {way} ({hint(way)})"
            self._give_up(job, "killed", reason, last_words(job))
        else:
            self.suspects[job.digest] = job
            if not self.pool.alone:
                self.waiting.append(job)

    def _give_up(self, job: Job, status: Status, reason: str, trace: str | None = None) -> None:
        try:
            outcome = job.record(job.without_result(status, reason, trace), self.leases.path(job.digest).exists)
        except OSError as error:
            self._not_written(job, Unwritten.of(job.digest, error))
            return
        if isinstance(outcome, Result):
            self._end(outcome)
        else:
            self.busy[job.digest] = job

    def _not_written(self, job: Job, outcome: Unwritten) -> None:
        """It is told as a failure; the next run of the same command makes it good."""
        self.unwritten[job.digest] = outcome
        if not outcome.alone:
            self.full = outcome.why
        self._end(job.without_result("failed", outcome.why))

    def _end(self, result: Result) -> None:
        self.suspects.pop(result.digest, None)
        self.ended(result)


def whom(busy: Iterable[str], leases: Leases) -> str:
    """One sentence on who holds the cells (digests) that one waits for."""
    holders: Counter[str] = Counter()
    for digest in busy:
        held = leases.holder(digest)
        host = held.host.partition("/")[0] if held is not None else ""
        holders[f"by process {held.pid} on {host}" if held is not None else f"by {leases.path(digest)}, no lease"] += 1
    said = ", ".join(f"{count} {holder}" for holder, count in holders.items())
    return f"waiting for cells that are held elsewhere: {said}; who is silent for {LEASE_SECONDS:.0f} s loses them"


def hint(way: str) -> str:
    """What usually stands behind such a death."""
    if "SIGKILL" in way:
        return "out of memory, or killed by hand"
    if "exit status" in way:
        return "it ended itself"
    return "a crash" if "signal" in way else "a crash, out of memory, or killed by hand"


MOST_WORDS = 8000


def last_words(job: Job) -> str | None:
    """The end of what a crash left in the cell's log: faulthandler's traceback, if there is one."""
    with suppress(OSError):
        text = read(job.log_path).decode("utf-8", "replace").rpartition(f"{job.digest}\n")[2]  # of the last attempt
        _, marker, words = text.rpartition("Fatal Python error")
        if not marker:
            _, marker, words = text.rpartition("Timeout (")
        if marker:
            return (marker + words)[:MOST_WORDS]
    return None
