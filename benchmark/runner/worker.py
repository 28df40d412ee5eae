"""One cell from start to Result: the one function that a worker calls. Whatever happens, a Result comes back."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.errors import DataError
from benchmark.runner.watch import Unwatched, Watch
from benchmark.runner.watchdog import guarded
from benchmark.store.leases import Leases
from benchmark.store.result import Result
from benchmark.store.store import Store

if TYPE_CHECKING:
    from benchmark.training.loop import Epoch

from benchmark.cell import _trained, environment
from benchmark.machine import peak_memory, reset_peak_memory
from benchmark.runner.job import (
    Busy,
    Interrupted,
    Orphaned,
    Outcome,
    Stopped,
    Task,
    _blank,
    _check,
    _now,
    _orphaned,
    checkpoint_path,
    log_path,
    record,
)


def run(task: Task, attempt: Callable[[Task], Result] | None = None) -> Outcome:
    """Trains a cell under its lease and has its Result written, unless one is there.

    `attempt` trains it elsewhere; by default it is trained here. Raises nothing but Orphaned, when the invocation that
    asked has ended (no Result is written then, since nothing went wrong with the cell), and what `attempt` raises
    beside OSError. A Result that the disk does not take comes back as failed.
    """
    store, leases = Store(task.results_dir), Leases(task.results_dir)
    try:
        _check(task)
        lease = leases.take(task.digest)
        if lease is None:
            return Busy(task.digest)
        with lease:
            earlier = store.read(task.digest)
            if earlier is not None and earlier.status not in task.replaces:
                return earlier
            return (attempt or train_here)(task)
    except Interrupted:
        return Stopped(task.digest)
    except OSError as error:
        return replace(_blank(task), status="failed", reason=f"cannot write below {task.results_dir}: {error.strerror}")


def train_here(task: Task) -> Result:
    """Trains a cell in this process and writes its Result; MLflow looks on. Raises Orphaned, Interrupted, OSError."""
    begun = _blank(task)
    with closing(task.watcher.open(begun) if task.watcher else Unwatched()) as watch:
        result = _train(task, begun, watch)
        record(task, result)
        watch.ended(result)
    return result







def run_in_worker(task: Task) -> Outcome:
    """`run`, in a process of its own that ends when its parent has ended: at once where it is idle, else after the
    epoch under way."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the parent's to handle
            signal.signal(number, signal.SIG_IGN)
    try:
        with _idle_watch(task.parent):
            return run(task)
    except Orphaned:
        os._exit(1)


def prepare_worker(parent: tuple[int, str] | None, also: Sequence[Callable[[], object]] = ()) -> None:
    """In a worker before its first cell: imports what every cell needs, which takes seconds; and does what is asked."""
    with _idle_watch(parent):
        import torch

        from benchmark.training import loop  # noqa: F401

        torch.optim.Adam([torch.zeros(1)])  # the first optimizer of a process imports for two seconds, too
        for function in also:
            with suppress(Exception):  # the cell will do without it, or say so
                function()










_at_work = threading.Lock()
_watching = threading.Event()


@contextmanager
def _idle_watch(parent: tuple[int, str] | None) -> Iterator[None]:
    """Marks this worker as at work; while it is not, a thread (one a process) ends it when its parent is gone."""
    if not _watching.is_set():
        _watching.set()
        threading.Thread(target=_watch, args=(parent,), name="parent watch", daemon=True).start()
    with _at_work:
        yield


def _watch(parent: tuple[int, str] | None) -> None:
    while True:
        time.sleep(1.0)
        if _orphaned(parent) and _at_work.acquire(blocking=False):
            os._exit(1)













def _train(task: Task, blank: Result, watch: Watch) -> Result:
    """The cell's Result, whatever became of it; a log of it stands in ``logs/<digest>.log``."""
    from benchmark.training.checkpoint import Checkpoint
    from benchmark.training.loop import Diverged

    history = list[dict[str, float]]()
    reset_peak_memory()

    def measured(result: Result) -> Result:
        return replace(
            result, seconds=checkpoint.seconds, peak_memory_bytes=peak_memory(task.device), ended=_now(),
            environment=environment(task),
        )  # fmt: skip

    log = log_path(task)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", buffering=1) as lines:
        print(f"{blank.started} {task.cell.key} {task.digest}", file=lines)
        checkpoint = Checkpoint(checkpoint_path(task), task.digest, task.device, lambda said: print(said, file=lines))

        def on_epoch(epoch: Epoch) -> None:
            history.append(epoch)
            shown = " ".join(f"{name}={value:.6g}" for name, value in epoch.items())
            print(f"epoch {len(history)}: {shown}", file=lines)
            watch.epoch(epoch)
            checkpoint.epoch_ended()
            try:
                _check(task)
            except (Orphaned, Interrupted):
                checkpoint.write()
                raise

        def expired(place: str) -> None:
            reason = f"not done within {task.timeout:g} s (--timeout); the traceback says where it was"
            print(f"{place}{_now()} timeout {reason}", file=lines)
            late = measured(replace(blank, status="timeout", reason=reason, traceback=place, epochs=tuple(history)))
            record(task, late)
            watch.ended(late)

        try:
            with guarded(task.timeout, lines, expired):
                result = _trained(task, blank, on_epoch, checkpoint)
        except (Orphaned, Interrupted):
            raise
        except Diverged as error:
            result = replace(blank, status="diverged", reason=str(error), epochs=tuple(history))
        except DataError as error:
            result = replace(blank, reason=str(error))
        except Exception as error:
            text = traceback.format_exc()
            print(text, file=lines)
            reason = f"{type(error).__name__}: {error}".strip()
            result = replace(blank, reason=reason, traceback=text, epochs=tuple(history))
        result = measured(result)
        print(f"{result.ended} {result.status} {result.reason or ''}", file=lines)
    return result














