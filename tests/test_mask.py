"""``fill: mask``: what is missing counts in no loss and no metric, and inputs hold the last value there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recipes import made_up
from test_features import changed, planned
from test_step import training

import baselines
from baselines.naive import LastValue
from benchmark.cell import Attempt, Experiment, begun, train_and_test
from benchmark.data import series
from benchmark.data.registry import DataSet
from benchmark.data.splits import segments
from benchmark.errors import DataError
from benchmark.grid.cells import Cell
from benchmark.problems import load
from benchmark.problems.base import Held
from benchmark.problems.evaluation import partial_mse
from benchmark.problems.forecasting import Forecasting
from benchmark.training.checkpoint import Checkpoint
from benchmark.training.step import Stepper

LOOKBACK, HORIZON, ROWS = 24, 6, 400
CPU = torch.device("cpu")


def values_with_holes() -> np.ndarray:
    """Three channels: single holes, a whole day without the second one, and two rows that are not there at all."""
    random = np.random.default_rng(1)
    values = random.normal(10, 3, size=(ROWS, 3)).round(2)
    values[random.random(values.shape) < 0.05] = np.nan
    values[330:354, 1] = np.nan
    values[[150, 151, 340]] = np.nan
    return values


def write(path: Path, values: np.ndarray) -> DataSet:
    """As a CSV of hours, rows without any value left out; as a set of one's own."""
    dates = np.datetime64("2024-01-01T00:00") + np.arange(len(values)) * np.timedelta64(1, "h")
    there = ~np.isnan(values).all(axis=1)
    lines = [",".join([str(date), *("" if np.isnan(v) else repr(float(v)) for v in row)])
             for date, row, kept in zip(dates, values, there, strict=True) if kept]  # fmt: skip
    path.write_text("\n".join(["date,a,b,c", *lines]) + "\n")
    return DataSet("mine", str(path), "csv", 3, ROWS, "1 h", "ratio", options={"fill": "mask"}, own=True)


def problem(
    path: Path, evaluation_batch: int = 50, features: str = "M", model: str = "dlinear"
) -> tuple[Forecasting, Held]:
    dataset = write(path, values_with_holes())
    recipe = made_up(model, {"kernel_size": 5} if model == "dlinear" else {}, lookback=LOOKBACK, features=features,
                     trained=model == "dlinear")  # fmt: skip
    found = load(recipe, dataset, path, HORIZON, CPU, evaluation_batch=lambda channels: evaluation_batch, sha256="",
                 cache_dir=None)  # fmt: skip
    assert isinstance(found[0], Forecasting)
    return found[0], found[1]


