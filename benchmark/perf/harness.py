"""What the suite costs around the training: a cell in a warm worker, a plan and the tables of a full store, two workers
against one. Each is measured on `run_all.py` itself, as a user runs it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmark.data.files import synthetic_sha256
from benchmark.grid import Planned, Selection, plan
from benchmark.session import catalogue
from benchmark.store import Result, Store

ROOT = Path(__file__).resolve().parents[2]

TINY = """
paper: perf
title: "tiny cells, to measure what surrounds them"
synthetic: true
datasets: [toy]
horizons: {value: [4], source: "benchmark.perf", status: ours}
seeds: {value: 3, source: "benchmark.perf", status: ours}
recipe:
  lookback: {value: 8, source: "benchmark.perf", status: ours}
  batch_size: {value: 64, source: "benchmark.perf", status: ours}
  accumulation: {value: 1, source: "benchmark.perf", status: ours}
  epochs: {value: EPOCHS, source: "benchmark.perf", status: ours}
  patience: {value: null, source: "benchmark.perf", status: ours}
  optimizer: {value: adam, source: "benchmark.perf", status: ours}
  learning_rate: {value: 1e-3, source: "benchmark.perf", status: ours}
  betas: {value: [0.9, 0.999], source: "benchmark.perf", status: ours}
  eps: {value: 1e-8, source: "benchmark.perf", status: ours}
  weight_decay: {value: 0.0, source: "benchmark.perf", status: ours}
  schedule: {value: constant, source: "benchmark.perf", status: ours}
  minimum_learning_rate: {value: 0.0, source: "benchmark.perf", status: ours}
  restart_period: {value: 1, source: "benchmark.perf", status: ours}
  clip_norm: {value: null, source: "benchmark.perf", status: ours}
  rho: {value: 0.5, source: "benchmark.perf", status: ours}
  selection: {value: best_validation, source: "benchmark.perf", status: ours}
  evaluation_batch: {value: null, source: "benchmark.perf", status: ours}
  precision: {value: float32, source: "benchmark.perf", status: ours}
columns:
  SAMformer:
    model: samformer
    main: true
    sam: true
    arguments:
      width: {value: 4, source: "benchmark.perf", status: ours}
      variant: {value: tensorflow, source: "benchmark.perf", status: ours}
      revin: {value: false, source: "benchmark.perf", status: ours}
"""


def cell_seconds(few: int = 4, many: int = 24) -> float:
    """Seconds a cell, outside its training loop, in a warm worker with MLflow: the slope between two numbers of cells."""
    with tempfile.TemporaryDirectory() as folder:
        config = _tiny(Path(folder), 1)
        walls, trained = [], []
        for count in (few, many):
            place = Path(folder, f"results-{count}")
            walls.append(_seconds("run_all.py", "--papers", "perf", "--config", str(config), "--seeds", str(count),
                                  "--jobs", "1", "--results-dir", str(place)))  # fmt: skip
            trained.append(sum(epoch["seconds"] for result in Store(place).results() for epoch in result.epochs))
    return ((walls[1] - walls[0]) - (trained[1] - trained[0])) / (many - few)


def two_workers(cells: int = 8, epochs: int = 150, turns: int = 3) -> float:
    """Cells an hour of two workers over those of one: the median of some turns, start-up included."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        config = _tiny(Path(folder), epochs)
        for turn in range(turns):
            seconds = []
            for jobs in (1, 2):
                place = Path(folder, f"{turn}-{jobs}")
                seconds.append(_seconds("run_all.py", "--papers", "perf", "--config", str(config), "--seeds", str(cells),
                                        "--jobs", str(jobs), "--results-dir", str(place)))  # fmt: skip
            one, two = seconds
            ratios.append(one / two)
    return statistics.median(ratios)


def full_store(count: int = 20_000) -> dict[str, float]:
    """Seconds of `--dry-run` and of all tables with so many Results (made up, each 20 epochs long) in the store."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        written = fill(results, count)
        asked = ["--models", "all", "--sam", "both", "--seeds", str(_seeds(count)), "--results-dir", str(results)]
        return {
            "results": written,
            "dry_run": _seconds("run_all.py", "--dry-run", *asked),
            "tables": _seconds("-m", "tables", "render", "--results-dir", str(results)),
        }


def fill(results_dir: Path, count: int) -> int:
    """Writes Results, made up, of the grid's first cells; returns how many."""
    there = catalogue()
    selection = Selection(models=("all",), sam="both", seeds=tuple(range(_seeds(count))))
    planned = [p for p in plan(there, selection, lambda d: d.sha256 or synthetic_sha256(d)) if p.digest]
    unique = list({p.digest: p for p in planned}.values())[:count]
    folder = results_dir / "cells"
    folder.mkdir(parents=True)
    for number, cell in enumerate(unique):
        (folder / f"{cell.digest}.json").write_text(json.dumps(_made_up(cell, number)))
    return len(unique)


def _seeds(count: int) -> int:
    return max(1, round(count / 2000))


def _made_up(planned: Planned, number: int) -> dict[str, object]:
    value = 0.3 + (number * 7919 % 1000) / 2000
    epochs = tuple({"train_loss": value, "val_mse": value, "lr": 1e-3, "grad_norm": 1.0, "seconds": 1.0} for _ in range(20))
    assert planned.digest is not None and planned.recipe is not None
    result = Result(
        key=planned.cell.key, digest=planned.digest, status="done", cell=asdict(planned.cell),
        metrics=dict.fromkeys(("test_mse", "test_mae", "val_mse", "val_mae"), value), epochs=epochs, best_epoch=10,
        recipe=planned.recipe.plain(), data_sha256="0" * 64, started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:01:00+00:00", n_params=10**5, seconds=60.0,
    )  # fmt: skip
    plain = asdict(result)
    first = ("schema", "key", "digest", "status", "reason")
    return {name: plain[name] for name in (*first, *(n for n in plain if n not in first))}


def _tiny(folder: Path, epochs: int) -> Path:
    path = folder / "perf.yaml"
    path.write_text(TINY.replace("EPOCHS", str(epochs)))
    return path


def _seconds(*command: str) -> float:
    """Seconds of a command of the suite's; raises RuntimeError with its last line of error where it fails."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    seconds = time.perf_counter() - started
    if done.returncode:
        last = (done.stderr.strip() or "?").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {last}")
    return seconds
