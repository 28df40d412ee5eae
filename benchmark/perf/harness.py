"""What the suite costs around the training: a cell in a warm worker, a plan and the tables of a full store, two workers
against one. Each is measured on `run_all.py` itself, as a user runs it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmark.config.catalogue import catalogue
from benchmark.data.files import synthetic_sha256
from benchmark.grid.cells import Planned, Selection
from benchmark.grid.code import code_of
from benchmark.grid.plan import plan
from benchmark.store.result import Result
from benchmark.store.store import Store
from benchmark.store.text import written

ROOT = Path(__file__).resolve().parents[2]

TINY = "recipes: {toy: {epochs: EPOCHS, patience: null, lookback: 8, arguments: {width: 4}}}"
"""The toy paper with cells that take a second and as many epochs as are asked for, to measure what surrounds them."""


def cell_seconds(few: int = 4, many: int = 24) -> float:
    """Seconds a cell, outside its training loop, in a warm worker with MLflow: the slope between two numbers of cells."""
    with tempfile.TemporaryDirectory() as folder:
        config = _tiny(Path(folder), 1)
        walls, trained = [], []
        for count in (few, many):
            place = Path(folder, f"results-{count}")
            walls.append(_tiny_cells(config, count, 1, place))
            trained.append(sum(epoch["seconds"] for result in Store(place).results() for epoch in result.epochs))
    return ((walls[1] - walls[0]) - (trained[1] - trained[0])) / (many - few)


def two_workers(few: int = 4, many: int = 16, epochs: int = 10, turns: int = 3) -> float:
    """Cells an hour of two workers over those of one, once both are warm: the median of some turns."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        config = _tiny(Path(folder), epochs)
        for turn in range(turns):
            seconds = []
            for jobs in (1, 2):
                walls = [_tiny_cells(config, n, jobs, Path(folder, f"{turn}-{jobs}-{n}")) for n in (few, many)]
                seconds.append(walls[1] - walls[0])
            ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def full_store(count: int = 20_000) -> dict[str, float]:
    """Seconds of `--dry-run` and of all tables with so many Results (made up, each 20 epochs long) in the store."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        planned, written = fill(results, count)
        asked = ["--models", "all", "--sam", "both", "--seeds", str(_seeds(count)), "--results-dir", str(results)]
        return {
            "results": written,
            "planned": planned,
            "dry_run": _seconds("run_all.py", "--dry-run", *asked),
            "tables": _seconds("-m", "tables", "render", "--no-figures", "--results-dir", str(results)),
            "with_figures": _seconds("-m", "tables", "render", "--results-dir", str(results)),
        }


def fill(results_dir: Path, count: int) -> tuple[int, int]:
    """Writes Results, made up, of the first cells of a grid; returns how many cells that has, and Results."""
    there = catalogue()
    selection = Selection(models=("all",), sam="both", seeds=tuple(range(_seeds(count))))
    planned = plan(there, selection, lambda d: d.sha256 or synthetic_sha256(d))
    unique = list({p.digest: p for p in planned if p.digest}.values())[:count]
    folder = results_dir / "cells"
    folder.mkdir(parents=True)
    for number, cell in enumerate(unique):
        (folder / f"{cell.digest}.json").write_text(written(_made_up(cell, number)), "utf-8")
    return len(planned), len(unique)


def _seeds(count: int) -> int:
    return max(1, round(count / 2000))


def _made_up(planned: Planned, number: int) -> Result:
    value = 0.3 + (number * 7919 % 1000) / 2000
    epochs = tuple({"train_loss": value, "val_mse": value, "lr": 1e-3, "grad_norm": 1.0, "seconds": 1.0} for _ in range(20))
    assert planned.digest is not None and planned.recipe is not None
    return Result(
        key=planned.cell.key, digest=planned.digest, status="done", cell=asdict(planned.cell),
        metrics=dict.fromkeys(("test_mse", "test_mae", "val_mse", "val_mae"), value), epochs=epochs, best_epoch=10,
        recipe=planned.recipe.plain(), data_sha256="0" * 64, started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:01:00+00:00", n_params=10**5, seconds=60.0, code=code_of(planned.recipe),
    )  # fmt: skip


def _tiny(folder: Path, epochs: int) -> Path:
    path = folder / "perf.yaml"
    path.write_text(TINY.replace("EPOCHS", str(epochs)))
    return path


def _tiny_cells(config: Path, count: int, jobs: int, results_dir: Path) -> float:
    """Seconds of an invocation that trains so many."""
    return _seconds("run_all.py", "--papers", "toy", "--models", "SAMformer", "--config", str(config),
                    "--seeds", str(count), "--jobs", str(jobs), "--results-dir", str(results_dir))  # fmt: skip


def _seconds(*command: str) -> float:
    """Seconds of a command of the suite's; raises RuntimeError with its last line of error where it fails."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    seconds = time.perf_counter() - started
    if done.returncode:
        last = (done.stderr.strip() or "?").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {last}")
    return seconds
