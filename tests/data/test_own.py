"""Data sets of one's own: the manual's example, partial real files, overrides."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Run
from samples import RECIPE, series

from benchmark.config.catalogue import catalogue
from benchmark.data.download.supply import Supply
from benchmark.data.series import load


def test_the_manuals_example_runs(run_all: Run, tmp_path: Path) -> None:
    text = (ROOT / "docs/own_data.md").read_text("utf-8")
    example = re.findall(r"```yaml\n(.*?)```", text, re.S)[0]
    (tmp_path / "my.yaml").write_text(example)
    (tmp_path / "sales.csv").write_text(series(3000, "turnover,visits,returns"))
    commands = re.search(r"```sh\n(.*?)```", text, re.S)
    assert commands is not None
    lines = commands[1].replace("my.yaml", str(tmp_path / "my.yaml")).splitlines()
    outputs: list[subprocess.CompletedProcess[str]] = []
    for line in lines:
        outputs.append(run_all(*line.removeprefix("python run_all.py ").split(), "--jobs", "1"))
    plan, run = outputs
    assert plan.returncode == 0 and plan.stdout.endswith("cells=40 done=0 refused=0 failed=0\n")
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("cells=8 done=8 refused=0 failed=0\n")
    table = (tmp_path / "results/tables/samformer.md").read_text("utf-8")
    assert "| sales" in table and "no printed number" in table and "§" in table
    stored = [json.loads(p.read_text()) for p in (tmp_path / "results/cells").glob("*.json")]
    assert {r["windows"]["train"] for r in stored} == {2100 - 512 - h + 1 for h in (24, 48)}


def test_partial_real_files_join_a_grid(
    run_all: Run, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    part = data_dir / "partial"
    (tmp_path / "my.yaml").write_text(f"""
datasets:
  ecl6: {{file: {part}/electricity_6ch.csv, step: 1 h, papers: [samformer]}}
  traffic6: {{file: {part}/traffic_6ch.csv, papers: [samformer]}}
  solar12: {{file: {part}/solar_12_plants.csv, reader: solar, header: true, papers: [samformer]}}
  pems08tail: {{file: {part}/PEMS08_last40.npz, reader: pems, split: pems, papers: [samformer], horizons: [12, 960]}}
recipes:
  samformer: {{learning_rate: 1e-3, rho: 0.5, epochs: 1}}
""")
    config = tmp_path / "my.yaml"
    place = ("--config", str(config), "--subset", "ecl6,traffic6,solar12,PEMS08tail", "--models", "SAMformer")
    plan = run_all(*place, "--dry-run", "--json", "--horizons", "12,96,960", "--seeds", "1")
    cells = json.loads(plan.stdout)["cells"]
    assert [c["reason"] for c in cells[:-1]] == [None] * 4
    assert cells[-1]["reason"] == "no test window: pems08tail (7,156 rows), look-back 512, horizon 960"
    sets, supply = catalogue([config]).datasets, Supply(tmp_path)
    for name, channels in (("ecl6", 6), ("traffic6", 6), ("solar12", 12), ("pems08tail", 170)):
        sha256 = supply.checksum(sets[name])
        loaded = load(sets[name], Path(str(sets[name].file)), 512, 96, sha256=sha256, cache_dir=tmp_path / "cache")
        assert loaded.values.shape == (sets[name].rows, channels) and len(loaded.test) and not supply.problems


def test_a_plain_value_goes_everywhere_and_a_table_falls_back_to_the_papers(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(series())
    config = tmp_path / "my.yaml"
    config.write_text("datasets: {mine: {file: mine.csv, papers: [samformer]}}\n" + RECIPE + "    epochs: 7\n")
    there = catalogue([config])
    recipe = there.papers["samformer"].recipe
    for dataset, rate, status in (("mine", 1e-3, "ours"), ("ECL", 1e-4, "verified")):
        found = recipe["learning_rate"].at({"dataset": dataset, "horizon": 96})
        assert found is not None and (found.value, found.status) == (rate, status)
        epochs = recipe["epochs"].at({"dataset": dataset})
        assert epochs is not None and (epochs.value, epochs.status) == (7, "ours")
    mine = there.datasets["mine"]
    assert (mine.rows, mine.channels, mine.own) == (400, 2, True) and "file" not in mine.identity()
    assert there.papers["samformer"].datasets[-1] == "mine"


def test_a_missing_value_refuses_the_cell_by_name(run_all: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(series(3000))
    (tmp_path / "my.yaml").write_text("datasets: {mine: {file: mine.csv, papers: [samformer]}}")
    done = run_all("--config", str(tmp_path / "my.yaml"), "--subset", "mine", "--horizons", "96", "--dry-run")
    assert "refused: the recipe has no learning_rate, rho for mine at horizon 96" in done.stdout
