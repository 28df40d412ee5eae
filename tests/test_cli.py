"""What a user types: plans, filters, usage errors, and what is not imported for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, TINY, Run


def plan(run_all: Run, *arguments: str) -> list[dict[str, object]]:
    done = run_all("--dry-run", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    cells: list[dict[str, object]] = json.loads(done.stdout)["cells"]
    return cells


def keys(run_all: Run, *arguments: str) -> list[object]:
    return [cell["key"] for cell in plan(run_all, *arguments)]


def test_the_main_table_is_the_default_grid(run_all: Run) -> None:
    cells = plan(run_all, "--papers", "samformer")
    assert len(cells) == 8 * 4 * 4 * 5
    assert cells[0]["key"] == "samformer/ETTh1/96/SAMformer/sam/s0"
    columns = {("SAMformer", True), ("Transformer", False), ("TSMixer", False), ("TSMixer+SAM", True)}
    assert {(c["model"], c["sam"]) for c in cells} == columns
    assert {c["lookback"] for c in cells} == {512}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--subset", "etth1", "--papers", "samformer", "--horizons", "96", "--seeds", "1"],
         [f"samformer/ETTh1/96/{column}/s0" for column in ("SAMformer/sam", "Transformer", "TSMixer", "TSMixer+SAM/sam")]),
        (["--subset", "ETTh1", "--horizons", "96", "--seeds", "3,", "--models", "samformer"],
         ["samformer/ETTh1/96/SAMformer/sam/s3"]),
        (["--subset", "ETTh1", "--horizons", "96", "--seeds", "1", "--models", "SAMformer", "--sam", "both"],
         ["samformer/ETTh1/96/SAMformer/sam/s0", "samformer/ETTh1/96/SAMformer/s0"]),
        (["--subset", "ETTh1", "--horizons", "96", "--models", "SAMformer", "--profile", "quick"],
         ["samformer/quick/ETTh1/96/SAMformer/sam/s0"]),
        (["--subset", "ETTh1", "--horizons", "96", "--seeds", "1", "--models", "SAMformer",
          "--protocol", "paper+fixed_rho_0.7+batch_mixed_denorm"],
         ["samformer/paper+batch_mixed_denorm+fixed_rho_0.7/ETTh1/96/SAMformer/sam/s0"]),
        (["--subset", "toy", "--seeds", "1"], ["toy/toy/24/SAMformer/sam/s0", "toy/toy/24/Transformer/s0"]),
    ],
)  # fmt: skip
def test_filters(run_all: Run, arguments: list[str], expected: list[str]) -> None:
    assert keys(run_all, *arguments) == expected


def test_all_leaves_the_synthetic_sets_out_and_a_papers_name_means_its_sets(run_all: Run) -> None:
    assert not any(str(key).startswith("toy/") for key in keys(run_all, "--subset", "all"))
    named = plan(run_all, "--subset", "samformer", "--papers", "samformer", "--seeds", "1")
    assert len({c["dataset"] for c in named}) == 8


def test_shards_part_the_grid(run_all: Run) -> None:
    whole = keys(run_all, "--subset", "ETTh1", "--papers", "samformer")
    parts = [keys(run_all, "--subset", "ETTh1", "--papers", "samformer", "--shard", f"{i}/3") for i in (1, 2, 3)]
    assert sorted(str(key) for part in parts for key in part) == sorted(map(str, whole))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    none = run_all("--subset", "ETTh1", "--papers", "samformer", "--dry-run", "--shard", "999/999")
    assert none.returncode == 0 and "no cell falls to this shard" in none.stderr


def test_a_digest_depends_on_what_changes_the_result_and_on_nothing_else(run_all: Run, data_dir: Path) -> None:
    base = ["--data-dir", str(data_dir), "--subset", "ETTh1", "--papers", "samformer", "--horizons", "96", "--seeds", "1"]
    paper = {str(c["model"]): c["digest"] for c in plan(run_all, *base, "--sam", "both") if c["sam"] is False}
    assert paper["SAMformer"] == paper["Transformer"], "a column's name changes no number"
    rho = plan(run_all, *base, "--protocol", "paper+fixed_rho_0.7")
    plain = plan(run_all, *base)
    assert rho[0]["digest"] != plain[0]["digest"], "SAMformer's rho is another"
    assert rho[1]["digest"] == plain[1]["digest"], "without SAM the switch changes nothing"
    assert all(len(str(c["digest"])) == 64 for c in plain)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subset", "EThh1"], "'ETTh1'"),
        (["--papers", "samforner"], "'samformer'"),
        (["--models", "SAMfromer"], "'SAMformer'"),
        (["--horizons", "97"], "96"),
        (["--horizons", "ninety"], "whole number"),
        (["--seeds", "-1"], "--seeds"),
        (["--seeds", "1.5"], "whole number"),
        (["--sam", "maybe"], "--sam"),
        (["--protocol", "papers"], "paper or released, or one of them with +SWITCH"),
        (["--protocol", "paper+batch_mixed_denrom"], "'batch_mixed_denorm'"),
        (["--profile", "fast"], "quick"),
        (["--shard", "4/3"], "1 ≤ I ≤ N"),
        (["--seeds", "1000000000"], "at most 10,000 seeds"),
        (["--backend", "dask"], "--scheduler tcp://host:8786"),
        (["--scheduler", "tcp://127.0.0.1:9"], "--backend dask, which was not given"),
        (["--force", "--retry", "failed"], "give one of them"),
        (["--jobs", "0"], "--jobs"),
        (["--subest", "ETTh1"], "'--subset'"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--json"], "--dry-run"),
        (["--subset", "toy", "--papers", "samformer"], "nothing is selected"),
        (["--results-dir", "/dev/null/x", "--subset", "toy"], "/dev/null/x"),
        (["--device", "cuda", "--subset", "toy", "--seeds", "1"], "cuda"),
    ],
)
def test_a_usage_error_is_one_line_with_status_2(run_all: Run, arguments: list[str], words: str) -> None:
    if "cuda" in arguments:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has a CUDA device")
    done = run_all(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_missing_data_is_one_line_a_file_and_status_1(run_all: Run, tmp_path: Path) -> None:
    cells = ["--subset", "ETTh1", "--papers", "samformer", "--seeds", "1", "--data-dir", str(tmp_path)]
    done = run_all(*cells, "--offline")
    assert done.returncode == 1
    assert str(tmp_path / "ETT-small/ETTh1.csv") in done.stderr
    assert done.stdout.splitlines()[-1] == "cells=16 done=0 refused=0 failed=16"
    plan_only = run_all(*cells, "--dry-run")
    assert plan_only.returncode == 0
    assert plan_only.stdout.splitlines()[-1] == "cells=16 done=0 refused=0 failed=0"


def test_another_file_under_the_right_name_is_refused(run_all: Run, tmp_path: Path) -> None:
    path = tmp_path / "ETT-small/ETTh1.csv"
    path.parent.mkdir()
    path.write_text("date,OT\n2016-07-01 00:00:00,1.0\n")
    done = run_all("--subset", "ETTh1", "--papers", "samformer", "--seeds", "1", "--data-dir", str(tmp_path), "--offline")
    assert done.returncode == 1
    assert "not the file that the papers used" in done.stderr


IMPORTS = """
import sys
sys.argv = ["run_all.py", *{arguments!r}]
import run_all
try:
    run_all.main()
