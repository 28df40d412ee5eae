"""Many cells: workers by joblib, leases against doing one twice, worker deaths survived, progress shown."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmark.cell import Busy, Task, killed, run_in_worker
from benchmark.leases import Leases, process_start
from benchmark.store import Result, Store

POLL_SECONDS = 1.0


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def git_commit() -> str | None:
    """The commit of the code that runs, with ``+`` where files have changed since; None outside a repository."""
    here = Path(__file__).resolve().parent.parent
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return None


def own_process() -> tuple[int, str]:
    """This process, as its workers recognise it."""
    return os.getpid(), process_start(os.getpid()) or "?"


def run_all(tasks: Sequence[Task], results_dir: Path, jobs: int, ended: Callable[[Result], None]) -> None:
    """Runs every task; `ended` is called once for each Result, as it comes.

    A task whose worker died is tried once more, alone; if its worker dies again its Result is `killed`. A cell that
    another invocation holds is waited for, and taken over if that one goes silent.
    """
    store, leases = Store(results_dir), Leases(results_dir)
    waiting = {task.digest: task for task in tasks}
    suspects: dict[str, Task] = {}
    leases.sweep()
    while waiting:
        alone = next(iter(suspects.values()), None)
        batch = [alone] if alone else list(waiting.values())
        died = yielded = False
        try:
            for outcome in _parallel(batch, 1 if alone else jobs):
                if isinstance(outcome, Result):
                    yielded = True
                    waiting.pop(outcome.digest)
                    suspects.pop(outcome.digest, None)
                    ended(outcome)
        except _WorkerDied:
            died = True
        dead = set(leases.sweep()) & waiting.keys()
        if died and alone and alone.digest in waiting:
            result = killed(alone)
            store.write(result)
            waiting.pop(alone.digest)
            suspects.pop(alone.digest)
            ended(result)
        elif died:
            suspects |= {digest: waiting[digest] for digest in sorted(dead)}
        elif not yielded:
            suspects.clear()
            time.sleep(POLL_SECONDS)  # all that is left is held by others
        _collect(store, waiting, suspects, ended)


def _collect(
    store: Store, waiting: dict[str, Task], suspects: dict[str, Task], ended: Callable[[Result], None]
) -> None:
    """Takes in Results that are there without having come back: written by a worker that died, or by others."""
    for digest, task in list(waiting.items()):
        result = store.read(digest)
        if result is not None and result.status not in task.replaces:
            del waiting[digest]
            suspects.pop(digest, None)
            ended(result)


class _WorkerDied(Exception):
    pass


def _parallel(tasks: Sequence[Task], jobs: int) -> Iterator[Result | Busy]:
    """The tasks' outcomes as they come, at most `jobs` at a time, each in a process of its own.

    joblib runs one job in this very process; so that a crash is survived even then, there are always at least two
    workers, and `pre_dispatch` is what bounds how many of them have work.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")  # that is handled here
    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(
            n_jobs=max(2, jobs), return_as="generator_unordered", batch_size=1, pre_dispatch=jobs, max_nbytes=None
        )
        try:
            yield from pool(delayed(run_in_worker)(task) for task in tasks)
        except (TerminatedWorkerError, BrokenProcessPool) as error:
            raise _WorkerDied(str(error)) from None


def stop_workers(results_dir: Path) -> None:
    """Ends the workers at once and clears their leases."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)  # as it is: another would be set up anew
    Leases(results_dir).sweep()


class Progress:
    """One line for every ended cell and, on a terminal, one that is kept up to date: done, failed, time left."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self._failed = 0
        self._count = 0
        self._total = total
        self._bar = tqdm(
            total=total, unit="cell", disable=not sys.stderr.isatty(), smoothing=0.1, dynamic_ncols=True, file=sys.stderr
        )

    def ended(self, result: Result) -> None:
        """Shows that a cell has ended, and how."""
        self._count += 1
        self._failed += result.status != "done"
        with suppress(BrokenPipeError):  # nobody reads any more; the training goes on
            self._bar.write(f"[{self._count}/{self._total}] {describe(result)}", file=sys.stdout)
            sys.stdout.flush()
        self._bar.set_postfix(failed=self._failed)
        self._bar.update()

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()


def describe(result: Result) -> str:
    """One line on a Result."""
    if result.status != "done":
        first = (result.reason or "no reason given").splitlines()[0]
        return f"{result.status:8} {result.key}: {first}"
    trained = f"epoch {result.best_epoch} of {len(result.epochs)}" if result.epochs else "not trained"
    return (
        f"done     {result.key}  test MSE {result.metrics['test_mse']:.4f}  MAE {result.metrics['test_mae']:.4f}"
        f"  {trained}  {result.seconds:.0f} s"
    )

