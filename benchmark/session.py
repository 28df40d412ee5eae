"""One invocation: plan, check the data, run what is left, hand the store to whoever renders it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import machine
from benchmark.config.catalogue import Catalogue
from benchmark.data.download.supply import Supply
from benchmark.data.files import data_dir, locate
from benchmark.data.registry import DataSet
from benchmark.errors import UsageError
from benchmark.grid import cost, listing
from benchmark.grid.cells import Planned, Selection, by_digest
from benchmark.grid.plan import parse_protocol, plan
from benchmark.store.result import STATUSES, Status
from benchmark.store.store import Store

if TYPE_CHECKING:
    from benchmark.runner.job import Task
    from benchmark.runner.pool import Pool
    from benchmark.tracking.invocation import Invocation

import signal
import threading
from types import FrameType
from typing import Any, Self

from benchmark.config.catalogue import catalogue


@dataclass(frozen=True)
class Request:
    """What the command line asks for; one field an option."""

    subset: tuple[str, ...] | None
    papers: tuple[str, ...] | None
    models: tuple[str, ...] | None
    horizons: tuple[int, ...] | None
    seeds: tuple[int, ...] | None
    sam: str | None
    protocol: str
    profile: str
    config: list[Path]
    jobs: int | None
    device: str
    backend: str
    scheduler: str | None
    shard: tuple[int, int] | None
    timeout: float | None
    retry: str | None
    force: bool
    offline: bool
    no_mlflow: bool
    dry_run: bool
    json: bool
    data_dir: str | None
    results_dir: Path


class Session:
    """An invocation of the suite."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.folder = data_dir(request.data_dir)
        self.catalogue = catalogue(request.config)
        self.store = Store(request.results_dir)
        self.supply = Supply(self.folder)
        self.invocation: Invocation | None = None

    def go(self, render: Callable[[Catalogue, Path], list[Path]]) -> int:
        """Runs it and has the store rendered; returns the exit status. Raises UsageError for what cannot be asked."""
        self._check()
        cells = self.plan()
        if self.request.shard and not cells:
            print("run_all.py: no cell falls to this shard: the grid has fewer cells than shards", file=sys.stderr)
        if self.request.dry_run:
            replaces = self._replaces()
            status = [listing.TO_RUN if s in replaces else s for s in listing.statuses(cells, self.store)]
            shown = listing.as_object(cells, status) if self.request.json else None
            print(shown or listing.text(cells, status, self.catalogue.papers, self.supply.problems))
            if note := self.store.note():
                print(f"run_all.py: {note}", file=sys.stderr)
            return 0
        try:
            cells = self._with_data(cells)
        except KeyboardInterrupt:
            print("interrupted: no cell was begun, nothing half-written is left", file=sys.stderr)
            return 130
        if not any(planned.digest for planned in cells) and self.supply.problems:
            print(listing.last_line([listing.REFUSED if p.refused else "failed" for p in cells]))
            return 1
        for line in listing.refusals(cells):
            print(line)
        self.store.prepare()
        interrupted = self._run(cells)
        status = listing.statuses(cells, self.store)
        for path in render(self.catalogue, self.request.results_dir):
            print(f"written: {path}")
        if self.invocation:
            self.invocation.finish(interrupted)
        if (note := listing.retry_note(status)) and not interrupted:
            print(note)
        print(listing.last_line([s if s != listing.NO_DATA else "failed" for s in status]))
        if interrupted:
            return 130
        return 0 if all(s in ("done", listing.REFUSED) for s in status) else 1

    def _check(self) -> None:
        """Raises UsageError for options that do not go together."""
        ask = self.request
        if ask.backend == "dask" and ask.scheduler is None:
            raise UsageError("--backend dask needs the address of a running scheduler: --scheduler tcp://host:8786")
        if ask.backend != "dask" and ask.scheduler is not None:
            raise UsageError("--scheduler is for --backend dask, which was not given")
        if ask.force and ask.retry:
            raise UsageError("--force runs every cell again, --retry only those that failed: give one of them")

    def plan(self) -> list[Planned]:
        """The cells asked for; of them, the shard's."""
        ask = self.request
        selection = Selection(
            ask.subset, ask.papers, ask.models, ask.horizons, ask.seeds, ask.sam,
            parse_protocol(ask.protocol, self.catalogue.papers), ask.profile,
        )  # fmt: skip
        cells = plan(self.catalogue, selection, self.supply.checksum, machine.memory())
        index, count = ask.shard or (1, 1)
        return cells[index - 1 :: count]

    def _with_data(self, cells: list[Planned]) -> list[Planned]:
        """The plan once the files that it needs were fetched and read; a line for each that cannot be used."""
        needed = {p.cell.dataset for p in cells if p.digest is None and p.refused is None}
        missing = [self.catalogue.datasets[name] for name in sorted(needed)]
        if not self.request.offline and self.supply.fetch(missing):
            cells = self.plan()
        used = {p.cell.dataset for p in self._todo(cells)}
        self.supply.parse(self.catalogue.datasets[name] for name in sorted(used))
        for name in sorted(needed | used):
            if name in self.supply.problems:
                print(f"run_all.py: {self.supply.problems[name]}", file=sys.stderr)
        return [replace(p, digest=None) if p.cell.dataset in self.supply.problems else p for p in cells]

    def _todo(self, cells: Sequence[Planned]) -> list[Planned]:
        unique = list(by_digest(cells).values())
        wanted = (listing.TO_RUN, *self._replaces())
        return [p for p, known in zip(unique, listing.statuses(unique, self.store), strict=True) if known in wanted]

    def _replaces(self) -> tuple[Status, ...]:
        """The statuses whose Results are made anew."""
        if self.request.force:
            return STATUSES
        return tuple(s for s in STATUSES if s != "done") if self.request.retry else ()

    def _run(self, cells: Sequence[Planned]) -> bool:
        """Trains what is left; says whether it was interrupted."""
        todo = self._todo(cells)
        if not todo:
            return False
        from benchmark.runner import queue
        pass
        from benchmark.runner.pool import PoolLost
        from benchmark.runner.progress import Progress

        sets = [self.catalogue.datasets[planned.cell.dataset] for planned in todo]
        costs = [cost.work(planned, dataset) for planned, dataset in zip(todo, sets, strict=True)]
        pool = self._pool([_memory(planned, dataset) for planned, dataset in zip(todo, sets, strict=True)])
        try:
            tasks = self._watched(self._tasks([todo[i] for i in cost.longest_first(todo, costs)]))
            count = "1 cell" if len(tasks) == 1 else f"{len(tasks)} cells"
            print(f"{count} to train, {min(pool.room(), len(tasks))} at a time", flush=True)
            progress = Progress({p.digest: cost for p, cost in zip(todo, costs, strict=True) if p.digest})
            with Interrupt() as interrupt:
                grid = queue.Grid(tasks, pool, self.request.results_dir, progress.ended, lambda: interrupt.asked)
                try:
                    grid.run()
                except KeyboardInterrupt:
                    pass
                except PoolLost as error:
                    kept = "what has ended is kept, the same command goes on from here"
                    print(f"run_all.py: {error}; {kept}", file=sys.stderr)
                finally:
                    progress.close()
                    pool.close()  # before the leases are looked at
                    grid.leases.sweep()
        finally:
            pool.close()  # also so that nobody writes to MLflow when the invocation finishes there
        if interrupt.asked:
            left = f"{len(tasks) - progress.count} of {len(tasks)} cells are left"
            print(f"interrupted: {left}, what has ended is kept; the same command goes on from here", file=sys.stderr)
        return interrupt.asked

    def _pool(self, needed: Sequence[int | None]) -> Pool:
        """Who trains; `needed`: bytes of each cell. Raises UsageError for a scheduler that cannot be used."""
        from benchmark.runner.pool import LocalPool
        from benchmark.tracking.server import load as load_mlflow

        if self.request.scheduler is not None:
            from benchmark.runner.dask_pool import DaskPool

            return DaskPool(self.request.scheduler, self.request.jobs)
        jobs = self.request.jobs or cost.jobs(machine.cores(), needed, self._memory())
        also = () if self.request.no_mlflow else (load_mlflow,)
        return LocalPool(min(jobs, len(needed)), self.request.results_dir, also=also)

    def _memory(self) -> int | None:
        """Bytes in which cells are trained: the machine's, or the CUDA device's."""
        if self._device() == "cpu":
            return machine.memory()
        import torch

        return int(torch.cuda.get_device_properties(0).total_memory)

    def _watched(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks with MLflow looking on, if it is wanted and can be had."""
        if self.request.no_mlflow:
            return list(tasks)
        from benchmark.tracking.invocation import Invocation

        papers = {task.digest: task.cell.paper for task in tasks}
        self.invocation = Invocation.start(self.request.results_dir, papers, tasks[0].commit)
        return [replace(task, watcher=self.invocation.target) for task in tasks]

    def _tasks(self, todo: Sequence[Planned]) -> list[Task]:
        from benchmark.data.cache import folder_for
        from benchmark.machine import own_process
        from benchmark.runner.job import Task

        cache_dir = folder_for(self.folder).resolve()
        device, commit, parent = self._device(), machine.git_commit(), own_process()
        replaces = self._replaces()
        tasks = []
        for planned in todo:
            assert planned.digest is not None and planned.recipe is not None
            dataset = self.catalogue.datasets[planned.cell.dataset]
            sha256 = self.supply.checksums[dataset.name]
            tasks.append(Task(
                planned.cell, planned.digest, planned.recipe.plain(), dataset, locate(dataset, self.folder), sha256,
                self.request.results_dir.resolve(), device, replaces, commit, parent, cache_dir,
                timeout=self.request.timeout,
            ))  # fmt: skip
        return tasks

    def _device(self) -> str:
        """`cpu` or `cuda`, on Dask `auto` too. Raises UsageError where CUDA is asked for and not there."""
        if self.request.device == "cpu" or self.request.backend == "dask":
            return self.request.device  # what a Dask worker has is seen there
        if not version("torch").endswith("+cpu"):  # such a build has no CUDA; importing it takes seconds
            import torch

            if torch.cuda.is_available():
                return "cuda"
        if self.request.device == "cuda":
            raise UsageError("--device cuda: no CUDA device is usable here; use --device cpu")
        return "cpu"


def _memory(planned: Planned, dataset: DataSet) -> int | None:
    """Bytes that a cell is estimated to need; None where its data set's size is not known."""
    assert planned.recipe is not None
    return cost.estimate(dataset, planned.cell.horizon, planned.recipe.plain())


class Interrupt:
    """Within it, the first Ctrl-C (or SIGTERM, as a batch system sends it) only sets `asked`; the second Ctrl-C raises
    KeyboardInterrupt. Where the signal was ignored before, as for a job in the background of a script, it still is."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._caught)
        return self

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
