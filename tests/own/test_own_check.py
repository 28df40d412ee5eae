"""`python -m benchmark.check` on faulty models, each named by its fault; and the worked example of the document."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, Run

import run_all as command
from benchmark import check

HEAD = """
import torch
from torch import nn
class CLASS(nn.Module):
    def __init__(self, lookback, horizon, channels):
        super().__init__()
        self.map = nn.Linear(lookback, horizon)
BODY
"""
PLAIN = "    def forward(self, x): return self.map(x.transpose(1, 2)).transpose(1, 2)"
FAULTY = {
    "Others": ("    def forward(self, x): return self.map((x - x.mean(0)).transpose(1, 2)).transpose(1, 2)",
               "own window alone: with "),
    "Shape": ("    def forward(self, x): return self.map(x.transpose(1, 2))", "shapes: the forecast is expected to be"),
    "Seedless": (f"        torch.manual_seed(0)\n        self.map = nn.Linear(lookback, horizon)\n{PLAIN}",
                 "seed: it ignores its seed"),
    "Dead": (f"        self.spare = nn.Linear(2, 2)\n{PLAIN}", "gradients: no gradient reaches spare.bias, spare.weight"),
    "Wild": ("    def forward(self, x): return self.map(x.transpose(1, 2)).transpose(1, 2) / 0", "finite: the forecast"),
}  # fmt: skip


def test_five_faulty_models_are_each_named_and_a_whole_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = {name: body for name, (body, _) in FAULTY.items()} | {"Whole": PLAIN}
    text = "".join(HEAD.replace("CLASS", name).replace("BODY", body) for name, body in bodies.items())
    (tmp_path / "models.py").write_text(text)
    models = "".join(f"  {name}: {{file: models.py, class: {name}}}\n" for name in bodies)
    columns = "recipes: {toy: {columns: {Whole: {model: Whole}, Dead: {model: Dead}}}}\n"
    (tmp_path / "my.yaml").write_text(f"models:\n{models}{columns}")
    assert check.main([str(tmp_path / "my.yaml")]) == 1
    said = re.split(r"\n(?=\S)", capsys.readouterr().out)
    found = {part.split(" ")[0]: part for part in said}
    assert found.keys() == bodies.keys(), said
    for name, (_, words) in FAULTY.items():
        broken = [line for line in found[name].splitlines() if "BROKEN" in line]
        assert len(broken) == 1 and broken[0].startswith(f"  BROKEN  {words}"), found[name]
    assert "BROKEN" not in found["Whole"] and "its grid: 3 cells, at most " in found["Whole"]
    assert "Whole of toy: look-back 64, horizon 24, " in found["Whole"] and "a cell takes about" in found["Whole"]
    assert "in no column: look-back 96, horizon 24, 7 channels" in found["Shape"] and "was not tried" in found["Shape"]


def test_a_file_without_a_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.yaml").write_text("recipes: {toy: {epochs: 3}}\n")
    assert check.main([str(tmp_path / "my.yaml")]) == 2
    assert capsys.readouterr().err.startswith(
        f"python -m benchmark.check: {tmp_path / 'my.yaml'}: it names no model of your"
    )


def test_the_worked_example_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run_all: Run
) -> None:
    text = (ROOT / "docs/own_model.md").read_text("utf-8")
    for name, content in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", text, re.S):
        (tmp_path / name).write_text(content)
    (commands,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```", text, re.S)
    first, plan, run = (shlex.split(line) for line in commands.splitlines())
    monkeypatch.chdir(tmp_path)
    assert check.main(first[3:]) == 0, capsys.readouterr().out
    assert command.main(plan[2:]) == 0
    out = capsys.readouterr().out
    assert out.endswith("cells=9 done=0 refused=0 failed=0\n") and "Mine~fast" in out, out
    at = run.index("--config") + 1
    run[at] = str(tmp_path / run[at])
    options = [word for word in run[2:] if word not in ("--no-mlflow", "--results-dir", "results")]
    done = run_all(*options, "--jobs", "1")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "cells=6 done=6 refused=0 failed=0", done
    table = (tmp_path / "results/tables/toy.md").read_text("utf-8")
    assert "Mine ours" in table and "Columns of the user's own" in table
