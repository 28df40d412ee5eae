"""One invocation: plan, check the data, run what is left, hand the store to whoever renders it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import machine
from benchmark.config.catalogue import Catalogue, catalogue
from benchmark.data.download.supply import Supply
from benchmark.data.files import data_dir
from benchmark.errors import counted, either, told
from benchmark.grid import again, code, cost, listing, takes
from benchmark.grid.asked import Request, Shown, chosen, idle
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.effort import told as effort
from benchmark.grid.effort.order import in_turn
from benchmark.grid.plan import parse_protocol, plan
from benchmark.judging.printedfile import check_own
from benchmark.store import judged, kept
from benchmark.store.store import Store

if TYPE_CHECKING:
    from benchmark.runner.job import Job
    from benchmark.runner.pool import Pool
    from benchmark.runner.queue import Queue
    from benchmark.tracking.attached import Picture
    from benchmark.tracking.invocation import Invocation

Judge = Callable[[Catalogue, Path], None]
"""Writes down what a store's Results say, for a plan."""
Render = Callable[[Catalogue, Path, Shown], tuple[list[Path], str]]
"""Writes all tables; returns the files, and the tables' short form."""


class Session:
    """An invocation of the suite; `picture` draws for MLflow what a cell has kept of its forecasts."""

    def __init__(self, request: Request, picture: Picture | None = None) -> None:
        self.request, self.catalogue = chosen(request, catalogue(request.config))
        check_own(self.catalogue.papers.values())
        self.picture = None if request.no_figures else picture
        self.folder = data_dir(request.data_dir)
        self.store = Store(request.results_dir)
        self.supply = Supply(self.folder)
        self.again = again.Again.of(request)
        self.invocation: Invocation | None = None
        self.interrupted = False
        self.unwritten: Container[str | None] = ()
        self.idle: list[str] = []

    def go(self, render: Render, judge: Judge) -> int:
        """Runs it and has the store judged and rendered; returns the exit status. Raises UsageError for what cannot be
        asked."""
        self.request.check()
        grows = self.request.auto_seeds and not self.request.dry_run and self._judged(judge)
        cells = self.plan()
        for said in (*self.catalogue.notes, *self.idle):
            print(f"run_all.py: {said}", file=sys.stderr)
        if self.request.shard and not cells:
            print("run_all.py: no cell falls to this shard: the grid has fewer cells than shards", file=sys.stderr)
        if self.request.dry_run:
            return self._show(cells)
        try:
            cells = self._tried(self._with_data(cells))
        except KeyboardInterrupt:
            print("interrupted: no cell was begun, nothing half-written is left", file=sys.stderr)
            return 130
        if not any(planned.digest for planned in cells) and self.supply.problems:
            print(listing.last_line([listing.REFUSED if p.refused else "failed" for p in cells]))
            return 1
        for line in (*listing.refusals(cells), *filter(None, [listing.left_out(cells, self.store)])):
            print(line)
        self.store.prepare()
        kept.check_folders(self.store.root, self.again.keep)
        otherwise = code.note(code.made_otherwise(cells, self.store))
        for said in filter(None, (*self.store.notes(), *self.store.not_kept(), otherwise)):
            print(f"run_all.py: {said}", file=sys.stderr)
        for todo in self._rounds(cells, judge if grows else None):
            _, keeping = again.kept_bytes(todo, self.again.keep, self.catalogue.datasets, self.store.root)
            earlier = self.again.earlier(todo, self.store)
            for said in filter(None, [keeping]):
                print(f"run_all.py: {said}", file=sys.stderr)
            with self._queue(todo, cells) as queue:
                queue.run()
            for said in again.other_numbers(earlier, self.store):
                print(f"run_all.py: {said}", file=sys.stderr)
        status = listing.statuses(cells, self.store)
        rendered = self._rendered(render, cells)
        if self.invocation:
            self.invocation.finish(self.interrupted)
        for line in listing.what_next(self.request, cells, status, self.catalogue.papers, self.interrupted):
            print(line)
        status = listing.after_a_run(cells, status, self.unwritten)
        print(listing.last_line(status))
        if self.interrupted:
            return 130
        return 0 if rendered and all(s in ("done", listing.REFUSED) for s in status) else 1

    def _rounds(self, cells: list[Planned], judge: Judge | None) -> Iterator[list[Planned]]:
        """What is left to train; where `judge` is given, again and again, as long as the spread of the seeds that columns
        have asks for more of them, which join `cells`."""
        begun: set[str | None] = set()
        while todo := [planned for planned in self.again.todo(cells, self.store) if planned.digest not in begun]:
            begun |= {planned.digest for planned in todo}
            if self.invocation:
                self.invocation.finish(interrupted=False)
            yield todo
            if judge is None or self.interrupted or self.unwritten or not self._judged(judge):
                break
            cells[:] = self._tried(self._usable(self.plan()))

    def _judged(self, judge: Judge) -> bool:
        """Whether what the seeds so far differ by could be written down; where not, a line says so."""
        try:
            judge(self.catalogue, self.request.results_dir)
        except OSError as error:
            print(f"run_all.py: --seeds auto: cannot write {judged.NAME} ({told(error)}); no column gets more seeds",
                  file=sys.stderr)  # fmt: skip
            return False
        return True

    def _rendered(self, render: Render, cells: Sequence[Planned]) -> bool:
        """Whether the tables could be written, which are then told in short; where not, a line says why, and that no Result
        is lost by it."""
        folder, shown = self.request.results_dir, Shown.of(self.request, cells, self.catalogue.papers)
        try:
            written, brief = render(self.catalogue, folder, shown)
        except OSError as error:
            again = shlex.join(["python", "-m", "tables", "render", *shown.words(folder, self.request.config)])
            print(f"run_all.py: cannot write the tables ({told(error)}); every Result is kept; mend that, then: {again}",
                  file=sys.stderr)  # fmt: skip
            return False
        print("".join(f"written: {path}\n" for path in written if self.request.verbose), end="")
        if brief:
            print(f"\n{brief}\n")
        if (page := folder / "report.html") in written:
            print(f"all of it in one page: {page}; tables{' and figures' * shown.figures}: {folder / 'tables'}/")
        return True

    def _show(self, cells: Sequence[Planned]) -> int:
        """The plan alone, in words or as JSON."""
        status = self.again.statuses(cells, self.store)
        left = [p for p, s in zip(cells, status, strict=True) if s in (listing.TO_RUN, listing.NO_DATA)]
        size, keeping = again.kept_bytes(left, self.again.keep, self.catalogue.datasets, self.store.root)
        judgement = judged.read(self.request.results_dir)
        found = takes.known(cells, self.catalogue.papers, judgement)
        asked = self.request, left, cells, self.catalogue
        if self.request.json:
            count = listing.programs(cells, status, self.request.replicas, self.catalogue.datasets)
            print(listing.as_object(cells, status, found, count, size, effort.as_object(*asked)))
        else:
            print(listing.text(cells, status, self.catalogue.papers, self.supply.problems, found, effort.told(*asked)))
        other_code = code.note(code.made_otherwise(cells, self.store))
        unsure = judged.unsure(judgement, done="done" in status, auto=self.request.auto_seeds)
        notes = (*self.store.notes(), listing.left_out(cells, self.store), other_code, *unsure, keeping)
        for said in filter(None, notes):
            print(f"run_all.py: {said}", file=sys.stderr)
        return 0

    def plan(self) -> list[Planned]:
        """The cells asked for; of them, the shard's. Says in `idle` what of the question changes none of them."""
        ask = self.request
        protocol = parse_protocol(ask.protocol, self.catalogue.papers)
        found = judged.read(ask.results_dir) or judged.Judged()
        seeds_of = {key: column.seeds for key, column in found.columns.items()} if ask.auto_seeds else None
        selection = Selection(
            ask.subset, ask.papers, ask.models, ask.horizons, ask.own_seeds, ask.sam, protocol, ask.profile, seeds_of
        )
        cells = plan(self.catalogue, selection, self.supply.checksum, machine.memory())
        self.idle = idle(cells, protocol, self.catalogue.papers, ask.config)
        index, count = ask.shard or (1, 1)
        return cells[index - 1 :: count]

    def _with_data(self, cells: list[Planned]) -> list[Planned]:
        """The plan once the files that it needs were fetched and read; a line for each that cannot be used."""
        needed = {p.cell.dataset for p in cells if p.digest is None and p.refused is None}
        missing = [self.catalogue.datasets[name] for name in sorted(needed)]
        if not self.request.offline and self.supply.fetch(missing):
            cells = self.plan()
        used = {p.cell.dataset for p in self.again.todo(cells, self.store)}
        self.supply.parse(self.catalogue.datasets[name] for name in sorted(used))
        for name in sorted(needed | used):
            if name in self.supply.problems:
                print(f"run_all.py: {self.supply.problems[name]}", file=sys.stderr)
        return self._usable(cells)

    def _usable(self, cells: Sequence[Planned]) -> list[Planned]:
        """The cells; those whose data cannot be used without a digest."""
        return [replace(p, digest=None) if p.cell.dataset in self.supply.problems else p for p in cells]

    def _tried(self, cells: list[Planned]) -> list[Planned]:
        """The cells once the user's own models among them were tried. Raises UsageError for one that cannot be trained."""
        if not self.catalogue.models:
            return cells
        from benchmark.trial import tried

        return tried(cells, self.again.todo(cells, self.store), self.catalogue, self._device(), machine.memory())

    @contextmanager
    def _queue(self, todo: Sequence[Planned], cells: Sequence[Planned]) -> Iterator[Queue]:
        """What is left to train (of `cells`), with workers, MLflow and progress around it, which all end with it, whatever
        happens."""
        from benchmark.runner.interrupt import Interrupt
        from benchmark.runner.pool import PoolLost, memory_of
        from benchmark.runner.progress.renewal import Renewal
        from benchmark.runner.progress.screen import Screen
        from benchmark.runner.queue import Queue

        costs = [cost.work(planned, self.catalogue.datasets[planned.cell.dataset]) for planned in todo]
        most = self._replicas()
        memory, devices = (None, 1) if most == 1 else memory_of(self._device())
        ordered = [todo[i] for i in in_turn(todo, costs)]
        together = cost.programs(ordered, most, self.catalogue.datasets, memory, (self.request.jobs or 1) / devices)
        pool = self._pool(together)
        try:
            jobs = self._watched(self._jobs(together, most != 1))
            programs = f" in {counted(len(jobs), 'program')}" if len(jobs) < len(todo) else ""
            begins = f"{counted(len(todo), 'cell')} to train{programs}, {min(pool.room(), len(jobs))} at a time"
            lines = effort.told(self.request, todo, cells, self.catalogue)
            with suppress(BrokenPipeError):  # nobody reads any more, as after `| head -1`; the training goes on
                print("\n".join([*lines, begins]), flush=True)
            workers = min(pool.room(), len(jobs))
            progress = Screen({p.digest: each for p, each in zip(todo, costs, strict=True) if p.digest}, workers)
            shown, own = Shown.of(self.request, cells, self.catalogue.papers), [p.resolve() for p in self.request.config]
            renewal = Renewal(shown.words(self.request.results_dir.resolve(), own))
            with Interrupt() as interrupt:

                def look(running: Iterable[tuple[Job, float]]) -> None:
                    progress.look(running)
                    renewal.look(progress.count)

                queue = Queue(jobs, pool, self.request.results_dir, progress.ended, lambda: interrupt.asked, look)
                try:
                    yield queue
                except KeyboardInterrupt:
                    pass
                except PoolLost as error:
                    kept = "what has ended is kept, the same command goes on from here"
                    print(f"run_all.py: {error}; {kept}", file=sys.stderr)
                finally:
                    progress.close()
                    renewal.close()
                    pool.close()  # before the leases are looked at
                    queue.leases.sweep()
        finally:
            pool.close()  # also so that nobody writes to MLflow when the invocation finishes there
        self.interrupted, self.unwritten = interrupt.asked, queue.unwritten
        if interrupt.asked:
            left = len(todo) - progress.count
            of = f"{left} of {counted(len(todo), 'cell')} {either(left, 'is', 'are')} left"
            print(f"interrupted: {of}, what has ended is kept; the same command goes on from here", file=sys.stderr)

    def _replicas(self) -> int | None:
        """How many cells one program trains; None: all that can. `auto` is 1 on a CPU, where a cell is fastest alone."""
        many = self._device() == "cuda" and self.request.backend == "local"
        return self.request.replicas or (None if many else 1)

    def _pool(self, together: Sequence[Sequence[Planned]]) -> Pool:
        """Who trains. Raises UsageError for a scheduler that cannot be used."""
        from benchmark.runner.pool import pool_here
        from benchmark.tracking.server import load as load_mlflow

        if self.request.scheduler is not None:
            from benchmark.runner.dask.pool import DaskPool

            return DaskPool(self.request.scheduler, self.request.jobs)
        needed = [cost.together(cells, self.catalogue.datasets) for cells in together]
        also = () if self.request.no_mlflow else (load_mlflow,)
        return pool_here(self._device(), self._replicas() != 1, self.request.jobs, needed, self.request.results_dir, also)

    def _watched(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs with MLflow looking on, if it is wanted and can be had."""
        if self.request.no_mlflow:
            return list(jobs)
        from benchmark.tracking.invocation import Invocation

        papers = {member.digest: member.experiment.cell.paper for job in jobs for member in job.members}
        self.invocation = Invocation.start(self.request.results_dir, papers, jobs[0].experiment.commit, self.picture)
        return [replace(job, watcher=self.invocation.target) for job in jobs]

    def _jobs(self, together: Sequence[Sequence[Planned]], stacked: bool) -> list[Job]:
        from benchmark.runner.jobs import jobs

        return jobs(
            together, self.request, self._device(), stacked, self.catalogue.datasets, self.supply.checksums, self.folder
        )

    def _device(self) -> str:
        """`cpu` or `cuda`, on Dask `auto` too. Raises UsageError where CUDA is asked for and not there."""
        if self.request.device == "cpu" or self.request.backend == "dask":
            return self.request.device  # what a Dask worker has is seen there
        from benchmark.runner.pool import usable_device

        return usable_device(self.request.device)
