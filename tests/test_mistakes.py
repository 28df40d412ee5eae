"""What a fresh pair of eyes stumbled over: each is a promise now."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT, TINY, Run

from benchmark.runner.job import Job
from benchmark.store.result import STATUSES, Result, Status
from benchmark.store.store import Store
from tables.__main__ import main as tables

QUICK = ("--subset", "toy", "--papers", "tiny", "--seeds", "1", "--horizons", "4", "--models", "Transformer", "--jobs", "1")


def only_cell(results: Path) -> Path:
    (path,) = (results / "cells").glob("*.json")
    return path


@dataclass(frozen=True)
class Trained:
    """A test's own copy of a results folder with one trained cell, and what the run that trained it printed."""

    cell: Path
    stdout: str
    own: tuple[str, str]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One cell, trained once for all tests of this file that begin with one."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "tiny.yaml").write_text(TINY.replace("EPOCHS", "1"))
    places = ["--config", str(folder / "tiny.yaml"), "--results-dir", str(folder / "results"), "--no-mlflow"]
    env = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "run_all.py", *QUICK, *places, "--no-figures"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "results", done.stdout


@pytest.fixture
def trained(once: tuple[Path, str], tmp_path: Path, tiny: Callable[[int], Path]) -> Trained:
    shutil.copytree(once[0], tmp_path / "results")
    return Trained(only_cell(tmp_path / "results"), once[1], ("--config", str(tiny(1))))


def test_a_result_of_a_newer_version_is_never_made_anew(run_all: Run, trained: Trained) -> None:
    path, own = trained.cell, trained.own
    newer = path.read_text().replace('"schema": 1', '"schema": 99')
    path.write_text(newer)
    done = run_all(*QUICK, *own)
    assert done.returncode == 2 and "newer version" in done.stderr and len(done.stderr.splitlines()) == 1
    assert path.read_text() == newer


