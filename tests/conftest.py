"""Where the real data lies, and invocations of the suite as a user makes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two threads on a busy machine cost ten times one

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job ignores Ctrl-C, and so would what we start
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]


LONGEST = (
    "test_runner.py", "test_tracking.py", "test_dask.py", "test_faults.py", "test_graphs.py", "test_replicas.py",
    "test_lanes.py", "test_programs.py", "test_mistakes.py", "test_contributing.py", "test_footprint.py", "test_kept.py",
    "test_published.py", "test_kernels.py", "test_documents.py", "test_tracking_server.py", "test_cli.py", "test_own.py",
    "test_parity.py", "test_render.py", "test_bad_input.py", "test_own_run.py", "test_report_browser.py",
    "test_own_check.py", "test_analysis.py", "test_own_paper.py", "test_checkpoint.py", "test_load.py",
    "test_malformed.py", "test_training.py", "test_imported.py", "test_ckn_training.py", "test_images.py",
    "test_forecastfigure.py", "test_evaluation.py", "test_resume.py", "test_resolution.py", "test_architecture.py",
    "test_synthetic.py", "test_digests.py",
)  # fmt: skip
"""Files of ten seconds and more, the longest first, by `--durations=0`; a new one that is as long belongs here, since all
others wait for one that is begun late."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that workers that take a file at a time (`--dist loadfile`) end together."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """What a packed file holds names no test: the time of its packing is in it, and workers would collect other tests."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real files, from the environment alone; without it the test is skipped, and says so."""
    folder = os.environ.get("BENCHMARK_DATA_DIR")
    if not folder or not Path(folder, "ETT-small/ETTh1.csv").is_file():
        pytest.skip("no real data: set BENCHMARK_DATA_DIR to a folder that holds ETT-small/ETTh1.csv")
    return Path(folder).resolve()


@pytest.fixture
def run_all(tmp_path: Path) -> Run:
    """`python run_all.py …` from the project's folder, results and caches below a folder of the test's own, without
    MLflow (tests/test_tracking.py has it) and without pictures, which cost each process seconds."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = ["--results-dir", str(tmp_path / "results"), "--no-mlflow", "--no-figures"]
        command = [sys.executable, str(ROOT / "run_all.py"), *own, *arguments]
        env = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")} | environment
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)

    return call


TINY = """
paper: tiny
title: "a grid of tiny cells, for tests"
synthetic: true
datasets: [toy]
horizons: {value: [4, 8], source: test, status: ours}
seeds: {value: 3, source: test, status: ours}
recipe:
  lookback: {value: 8, source: test, status: ours}
  batch_size: {value: 64, source: test, status: ours}
  accumulation: {value: 1, source: test, status: ours}
  epochs: {value: EPOCHS, source: test, status: ours}
  patience: {value: null, source: test, status: ours}
  optimizer: {value: adam, source: test, status: ours}
  learning_rate: {value: 1e-3, source: test, status: ours}
  betas: {value: [0.9, 0.999], source: test, status: ours}
  eps: {value: 1e-8, source: test, status: ours}
  weight_decay: {value: 0.0, source: test, status: ours}
  schedule: {value: constant, source: test, status: ours}
  minimum_learning_rate: {value: 0.0, source: test, status: ours}
  restart_period: {value: 1, source: test, status: ours}
  clip_norm: {value: null, source: test, status: ours}
  rho: {value: 0.5, source: test, status: ours}
  selection: {value: best_validation, source: test, status: ours}
  evaluation_batch: {value: null, source: test, status: ours}
  precision: {value: float32, source: test, status: ours}
columns:
  SAMformer:
    model: samformer
    main: true
    sam: true
    arguments:
      width: {value: 4, source: test, status: ours}
      variant: {value: tensorflow, source: test, status: ours}
      revin: {value: false, source: test, status: ours}
  Transformer: {like: SAMformer, main: true, sam: false}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[int], Path]:
    """A paper's YAML of 12 cells that train in about a second each, by its number of epochs."""

    def write(epochs: int = 2) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(TINY.replace("EPOCHS", str(epochs)))
        return path

    return write


@pytest.fixture
def semantics_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training semantics under which `tests/frozen` was written: whatever else makes a digest is held against it."""
    from benchmark.grid import digest

    monkeypatch.setattr(digest, "TRAINING_SEMANTICS", 2)
