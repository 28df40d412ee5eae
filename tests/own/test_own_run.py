"""Runs with models of a user's own: a dry pass first, the check of each training in its Result, memory, company."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Run
from frozen import seams

import benchmark
from benchmark import trial
from benchmark.config.catalogue import catalogue
from benchmark.config.recipe import Measured
from benchmark.data.files import synthetic_sha256
from benchmark.grid import cost
from benchmark.grid.cells import Selection
from benchmark.grid.plan import plan
from benchmark.show import describe
from benchmark.store.__main__ import main as store_command
from benchmark.store.check import amiss
from benchmark.store.result import Result, plain
from benchmark.store.store import Store

SIX_LINES = """from torch import nn
class Mine(nn.Module):
    def __init__(self, lookback, horizon, channels):
        super().__init__()
        self.map = nn.Linear(lookback, horizon)
    def forward(self, x): return self.map((x - MEAN).transpose(1, 2)).transpose(1, 2)
"""
YAML = """models:
  mine: {file: my_model.py, class: Mine}
  mixing: {file: mixing.py, class: Mine}
recipes:
  toy:
    columns:
      Mine: {model: mine, recipe: {epochs: 2}}
      Mixing: {model: mixing, recipe: {epochs: 1}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "my_model.py").write_text(SIX_LINES.replace("MEAN", "0"))
    (tmp_path / "mixing.py").write_text(SIX_LINES.replace("MEAN", "x.mean((0, 1))"))
    (tmp_path / "my.yaml").write_text(YAML)
    return tmp_path / "my.yaml"


def test_own_models_are_trained_and_a_result_says_whether_its_forecasts_are_of_one_window(
    own: Path, tmp_path: Path, run_all: Run
) -> None:
    asked = [
        "--papers",
        "toy",
        "--config",
        str(own),
        "--seeds",
        "2",
        "--models",
        "Mine,Mixing",
        "--jobs",
        "1",
        "--replicas",
        "2",
    ]
    done = run_all(*asked)
    assert done.returncode == 0 and "4 cells to train in 2 programs" in done.stdout, done
    found: dict[str, list[Result]] = {"Mine": [], "Mixing": []}
    for result in Store(tmp_path / "results").results():
        found[str(result.cell["model"])].append(result)
    assert all(result.checks["own_window"].startswith("kept: ") for result in found["Mine"]) and len(found["Mine"]) == 2
    assert all("beside it a window's forecast moves" in result.checks["own_window"] for result in found["Mixing"])
    assert "checks" in plain(found["Mine"][0]) and "checks" not in plain(replace(found["Mine"][0], checks={}))
    text = (tmp_path / "results/tables/toy.md").read_text("utf-8")
    assert "Mixing: in 2 Results a window's forecast depends on other windows beside it" in text
    own.with_name("my_model.py").unlink()  # read by the plan alone; what is done stays
    assert run_all(*asked, "--dry-run").stderr.count("there is no file") == 1


def test_what_the_plan_cannot_see_a_dry_pass_says_before_the_first_cell(own: Path, tmp_path: Path, run_all: Run) -> None:
    own.with_name("my_model.py").write_text(SIX_LINES.replace("MEAN", "1 @ x"))
    done = run_all("--papers", "toy", "--config", str(own), "--seeds", "1", "--models", "SAMformer,Mine", "--jobs", "1")
    assert done.returncode == 2 and not Store(tmp_path / "results").digests(), done
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"run_all.py: {own}:2: models.mine: look-back 64, horizon 24, "), line
    assert "channels: TypeError: " in line and line.endswith("(my_model.py:6)"), line


def test_what_a_dry_pass_measures_counts_as_memory_and_company_and_enters_no_digest(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = catalogue([own])
    cells = plan(there, Selection(papers=("toy",), models=("Mine", "SAMformer"), seeds=(0, 1)), synthetic_sha256)

    def tried(measured: Measured, memory: int) -> list[trial.Planned]:
        monkeypatch.setattr(trial, "_pass", lambda kinds, *_: dict.fromkeys(kinds, measured))
        return trial.tried(cells, cells, there, "cpu", memory)

    small, large = Measured(1000, 10, stacks=True), Measured(10**9, 10, stacks=False)
    after = tried(small, 10**9)
    assert [p.digest for p in after] == [p.digest for p in cells] and [p.cell for p in after] == [p.cell for p in cells]
    mine = [p for p in after if p.cell.model == "Mine"]
    assert cost.of_step(3, 24, mine[0].recipe) == (1000 * 32, 10) if mine[0].recipe else False
    assert len(cost.programs(mine, None, there.datasets)) == 1
    alone = [p for p in tried(large, 10**12) if p.cell.model == "Mine"]
    assert len(cost.programs(alone, None, there.datasets)) == 2, "as one program its trainings would not be their own"
    refused = [p for p in tried(large, 10**9) if p.refused]
    assert {p.cell.model for p in refused} == {"Mine"} and "not enough memory" in str(refused[0].refused)
    assert all(p.digest is None for p in refused)
    assert json.dumps(mine[0].recipe.plain() if mine[0].recipe else None).count("1000") == 0


def test_its_kept_weights_are_loaded_again_and_its_results_travel(
    own: Path, tmp_path: Path, tiny: Callable[[int], Path]
) -> None:
    own.write_text(YAML.replace("toy:", "tiny:"))
    files, folder = [tiny(2), own], tmp_path / "results"
    asked = Selection(papers=("tiny",), models=("Mine",), horizons=(4,), seeds=(0,))
    (planned,) = plan(catalogue(files), asked, synthetic_sha256)
    result = seams.trained(replace(seams.job(planned, folder), keep=("weights",)))
    assert result is not None and result.status == "done", result
    assert result.checks["own_window"].startswith("kept") and result.recipe["model"] == "my_model:Mine"
    model, task = benchmark.load(result.key, folder, config=files)
    assert task.measure(model) == pytest.approx(dict(result.metrics), rel=1e-6)
    exported = tmp_path / "all.jsonl.gz"
    assert store_command(["export", str(exported), "--results-dir", str(folder)]) == 0
    assert store_command(["import", str(exported), "--results-dir", str(tmp_path / "other")]) == 0
    assert Store(tmp_path / "other").read(result.digest) == Store(folder).read(result.digest)
    said = describe(planned, Store(folder).read(result.digest))
    assert "source.my_model = " in said and "check own_window = kept" in said
    damaged = replace(result, checks={"own_window": 3})  # type: ignore[dict-item]
    assert amiss(damaged, result.digest) == "its checks: expected a text for each"
