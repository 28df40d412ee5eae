"""Metrics that decide nothing: by hand, in the test pass, in the Result, where they are shown."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recipes import made_up
from test_store import DIGEST, RESULT
from test_training import made as windows_made

from baselines import build
from benchmark.data.registry import DataSet
from benchmark.data.series import own_season
from benchmark.data.text.steps import season_of
from benchmark.problems import load
from benchmark.problems.evaluation import evaluate
from benchmark.problems.extra import Extra
from benchmark.problems.forecasting import HeldWindows
from benchmark.show import describe
from benchmark.store.store import Store
from benchmark.tracking.runs import final_metrics
from tables.layout.table import Options
from tables.render import render

pytest_plugins = ("tests.tables.made_up",)

LOOKBACK, HORIZON, ROWS = 48, 12, 480


def csv(path: Path) -> np.ndarray:
    """Hourly values with zeros in the test segment; the third channel is constant."""
    random = np.random.default_rng(3)
    hours = np.arange(ROWS)
    values = np.stack([5 * np.sin(hours / 24 * 2 * np.pi) + random.normal(size=ROWS), random.normal(3, 2, ROWS).round(),
                       np.full(ROWS, 7.0)], axis=1)  # fmt: skip
    values[-40:-30, 0] = 0.0
    dates = np.datetime64("2024-01-01T00:00") + hours * np.timedelta64(1, "h")
    lines = [f"{date},{','.join(map(repr, map(float, row)))}" for date, row in zip(dates, values, strict=True)]
    path.write_text("\n".join(["date,a,b,c", *lines]) + "\n")
    return values


def measured(path: Path, evaluation_batch: int) -> tuple[dict[str, float], Any]:
    """The metrics and the test windows of the last value, carried on."""
    dataset = DataSet("mine", str(path), "csv", 3, ROWS, "", "ratio", own=True)
    recipe = made_up("last_value", trained=False, lookback=LOOKBACK)
    _, held = load(recipe, dataset, path, HORIZON, torch.device("cpu"), evaluation_batch=lambda channels: evaluation_batch,
                   sha256="", cache_dir=None)  # fmt: skip
    return held.measure(build("last_value", lookback=LOOKBACK, horizon=HORIZON, channels=3)), held


def test_every_metric_is_what_its_definition_says(tmp_path: Path) -> None:
    values = csv(tmp_path / "mine.csv")
    train, begin = values[: int(ROWS * 0.7)], ROWS - int(ROWS * 0.2)
    at = range(begin, ROWS - HORIZON + 1)
    y = np.stack([values[i : i + HORIZON] for i in at])  # [N, H, C]
    forecast = np.stack([np.repeat(values[i - 1 : i], HORIZON, axis=0) for i in at])
    error, kept = forecast - y, y != 0
    naive = np.abs(train[24:] - train[:-24]).mean(axis=0)
    standardised = error / np.where(train.std(axis=0) == 0, 1, train.std(axis=0))
    spread = ((y - y.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))
    expected = {
        "rmse": math.sqrt((standardised**2).mean()),
        "r2": (1 - (error**2).sum(axis=(0, 1))[:2] / spread[:2]).mean(),  # the constant channel has none
        "raw_mse": (error**2).mean(), "raw_mae": np.abs(error).mean(),
        "mape": 100 * (np.abs(error)[kept] / np.abs(y)[kept]).mean(),
        "smape": 200 * (np.abs(error) / (np.abs(y) + np.abs(forecast) + ~kept))[kept].mean(),
        "mase": (np.abs(error).mean(axis=(0, 1))[:2] / naive[:2]).mean(),
        "targets_not_0": kept.sum(), "mase_season": 24,
    }  # fmt: skip
    assert (~kept).sum() > 100
    for batch in (7, 1000):
        metrics, held = measured(tmp_path / "mine.csv", batch)
        assert held.extra == pytest.approx(expected, rel=1e-5)
        assert metrics["mse"] == pytest.approx((standardised**2).mean(), rel=1e-6)


def test_looking_on_moves_no_bit_of_what_decides() -> None:
    windows, model = windows_made(80), build("last_value", lookback=4, horizon=2, channels=3)
    setting = made_up("last_value", trained=False, evaluation_batch=9).setting
    held = HeldWindows(windows, setting)
    assert held.measure(model) == evaluate(model, windows, setting)
    assert held.extra["rmse"] == pytest.approx(math.sqrt(evaluate(model, windows, setting)["mse"]))
    assert held.extra["mase"] is None and held.extra["mase_season"] is None, "no train segment, no scale of MASE"


def test_pairs_of_a_batch_count_each() -> None:
    windows, y = windows_made(5 + 6 - 1), windows_made(5 + 6 - 1).batch(slice(None)).y
    error = torch.randn(len(y), *y.shape, generator=torch.Generator().manual_seed(0))
    extra = Extra(windows, None)
    extra.add(error, y)
    found = extra.metrics()
    assert found["raw_mse"] == pytest.approx(float(error.double().square().mean()))
    assert found["targets_not_0"] == y.numel()


@pytest.mark.parametrize(
    ("step", "season"),
    [("15 min", 96), ("1 h", 24), ("5 min", 288), ("1 day", 7), ("7 day", 1), ("7 h", 1), ("", 1)],
)
def test_the_season_follows_from_the_step(step: str, season: int) -> None:
    assert season_of(step) == season == own_season(step, None)
    assert own_season("", np.array([0, 1800, 3600])) == 48


def test_they_stand_in_the_store_in_mlflow_and_in_show(tmp_path: Path) -> None:
    told = replace(RESULT, extra_metrics={"test_rmse": 0.5, "test_mase": None}, n_params=1)
    store = Store(tmp_path)
    store.write(told)
    assert store.read(DIGEST) == told
    assert final_metrics(told)["test_rmse"] == 0.5 and "test_mase" not in final_metrics(told)
    text = describe(None, told)
    assert "test_rmse = 0.5" in text and "test_mase = none" in text
    assert "test_rmse" not in describe(None, RESULT), "an older Result has none, and is whole"


def test_tables_show_them_where_they_are_asked_for(made: Any) -> None:
    made.add("toy", 4, "With_SAM", 0.4)
    made.add("toy", 4, "Plain", 0.5)
    store = Store(made.results)
    for result in list(store.results()):
        store.write(replace(result, extra_metrics={"test_r2": 1 - result.metrics["test_mse"], "test_mase": None}))
    folder = made.results / "tables"
    render(made.catalogue, made.results, Options(figures=False))
    plain = {path.name: path.read_text() for path in folder.iterdir()}
    assert "R2" not in plain["made.md"] and ",r2," not in plain["made.csv"]
    render(made.catalogue, made.results, Options(metrics=("mse", "r2", "mase"), figures=False))
    text = (folder / "made.md").read_text()
    assert "## Table: test R2\n" in text and "**0.600**" in text and "_0.500_" in text, "the larger is the better"
    assert "made,paper,paper,toy,16,4,With_SAM,on,r2,0.600000," in (folder / "made.csv").read_text()
    assert "test R2" in (folder / "made.tex").read_text()


def test_no_more_than_a_part_of_a_batch_is_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, sizes = windows_made(400), []
    add = Extra._add

    def watched(self: Extra, error: torch.Tensor, y: torch.Tensor, weight: float) -> None:
        sizes.append(error.numel())
        add(self, error, y, weight)

    monkeypatch.setattr("benchmark.problems.extra._AT_ONCE", 60)
    monkeypatch.setattr(Extra, "_add", watched)
    held = HeldWindows(windows, made_up("last_value", trained=False, evaluation_batch=100).setting)
    held.measure(build("last_value", lookback=4, horizon=2, channels=3))
    assert max(sizes) <= 60 and sum(sizes) == len(windows) * 2 * 3
