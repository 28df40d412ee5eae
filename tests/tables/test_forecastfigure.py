"""The worst, the median and the best window of a cell: kept by its run, drawn from the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Run
from test_step import net, training
from test_training import made

from benchmark.analysis import keep
from benchmark.errors import UsageError
from benchmark.problems.forecasting import HeldWindows
from tables.figures import forecast
from tables.figures.data import Points, Rule


def test_what_is_kept_are_the_windows_of_the_largest_the_middle_and_the_least_error(tmp_path: Path) -> None:
    model, windows = net(), made()
    held = HeldWindows(windows, training())
    metrics = held.measure(model)
    assert held.each is not None and held.each.mean().item() == pytest.approx(metrics["mse"], rel=1e-6)
    keep("forecasting", model, held, tmp_path, "a")
    kept = forecast.read(tmp_path / "forecasts" / "a.npz")
    ordered = sorted(held.each.tolist(), reverse=True)
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


def kept(horizon: int) -> dict[str, np.ndarray]:
    steps = np.arange(float(3 * horizon * 2)).reshape(3, horizon, 2)
    return {"past": np.ones((3, 4, 2)), "truth": steps, "forecast": -steps, "mse": np.array([3.0, 1.0, 0.1]),
            "window": np.array([7, 8, 9])}  # fmt: skip


def test_a_panel_a_window_with_input_truth_and_forecast_by_step() -> None:
    figure = forecast.figure(kept(2), "paper/toy/2/A/s0")
    assert figure.title == "paper/toy/2/A/s0: the last channel; windows by the MSE over all channels"
    assert [(panel.title, panel.remark) for panel in figure.panels] == [
        ("worst", "window 7, MSE 3.000"), ("median", "window 8, MSE 1.000"), ("best", "window 9, MSE 0.100"),
    ]  # fmt: skip
    panel = figure.panels[0]
    lines = [(mark.series, mark.x, mark.y) for mark in panel.marks if isinstance(mark, Points)]
    assert lines == [
        ("input", (-3, -2, -1, 0), (1.0,) * 4), ("truth", (1, 2), (1.0, 3.0)), ("forecast", (1, 2), (-1.0, -3.0)),
    ]  # fmt: skip
    assert [(mark.across, mark.at) for mark in panel.marks if isinstance(mark, Rule)] == [("x", 0.5)]
    assert (panel.x.label, panel.y.label) == ("step", "standardised value")
    assert [entry.name for entry in figure.legend] == ["input", "truth", "forecast"]
    assert [entry.style.line for entry in figure.legend] == ["solid", "solid", "dashed"]


def test_channels_count_from_the_last() -> None:
    figure = forecast.figure(kept(2), "key", 2)
    assert figure.title.startswith("key: the last channel but 1;")
    assert figure.panels[0].marks[1].y == (0.0, 2.0)  # type: ignore[union-attr]
    with pytest.raises(UsageError, match=r"expected 1 \(the last\) to 2"):
        forecast.figure(kept(2), "key", 3)


def test_a_single_step_is_a_mark_since_no_line_shows_it() -> None:
    shapes = [mark.style.shape for mark in forecast.figure(kept(1), "key").panels[0].marks if isinstance(mark, Points)]
    assert shapes == [None, "circle", "circle"]


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
