"""Evaluation streams: whatever the number of windows, it holds one batch of forecasts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from recipes import made_up
from test_step import training

from baselines import build
from benchmark.config.catalogue import catalogue
from benchmark.data.windows import Windows
from benchmark.grid.cells import Selection
from benchmark.grid.cost import evaluation_batch, of_step
from benchmark.grid.plan import parse_protocol, plan
from benchmark.problems import evaluation
from benchmark.problems.evaluation import evaluate

CHANNELS = 862
WIDE = """
import torch
from baselines import build
from benchmark.machine import peak_memory, reset_peak_memory
from benchmark.data.windows import Windows
from benchmark.problems.evaluation import evaluate
from benchmark.grid.cost import evaluation_batch
import sys; sys.path.insert(0, "tests")
from recipes import made_up

torch.set_num_threads(1)
lookback, horizon = 512, 720
series = torch.zeros(862, lookback + horizon + 255)
model = build("last_value", lookback=lookback, horizon=horizon, channels=862)
few, many = (Windows(series, torch.arange(count), lookback, horizon) for count in (8, 256))
recipe = made_up("last_value", trained=False, lookback=lookback)
setting = recipe.setting.model_copy(update={"evaluation_batch": evaluation_batch(862, horizon, recipe)})
evaluate(model, few, setting)
reset_peak_memory()
before = peak_memory()
evaluate(model, many, setting)
print(peak_memory() - before)
"""


def at_once(lookback: int, horizon: int, **recipe: object) -> int:
    """Windows of one batch of evaluation, of Traffic's channels."""
    return evaluation_batch(CHANNELS, horizon, made_up("last_value", trained=False, lookback=lookback, **recipe))


def test_no_more_than_a_batch_is_held() -> None:
    """Traffic's channels at horizon 720: 256 windows' forecasts would be 635 MB, a batch with its inputs is 30 MB."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell a process its peak memory")
    given_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}  # at once: else the peak counts what a heap keeps
    command = [sys.executable, "-c", WIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=given_back)
    one_batch = 4 * at_once(512, 720) * (512 + 720) * CHANNELS
    assert one_batch <= 2**25
    assert int(done.stdout) < 6 * one_batch  # inputs, forecast, error, its square, that in float64


@pytest.mark.parametrize(("lookback", "horizon"), [(1024, 96), (2048, 192), (2048, 336), (4096, 720), (512, 720)])
def test_a_batch_of_evaluation_is_no_larger_than_a_wide_training_batch(lookback: int, horizon: int) -> None:
    """SAMoVAR's micro-batch on Traffic is 8 windows; without gradients as many take less than its training step."""
    assert 1 <= at_once(lookback, horizon) <= 8
    assert at_once(lookback, horizon, evaluation_batch=3) == 3


def test_no_cell_evaluates_more_than_it_trains_on() -> None:
    """Of no cell of any paper would a batch of evaluation, even with gradients, take more than a step, or than 512 MiB."""
    known = catalogue()
    asked = Selection(None, None, ("all",), None, (0,), None, parse_protocol("paper", known.papers), "paper")
    cells = [p for p in plan(known, asked, lambda dataset: "0" * 64) if p.recipe is not None]
    assert len(cells) > 1000
    for planned in cells:
        assert planned.recipe is not None
        recipe, horizon = planned.recipe, planned.cell.horizon
        channels = known.datasets[planned.cell.dataset].channels or 1
        activations, size = of_step(channels, horizon, recipe)[0], evaluation_batch(channels, horizon, recipe)
        batch = recipe.training.batch_size if recipe.training else 1
        assert size * activations / batch <= max(2**29, activations), planned.cell.key


def test_the_metrics_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    windows = Windows(torch.randn(3, 90), torch.arange(60), 24, 6)
    model = build("dlinear", lookback=24, horizon=6, channels=3)
    seven = training(evaluation_batch=7)
    whole, parts = evaluate(model, windows, training()), evaluate(model, windows, seven)
    assert whole == pytest.approx(parts, rel=1e-6) and whole.keys() == {"mse", "mae"}
    assert evaluate(model, windows, seven, only_mse=True)["mse"] == pytest.approx(whole["mse"], rel=1e-6)


@pytest.mark.parametrize("mixed", [True, False])
def test_batches_that_are_one_pass_on_a_gpu_have_the_same_mse(mixed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all pairs of each batch, also where some batches are left over, and windows."""
    torch.manual_seed(1)
    model = build("samformer", lookback=48, horizon=12, channels=3, batch_mixed_denorm=mixed).double()
    series = torch.randn(3, 59 + 47, dtype=torch.float64).cumsum(dim=1)
    split, setting = Windows(series, torch.arange(47), 48, 12), training(evaluation_batch=5)
    alone = evaluate(model, split, setting, only_mse=True)
    monkeypatch.setattr(evaluation, "_together", lambda model, split, size: 4)
    passes, take = list[int](), model.mse
    monkeypatch.setattr(model, "mse", lambda x, y, marks: passes.append(len(x)) or take(x, y, marks))
    assert evaluate(model, split, setting, only_mse=True)["mse"] == pytest.approx(alone["mse"], rel=1e-12)
    assert passes == [5, 5, 5, 2], "four batches, four, one, and what is left"