except SystemExit:
    pass
heavy = [m for m in ("torch", "mlflow", "numpy", "pandas", "joblib") if m in sys.modules]
print("IMPORTED", heavy, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--dry-run"], ["--dry-run", "--json", "--subset", "toy"]])
def test_a_plan_imports_nothing_heavy(arguments: list[str]) -> None:
    code = IMPORTS.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "IMPORTED []" in done.stderr


def test_twenty_thousand_cells_are_planned_within_a_second(run_all: Run, tmp_path: Path) -> None:
    columns = "".join(f"  C{i}: {{like: SAMformer, main: true}}\n" for i in range(48))
    text = TINY.replace("seeds: {value: 3,", "seeds: {value: 200,").replace("EPOCHS", "2") + columns
    path = tmp_path / "big.yaml"
    path.write_text(text)
    took = []
    for _ in range(3):
        before = sum(os.times()[2:4])  # CPU time of children: others may be at work here
        done = run_all("--dry-run", "--config", str(path), "--papers", "tiny")
        took.append(sum(os.times()[2:4]) - before)
        assert done.stdout.splitlines()[-1] == "cells=20000 done=0 refused=0 failed=0"
    assert min(took) < 1.0


def test_a_misspelt_key_names_file_line_and_the_nearest(run_all: Run, tiny: Callable[[int], Path]) -> None:
    path = tiny(2)
    path.write_text(path.read_text().replace("  batch_size:", "  batchsize:"))
    done = run_all("--dry-run", "--config", str(path))
    assert done.returncode == 2
    line = path.read_text().splitlines().index("  batchsize: {value: 64, source: test, status: ours}") + 1
    assert f"{path}:{line}" in done.stderr and "did you mean 'batch_size'?" in done.stderr


def test_an_override_is_ours_and_another_cell(run_all: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("recipes:\n  toy:\n    epochs: 2\n")
    plain, mine = plan(run_all, "--subset", "toy"), plan(run_all, "--subset", "toy", "--config", str(own))
    assert [c["key"] for c in plain] == [c["key"] for c in mine]
    assert not {c["digest"] for c in plain} & {c["digest"] for c in mine}
