"""A pool and an onlooker for tests that need no processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.runner.job import Job
from benchmark.runner.pool import LocalPool
from benchmark.runner.watch import Unwatched
from benchmark.runner.worker import work
from benchmark.store.result import Result


class Here(LocalPool):
    """Trains in a thread of this process. submitted: called with every job as it comes."""

    submitted: Callable[[Job], object] = staticmethod(lambda job: None)

    def __init__(self, jobs: int, results_dir: Path, **more: Any) -> None:
        super().__init__(0, results_dir)
        self.threads = ThreadPoolExecutor(1)

    def room(self) -> int:
        """One cell at a time."""
        return 1

    def submit(self, job: Job) -> Future[Any]:
        """Begins a job."""
        self.submitted(job)
        return self.threads.submit(work, job)


@dataclass
class Looks(Unwatched):
    """Looks on at every member of a job, and does something after some epochs of all of them together."""

    after: int = 0
    does: Callable[[], object] = lambda: None
    seen: list[Mapping[str, float]] = field(default_factory=list)

    def open(self, begun: Result) -> Looks:
        return self

    def epoch(self, epoch: Mapping[str, float]) -> None:
        self.seen.append(epoch)
        if len(self.seen) == self.after:
            self.does()
