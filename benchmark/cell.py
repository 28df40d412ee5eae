"""One cell from start to Result: the one function that a worker calls. Whatever happens, a Result comes back."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import memory
from benchmark.data.registry import DataSet
from benchmark.errors import DataError
from benchmark.grid import Cell
from benchmark.leases import Leases, process_start
from benchmark.resolution import PROFILES
from benchmark.store import Result, Status, Store
from benchmark.watch import Unwatched, Watch, Watcher
from benchmark.watchdog import guarded

if TYPE_CHECKING:
    from benchmark.training.checkpoint import Checkpoint
    from benchmark.training.loop import Epoch


@dataclass(frozen=True)
class Task:
    """All that a worker needs to train one cell; plain values, so that it travels to any process or machine.

    `replaces`: a Result that is there and has one of these statuses is made anew; any other stands. `timeout`: seconds
    that the cell may take. `stop`: a file; once it is there, the cell ends with the epoch under way. `asker`: host, number
    and start of the process that holds the lease, where that is not the one that trains.
    """

    cell: Cell
    digest: str
    recipe: Mapping[str, Any]
    dataset: DataSet
    data_path: Path | None
    data_sha256: str
    results_dir: Path
    device: str
    replaces: tuple[Status, ...]
    commit: str | None
    parent: tuple[int, str] | None
    cache_dir: Path | None = None
    watcher: Watcher | None = None
    timeout: float | None = None
    stop: Path | None = None
    asker: tuple[str, int, str] | None = None


@dataclass(frozen=True)
class Busy:
    """Somebody else is training the cell."""

    digest: str


@dataclass(frozen=True)
class Stopped:
    """The cell was asked to end before it was through; the same command goes on with it."""

    digest: str


Outcome = Result | Busy | Stopped


class Interrupted(Exception):
    """The cell was asked to end with the epoch under way."""


class Orphaned(Exception):
    """The process that asked for this cell is gone."""


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


def record(task: Task, result: Result) -> None:
    """Writes a cell's Result; what was kept to go on with goes, unless the cell was ended from outside: then another
    attempt, with more time or memory, goes on from it. Raises OSError where the disk does not take the Result."""
    Store(task.results_dir).write(result)
    if result.status not in ("timeout", "killed"):
        checkpoint_path(task).unlink(missing_ok=True)


def without_result(task: Task, status: Status, reason: str, trace: str | None = None) -> Result:
    """The Result of a cell whose process did not live to write one, or could not be reached."""
    return replace(_blank(task), status=status, reason=reason, traceback=trace, ended=_now())


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


def own_process() -> tuple[int, str]:
    """This process, as its workers recognise it."""
    return os.getpid(), process_start(os.getpid()) or "?"


def _orphaned(parent: tuple[int, str] | None) -> bool:
    return parent is not None and process_start(parent[0]) != parent[1]


def _check(task: Task) -> None:
    """Raises where nobody waits for the cell any more, or it is asked to end."""
    if _orphaned(task.parent):
        raise Orphaned
    if task.stop is not None and task.stop.exists():
        raise Interrupted


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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _blank(task: Task) -> Result:
    return Result(
        key=task.cell.key, digest=task.digest, status="failed", cell=asdict(task.cell), recipe=task.recipe,
        data_sha256=task.data_sha256, started=_now(), environment={"git_commit": task.commit},
    )  # fmt: skip


def log_path(task: Task) -> Path:
    """Where a cell's log stands."""
    return task.results_dir / "logs" / f"{task.digest}.log"


def checkpoint_path(task: Task) -> Path:
    """Where a cell's checkpoint stands."""
    return task.results_dir / "checkpoints" / f"{task.digest}.pt"


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


def _trained(task: Task, blank: Result, on_epoch: Callable[[Epoch], None], checkpoint: Checkpoint) -> Result:
    import torch

    import baselines
    from baselines.base import ClosedForm
    from benchmark.data import series, windows
    from benchmark.evaluation import evaluate
    from benchmark.recipe import arguments, setting, typed
    from benchmark.samples import keep
    from benchmark.training.loop import Progress, train
    from benchmark.training.streams import seed_default

    recipe, cell, bounds = dict(task.recipe), task.cell, PROFILES[task.cell.profile]
    device = torch.device(task.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # other counts give other bits, and on a busy machine cost ten times as much
    data = series.load(
        task.dataset, task.data_path, cell.lookback, cell.horizon, sha256=task.data_sha256, cache_dir=task.cache_dir,
        mask_sentinels=setting(recipe).mask_sentinels, time_features=recipe.get("time_features", False),
    )  # fmt: skip
    channels = data.values.shape[1]
    recipe["evaluation_batch"] = memory.evaluation_batch(channels, cell.horizon, recipe)
    known = setting(recipe)
    splits = windows.make(data, cell.lookback, cell.horizon, device)
    validation = splits.validation.evenly(bounds.get("max_windows"))
    test = splits.test.evenly(bounds.get("max_windows"))
    if recipe.get("drop_last_test_batch"):
        test = test.whole_batches(recipe["batch_size"])
    seed_default(cell.seed, "initialisation")
    model = baselines.build(
        recipe["model"], lookback=cell.lookback, horizon=cell.horizon, channels=channels, **arguments(recipe)
    ).to(device)
    progress = Progress()
    if isinstance(model, ClosedForm):
        model.fit(splits.train.batches(), validation.batches())
    else:
        progress = train(
            model, typed(recipe), splits.train, validation, seed=cell.seed, max_steps=recipe.get("profile.max_steps"),
            on_epoch=on_epoch, checkpoint=checkpoint,
        )  # fmt: skip
    each = torch.zeros(len(test), dtype=torch.float64, device=device)
    found = {"test": evaluate(model, test, known, each=each), "val": evaluate(model, validation, known)}
    keep(task.results_dir / "forecasts" / f"{task.digest}.npz", model, test, known, each)
    return replace(
        blank,
        status="done",
        metrics={f"{split}_{name}": value for split, metrics in found.items() for name, value in metrics.items()},
        windows={"train": len(splits.train), "val": len(validation), "test": len(test)},
        epochs=tuple(progress.epochs),
        best_epoch=progress.best_epoch + 1 if progress.epochs else None,
        n_params=sum(p.numel() for p in model.parameters()),
    )


def environment(task: Task) -> dict[str, Any]:
    """What the cell ran on: versions, hardware, threads, deterministic flags, git commit."""
    import numpy
    import torch

    from benchmark.evaluation import bfloat16
    from benchmark.recipe import setting

    in_bfloat16 = bfloat16(setting(task.recipe), torch.device(task.device))
    return {
        "python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__,
        "platform": platform.platform(), "machine": platform.machine(), "processor": processor(),
        "device": torch.cuda.get_device_name() if task.device == "cuda" else "cpu",
        "precision": "bfloat16" if in_bfloat16 else "float32", "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "git_commit": task.commit,
    }  # fmt: skip


def processor() -> str:
    """The name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def reset_peak_memory() -> None:
    """Begins a new measurement of this process's peak memory, where the system lets it (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: str) -> int | None:
    """Peak bytes since `reset_peak_memory`: resident on the CPU, allocated on a CUDA device."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
