"""A job: an experiment, where it writes, who waits for it and for how long."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from baselines import MODELS
from benchmark.cell import Experiment, begun, now
from benchmark.errors import told
from benchmark.files import NotAFile
from benchmark.grid.code import changed
from benchmark.machine import process_start
from benchmark.runner.watch import Watcher
from benchmark.store.kept import Kept
from benchmark.store.result import Result, Status
from benchmark.store.store import Store


@dataclass(frozen=True)
class Job:
    """All that a worker needs to train one cell, or several as one program; plain values, so that it travels to any process
    or machine.

    experiment: what is trained. results_dir: where its Result, log, checkpoint and lease stand. replaces: a Result that
    is there and has one of these statuses is made anew; any other stands, but for one that other code has made, where
    `replaces_other_code` says so. parent: number and start of the process that
    it ends with. watcher: who looks on. timeout: seconds that the cell may take. stop: a file; once it is there, the cell
    ends with the epoch under way. asker: host, number and start of the process that holds the lease, where that is not
    the one that trains. place: of the worker among those of its machine, from 0; of several CUDA devices it decides which.
    lane: of several that one process trains in at once (`benchmark.runner.lanes`); None: the process is the job's alone.
    companions: cells that are trained beside the first; what is said of the cell holds for each. stacked: by the program of
    several replicas, however many there are, so that a cell's last digits do not depend on its companions. keep: what of
    the trained cell is to stand beside its Result (`benchmark.store.kept`).
    """

    experiment: Experiment
    results_dir: Path
    replaces: tuple[Status, ...] = ()
    replaces_other_code: bool = False
    parent: tuple[int, str] | None = None
    watcher: Watcher | None = None
    timeout: float | None = None
    stop: Path | None = None
    asker: tuple[str, int, str] | None = None
    place: int = 0
    lane: int | None = None
    companions: tuple[Experiment, ...] = ()
    stacked: bool = False
    keep: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[Job, ...]:
        """The jobs of its cells, each for itself."""
        return tuple(replace(self, experiment=each, companions=()) for each in (self.experiment, *self.companions))

    @property
    def digest(self) -> str:
        """The cell's."""
        return self.experiment.digest

    @property
    def shares(self) -> bool:
        """Whether its process may train other jobs meanwhile: where it is sure to be trained by the program of several,
        which draws from no generator of the process."""
        recipe = self.experiment.recipe
        own, ours = recipe.measured, MODELS.get(recipe.model) if recipe.source is None else None
        return self.stacked and (own is None or own.stacks) and (ours is None or ours.begins is None)

    @property
    def kept(self) -> Kept:
        """What is kept of it beside its Result."""
        return Kept(self.results_dir, self.digest)

    @property
    def log_path(self) -> Path:
        """Where its log stands."""
        return self.results_dir / "logs" / f"{self.digest}.log"

    @property
    def checkpoint_path(self) -> Path:
        """Where its checkpoint stands."""
        return self.results_dir / "checkpoints" / f"{self.digest}.pt"

    def orphaned(self) -> bool:
        """Whether the process that it ends with is gone."""
        return is_gone(self.parent)

    def asked_to_stop(self) -> bool:
        """Whether it is to end with the epoch under way."""
        return self.stop is not None and self.stop.exists()

    def stands(self, there: Result) -> bool:
        """Whether a Result that is there is not to be made anew."""
        other = self.replaces_other_code and bool(changed(there.code, self.experiment.code))
        return there.status not in self.replaces and not other

    def lacks(self, there: Result) -> bool:
        """Whether something of what is to be kept beside a done Result is not there."""
        return there.status == "done" and self.kept.lacks(self.keep, there)

    def record(
        self, result: Result, is_lost: Callable[[], bool], settle: Callable[[], None] = lambda: None
    ) -> Outcome:  # fmt: skip
        """Writes the cell's Result and returns what stands then; before it, `settle` puts what is kept in place.

        Not written, and returned as Busy: where `is_lost` says that somebody else has taken the cell over. Nor where a done
        Result stands, which one that is not done replaces only if the user asked for it, nor where it says the same and the
        cell was trained for what is kept alone. What was kept to go on with goes,
        unless the cell was ended from outside: then another attempt, with more time or memory, goes on from it.

        Raises OSError where the disk does not take the Result.
        """
        if is_lost():
            return Busy(self.digest)
        store = Store(self.results_dir)
        there = store.read(self.digest) if result.status != "done" or self.keep else None
        if there is not None and not (there.status == "done" and self.stands(there)):
            there = None
        if there is not None and result.status != "done":
            return there
        settle()
        if there is None or there.comparable() != result.comparable():
            store.write(result)
            there = result
        if result.status not in ("timeout", "killed"):
            with suppress(OSError):  # the Result stands; a checkpoint that stays leads to the same one
                self.checkpoint_path.unlink()
        return there

    def without_result(self, status: Status, reason: str, trace: str | None = None) -> Result:
        """The Result of a cell whose process did not live to write one, or could not be reached."""
        return replace(begun(self.experiment), status=status, reason=reason, traceback=trace, ended=now())


@dataclass(frozen=True)
class Busy:
    """Somebody else is training the cell."""

    digest: str


@dataclass(frozen=True)
class Stopped:
    """The cell was asked to end before it was through; the same command goes on with it."""

    digest: str


@dataclass(frozen=True)
class Unwritten:
    """The disk does not take the cell's Result, log or lease. why: in words. alone: it is the matter of this cell alone,
    since something else stands in its file's place; else the others fare no better."""

    digest: str
    why: str
    alone: bool = False

    @classmethod
    def of(cls, digest: str, error: OSError) -> Unwritten:
        """What an error of the disk means."""
        return cls(digest, f"cannot write {told(error)}", isinstance(error, IsADirectoryError | NotAFile))


Outcome = Result | Busy | Stopped | Unwritten


def is_gone(process: tuple[int, str] | None) -> bool:
    """Whether a process of this machine (its number, its start) has ended; nobody in particular never has."""
    return process is not None and process_start(process[0]) != process[1]
