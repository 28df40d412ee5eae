"""The worst, the median and the best window of a cell: kept by its run, drawn from the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Run
from test_step import net, recipe
from test_training import made

from benchmark.analysis.forecasts import keep
from benchmark.errors import UsageError
from benchmark.problems.forecasting import evaluate
from tables.figures import forecast


def test_what_is_kept_are_the_windows_of_the_largest_the_middle_and_the_least_error(tmp_path: Path) -> None:
    model, windows = net(), made()
    each = torch.zeros(len(windows), dtype=torch.float64)
    metrics = evaluate(model, windows, recipe(), each=each)
    assert each.mean().item() == pytest.approx(metrics["mse"], rel=1e-6)
    keep(tmp_path / "a.npz", model, windows, recipe(), each)
    kept = forecast.read(tmp_path / "a.npz")
    ordered = sorted(each.tolist(), reverse=True)
    assert kept["mse"].tolist() == [ordered[0], ordered[27], ordered[-1]]
    for i in range(3):
        error = kept["forecast"][i] - kept["truth"][i]
        assert float(np.square(error).mean()) == pytest.approx(kept["mse"][i], rel=1e-5)
    assert kept["past"].shape == (3, 4, 3) and kept["truth"].shape == (3, 2, 3)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a file of kept forecasts"):
        forecast.read(path)
    with pytest.raises(UsageError, match="not there"):
        forecast.read(tmp_path / "b.npz")


def test_from_the_command_line(run_all: Run, tiny: Callable[[int], Path], tmp_path: Path) -> None:
    cells = ["--papers", "tiny", "--horizons", "4", "--seeds", "1", "--models", "Transformer"]
    done = run_all(*cells, "--config", str(tiny(1)))
    assert done.returncode == 0, done.stderr

    def draw(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tables", "forecast", *arguments, "--results-dir", str(tmp_path / "results")]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    drawn = draw("tiny/toy/4/Transformer/s0")
    assert drawn.returncode == 0, drawn.stderr
    assert len(list((tmp_path / "results/tables").glob("forecast.*.png"))) == 1
    assert "expected 1 (the last) to 7" in draw("tiny/toy/4/Transformer/s0", "--channel", "8").stderr
    assert "no done Result 'tiny/toy/4/Nobody/s0'" in draw("tiny/toy/4/Nobody/s0").stderr
