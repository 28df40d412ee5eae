"""How far the cells under way are, as their logs say: whoever trains them, nothing else has to travel."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import counted
from benchmark.grid import cost
from benchmark.runner.job import Job
from benchmark.runner.progress.words import lasting

TAIL_BYTES = 4096
"""Of a log, which hold its last epochs."""
_EPOCH = re.compile(rb"^epoch ([0-9]+): (.*)\n", re.MULTILINE)
_SECONDS = re.compile(rb"\bseconds=([0-9.e+-]+)")
_VALIDATION = re.compile(rb"\b(val_\w+=[0-9.e+-]+)")


@dataclass
class UnderWay:
    """A job that trains.

    most: epochs that it has at most; 0 where nothing is trained in epochs. begun: when, by the monotonic clock. from_:
    bytes of the log that were there before. started: its worker is ready. epoch: the last that has ended. each: seconds of
    one. said: what validation gave.
    """

    job: Job
    most: int
    begun: float
    from_: int
    started: bool = False
    epoch: int = 0
    each: float | None = None
    said: str = ""

    @property
    def share(self) -> float:
        """How much of it is done at least."""
        return self.epoch / self.most if self.most else 0.0

    def look(self) -> None:
        """Reads what its log says of it since it began."""
        said = _tail(self.job.log_path, self.from_)
        self.started = self.started or bool(said)
        found = _EPOCH.findall(said)
        if found:
            self.epoch = int(found[-1][0])
            times = [float(each[1]) for _, values in found if (each := _SECONDS.search(values))]
            self.each = statistics.fmean(times) if times else None
            validation = _VALIDATION.search(found[-1][1])
            self.said = validation[1].decode() if validation else ""

    def line(self, width: int) -> str:
        """What it is, its epoch and the time left, in one line of at most so many characters; a key that is too long loses
        its beginning, and what validation gave stands where there is room."""
        beside = len(self.job.companions)
        name = self.job.experiment.cell.key + (f" and {counted(beside, 'more seed')}" if beside else "")
        said = f"  {self._where()}"
        room = max(8, width - len(said))
        if len(name) > room:
            name = "…" + name[1 - room :]
        more = f"  {self.said}" if self.said and len(name) + len(said) + len(self.said) + 2 <= width else ""
        return (name + said + more)[:width]

    def _where(self) -> str:
        gone = lasting(time.monotonic() - self.begun)
        if not self.started:
            return f"begun {gone} ago"
        if not self.most:
            return f"fitting, {gone}"
        if not self.epoch:
            return f"epoch 1 of {self.most}"
        left = "" if self.each is None else f", up to {lasting(self.each * (self.most - self.epoch))} left"
        return f"epoch {self.epoch} of {self.most}{left}"


@dataclass
class Watched:
    """The jobs under way, each at the place of a worker that it keeps."""

    places: list[UnderWay | None] = field(default_factory=list)

    def look(self, running: Iterable[tuple[Job, float]]) -> None:
        """Takes in what began and what ended, and how far the others are. running: jobs with their start."""
        there = {job.digest: (job, begun) for job, begun in running}
        self.places = [one if one is not None and one.job.digest in there else None for one in self.places]
        known = {one.job.digest for one in self.places if one is not None}
        for digest, (job, begun) in there.items():
            if digest not in known:
                experiment = job.experiment
                most = cost.most_epochs(experiment.recipe, experiment.cell.horizon, experiment.dataset)
                free = next((i for i, one in enumerate(self.places) if one is None), len(self.places))
                self.places[free : free + 1] = [UnderWay(job, most, begun, _size(job.log_path))]
        for one in self.under_way():
            one.look()

    def under_way(self) -> list[UnderWay]:
        """Those that there are."""
        return [one for one in self.places if one is not None]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tail(path: Path, after: int) -> bytes:
    """The end of a file, of what stands behind its first `after` bytes; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            start = max(after, end - TAIL_BYTES)
            file.seek(start)
            found = file.read()
    except OSError:
        return b""
    return found if start == after else found.partition(b"\n")[2]