def by_hand() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The standardised values with NaN, the same with the last value there, and the deviations."""
    raw = values_with_holes()
    train = raw[: int(ROWS * 0.7)]
    deviation = np.nanstd(train, axis=0)
    holes = (raw - np.nanmean(train, axis=0)) / deviation
    filled = holes.copy()
    for row in range(1, ROWS):
        filled[row] = np.where(np.isnan(filled[row]), filled[row - 1], filled[row])
    assert not np.isnan(filled).any(), "of the first row nothing is missing"
    return holes, filled, deviation


def test_targets_are_nan_and_inputs_hold_the_last_value(tmp_path: Path) -> None:
    holes, filled, _ = by_hand()
    found, _ = problem(tmp_path / "mine.csv")
    x, y, _ = found.batch(torch.tensor([130, 150]))
    for window, start in enumerate((130, 150)):
        assert np.allclose(x[window], filled[start : start + LOOKBACK], atol=1e-6)
        at = start + LOOKBACK
        assert np.allclose(y[window], holes[at : at + HORIZON], atol=1e-6, equal_nan=True)
    assert y.isnan().any() and not found.train.series.isnan().any()
    alone, _ = problem(tmp_path / "mine.csv", features="MS")
    assert torch.allclose(alone.batch(torch.tensor([130])).y, y[:1, :, -1:], rtol=0, atol=0, equal_nan=True)


def test_the_loss_is_over_the_targets_that_are_there(tmp_path: Path) -> None:
    found, _ = problem(tmp_path / "mine.csv")
    torch.manual_seed(0)
    model = baselines.build("dlinear", **found.shape(), kernel_size=5)
    batch = found.batch(torch.arange(100, 160))
    error = (model(batch.x) - batch.y).detach()
    kept = error[~error.isnan()]
    assert 0 < len(kept) < error.numel() and found.size(batch) == len(kept)
    assert float(found.loss(model, batch).detach()) == pytest.approx(float(kept.square().mean()), rel=1e-6)
    forecast = torch.zeros(2, 3, 1, requires_grad=True)
    nothing = partial_mse(forecast, torch.full((2, 3, 1), torch.nan))
    nothing.backward()
    assert float(nothing.detach()) == 0 and forecast.grad is not None and not forecast.grad.any()


def test_micro_batches_weigh_by_their_targets(tmp_path: Path) -> None:
    """The gradient of two parts with unlike holes is that of both at once."""
    found, _ = problem(tmp_path / "mine.csv")
    torch.manual_seed(0)
    model = baselines.build("dlinear", **found.shape(), kernel_size=5)
    parts = [found.batch(torch.arange(100, 122)), found.batch(torch.arange(122, 160))]
    gradients = []
    for batches in (parts, [found.batch(torch.arange(100, 160))]):
        stepper = Stepper(model, training(), found)
        stepper.accumulate(batches)
        gradients.append(stepper.optimizer.gradient.clone())
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("evaluation_batch", [7, 500])
def test_metrics_are_over_the_targets_that_are_there(tmp_path: Path, evaluation_batch: int) -> None:
    holes, filled, deviation = by_hand()
    begin = ROWS - int(ROWS * 0.2)
    starts = range(begin, ROWS - HORIZON + 1)
    error = np.stack([filled[at - 1] - holes[at : at + HORIZON] for at in starts])
    _, held = problem(tmp_path / "mine.csv", evaluation_batch, model="last_value")
    metrics = held.measure(LastValue(lookback=LOOKBACK, horizon=HORIZON, channels=3))
    assert metrics["mse"] == pytest.approx(np.nanmean(error**2), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.nanmean(np.abs(error)), rel=1e-5)
    raw = values_with_holes()
    targets = np.stack([raw[at : at + HORIZON] for at in starts])
    train = raw[: int(ROWS * 0.7)]
    naive = np.nanmean(np.abs(train[24:] - train[:-24]), axis=0)
    spread = np.nansum((targets - np.nanmean(targets, axis=(0, 1))) ** 2, axis=(0, 1))
    expected = {
        "rmse": np.sqrt(np.nanmean(error**2)), "raw_mae": np.nanmean(np.abs(error * deviation)),
        "raw_mse": np.nanmean((error * deviation) ** 2), "targets_not_0": (~np.isnan(targets)).sum(),
        "r2": (1 - np.nansum((error * deviation) ** 2, axis=(0, 1)) / spread).mean(),
        "mape": 100 * np.nanmean(np.abs(error * deviation) / np.abs(targets)),
        "mase": (np.nanmean(np.abs(error * deviation), axis=(0, 1)) / naive).mean(),
    }  # fmt: skip
    assert {name: held.extra[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_the_plan_refuses_it_where_the_loss_cannot(tmp_path: Path) -> None:
    write(tmp_path / "mine.csv", values_with_holes())
    own = "datasets: {mine: {file: mine.csv, step: 1 h, fill: mask, papers: [samovar], horizons: [6]}}\n"
    recipe = "recipes: {samovar: {lookback: 24, learning_rate: 1e-3FEATURES}}\n"
    for features, why in (("", "fill: mask"), (", features: MS", "features MS and fill: mask")):
        there = changed(tmp_path, own + recipe.replace("FEATURES", features))
        cells = planned(there, "samovar", "mine", horizon=6)
        assert cells["SAMoVAR"].refused == (
            f"SAMoVAR cannot have {why}: its training loss is over all targets, and not the MSE of some alone"
        )
        assert f"Ridge cannot have {why}" in str(cells["Ridge"].refused)
        assert cells["LastValue"].refused is None and "cannot have" not in str(cells["DLinear"].refused)


def test_a_cell_with_holes_is_trained_and_tested(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    dataset = write(path, values_with_holes())
    recipe = made_up("samformer", {"width": 4}, lookback=LOOKBACK, rho=0.5, evaluation_batch=16, epochs=2)
    cell = Cell("p", "paper", "paper", "mine", LOOKBACK, HORIZON, "SAMformer", True, 0)
    experiment = Experiment(cell, "cd" * 32, recipe, dataset, path, "", None, "cpu", None)
    attempt = Attempt(experiment, begun(experiment), Checkpoint(tmp_path / "kept.pt", experiment.digest, "cpu", print))
    train_and_test([attempt], tmp_path)
    assert (result := attempt.result) is not None
    assert result.status == "done", result.reason
    assert all(np.isfinite(value) for value in result.metrics.values()) and 0.5 < result.metrics["test_mse"] < 3
    with np.load(tmp_path / "forecasts" / f"{experiment.digest}.npz") as kept:
        assert np.isfinite(kept["forecast"]).all() and np.isfinite(kept["mse"]).all()


def test_where_nothing_is_left_it_is_said_in_a_sentence(tmp_path: Path) -> None:
    path, values = tmp_path / "mine.csv", values_with_holes()
    values[: int(ROWS * 0.7), 1] = np.nan
    values[:, 0] = 1.0
    with pytest.raises(DataError, match=r"mine: channel 2 of 3 has no value in the train segment \(its first 280 rows\)"):
        series.load(write(path, values), path, LOOKBACK, HORIZON)
    values = values_with_holes()
    test = segments(write(path, values), ROWS, LOOKBACK).test
    values[test.start + LOOKBACK :, :2] = np.nan
    values[test.start + LOOKBACK :, 2] = np.nan
    values[-1, 0] = 5.0  # so that the last row is there; the last target of a window, of all windows but
    dataset = write(path, values)
    found = series.load(dataset, path, LOOKBACK, HORIZON)
    assert found.targets is not None and np.isnan(found.targets[test.start + LOOKBACK : -1]).all()
    recipe = made_up("last_value", trained=False, lookback=LOOKBACK, features="MS")
    with pytest.raises(DataError, match="mine: every target of the test windows is missing; split it otherwise"):
        load(recipe, dataset, path, HORIZON, CPU, evaluation_batch=lambda channels: 9, sha256="", cache_dir=None)