def test_a_damaged_result_is_named_not_hidden(
    run_all: Run, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, own = trained.cell, trained.own
    text = path.read_text()
    whole, cuts = json.loads(text), [text[:1], text[: len(text) // 3], text.rstrip()[:-1]]
    wrong = [json.dumps(whole | {"metrics": metrics}) for metrics in ({"test_mse": "abc"}, {})]
    wrong += [json.dumps(whole | {"cell": "abc"}), *cuts]
    for damage in ("", "{", "[]", *wrong):
        path.write_text(damage)
        status, said = tables(["render", "--results-dir", str(tmp_path / "results"), *own]), capsys.readouterr().err
        assert status == 0 and "no whole Results" in said and path.name in said and "Traceback" not in said, damage
    for cut in cuts:
        path.write_text(cut)
        planned = run_all(*QUICK, *own, "--dry-run")
        assert "no whole Results" in planned.stderr and path.name in planned.stderr and "1 to run" in planned.stdout


def test_a_run_says_why_cells_are_refused(run_all: Run, tiny: Callable[[int], Path]) -> None:
    own = tiny(1)
    own.write_text(own.read_text().replace("  clip_norm: {value: null, source: test, status: ours}\n", ""))
    done = run_all(*QUICK, "--config", str(own))
    assert done.returncode == 0 and "refused: 1 cell: the recipe has no clip_norm" in done.stdout


def test_a_dry_run_knows_force_and_retry(run_all: Run, trained: Trained) -> None:
    own = trained.own
    assert "1 done" in run_all(*QUICK, *own, "--dry-run").stdout
    assert "1 to run" in run_all(*QUICK, *own, "--dry-run", "--force").stdout
    assert "1 done" in run_all(*QUICK, *own, "--dry-run", "--retry", "failed").stdout


def test_a_plan_says_what_is_missing_and_what_failed(run_all: Run, trained: Trained, tmp_path: Path) -> None:
    missing = run_all("--subset", "ETTh1", "--papers", "samformer", "--dry-run", "--data-dir", str(tmp_path)).stdout
    said = f"ETTh1: no file at {tmp_path / 'ETT-small/ETTh1.csv'}; get it from "
    assert any(line.startswith(said) for line in missing.splitlines())
    own, store = trained.own, Store(trained.cell.parent.parent)
    assert "--retry" not in trained.stdout
    (result,) = store.results()
    store.write(replace(result, status="timeout"))  # a Result that is edited by hand would be named, and trained again
    note = "1 cell ended without a number; logs says why, and once that is mended --retry failed runs such cells again"
    assert run_all(*QUICK, *own, "--dry-run").stdout.splitlines()[-2] == note
    assert run_all(*QUICK, *own).stdout.splitlines()[-2] == note
    assert "--retry" not in run_all(*QUICK, *own, "--retry", "failed").stdout


def test_a_switch_that_changes_nothing_is_said(run_all: Run) -> None:
    base = ("--papers", "samovar", "--subset", "ETTh1", "--dry-run", "--protocol")
    idle = run_all(*base, "paper+void_accumulation").stdout
    assert "three are thrown away; it changes no cell of this plan" in idle
    assert "changes no cell" not in run_all(*base, "paper+last_epoch_weights").stdout


@pytest.mark.parametrize("status", STATUSES)
def test_a_cell_that_was_ended_from_outside_keeps_its_checkpoint(status: Status, tmp_path: Path) -> None:
    """Raising --timeout must not cost what the first hours have trained."""
    experiment: Any = SimpleNamespace(digest="0" * 64)
    job = Job(experiment, tmp_path)
    path = job.checkpoint_path
    path.parent.mkdir()
    path.write_bytes(b"what was trained")
    job.record(Result("a/b", job.digest, status, {}), lambda: False)
    assert path.exists() == (status in ("timeout", "killed"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("epochs: {value: 5, status: verified, source: me}", "a value of your own file is 'ours', not 'verified'"),
        ("learning_rate: .inf", "learning_rate: input should be a finite number, found inf"),
    ],
)
def test_an_own_value_is_ours_and_finite(run_all: Run, tmp_path: Path, value: str, said: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"recipes:\n  samformer:\n    {value}\n")
    done = run_all("--subset", "ETTh1", "--config", str(own), "--dry-run")
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_arguments_that_do_not_fit_are_refused_by_the_plan(run_all: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("recipes:\n  samovar:\n    arguments: {heads: 7, kernel_size: 24, patch: 1000, season: 10000}\n")
    done = run_all("--papers", "samovar", "--subset", "ETTh1", "--models", "all", "--config", str(own), "--dry-run").stdout
    for reason in ("7 heads do not divide a width of 64", "a kernel_size is odd, it is 24",
                   "a season of 10000 steps does not fit a look-back of 1024"):  # fmt: skip
        assert reason in done


def test_quick_has_one_seed_unless_seeds_are_asked_for(run_all: Run) -> None:
    base = ("--subset", "toy", "--papers", "toy", "--profile", "quick", "--models", "SAMformer", "--dry-run")
    assert "cells=1 " in run_all(*base).stdout
    assert "cells=2 " in run_all(*base, "--seeds", "2").stdout


def test_an_override_reaches_the_models_arguments_and_is_named_below_the_table(
    run_all: Run, tiny: Callable[[int], Path], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("recipes:\n  tiny:\n    arguments: {width: 2}\n    epochs: 1\n")
    done = run_all(*QUICK, "--config", str(tiny(2)), "--config", str(mine))
    assert done.returncode == 0
    result = json.loads(only_cell(tmp_path / "results").read_text())
    assert (result["recipe"]["arguments.width"], result["recipe"]["epochs"]) == (2, 1)
    assert "not of the paper: epochs, arguments.width" in (tmp_path / "results/tables/tiny.md").read_text()
    mine.write_text("recipes:\n  tiny:\n    arguments: {widht: 2}\n")
    assert "did you mean 'width'?" in run_all(*QUICK, "--config", str(tiny(2)), "--config", str(mine)).stderr


def test_a_reader_that_goes_away_costs_no_cell(tiny: Callable[[int], Path], tmp_path: Path) -> None:
    folder = tmp_path / "r"
    options = f"--subset toy --papers tiny --config {tiny(1)} --results-dir {folder} --no-mlflow"
    command = f"{sys.executable} run_all.py {options} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert "Traceback" not in done.stderr and len(list((folder / "cells").glob("*.json"))) == 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run_all.py --dry-run --subset toy", "cells="),
        ("run_all.py --help", "--results-dir"),
        ("-m tables --help", "render"),
        ("-m benchmark.data --help", "usage"),
        ("-m benchmark.tracking sync --help", "--results-dir"),
    ],
)
def test_a_terminal_without_unicode_is_enough(words: str, said: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, *words.split()], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0 and said in done.stdout and not done.stderr, done.stderr
