"""The loop: what it trains, when it stops, which weights it leaves, and that its randomness has owners."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_step import Net, net, problem, training
from torch import Tensor, nn

from baselines.base import Forecaster
from benchmark.config.recipe import Training
from benchmark.data import series, windows
from benchmark.data.registry import DATASETS
from benchmark.data.windows import Windows
from benchmark.grid.digest import TRAINING_SEMANTICS
from benchmark.problems.evaluation import evaluate
from benchmark.problems.forecasting import Forecasting
from benchmark.training.loop import Diverged, Progress, Replica, fit
from benchmark.training.schedules import Position, learning_rate
from benchmark.training.streams import generator, seed_default

FROZEN = Path(__file__).parent / "golden" / "trajectory.json"


def made(length: int = 60, channels: int = 3, lookback: int = 4, horizon: int = 2) -> Windows:
    random = torch.Generator().manual_seed(1)
    count = length - lookback - horizon + 1
    return Windows(torch.randn(channels, length, generator=random), torch.arange(count), lookback, horizon)


def trained(
    model: nn.Module, values: Training, windows: Windows, validation: Windows, *, seed: int, truncate: int | None = None,
    **options: Any,
) -> Progress:  # fmt: skip
    """A whole training; what came of it."""
    return alone(model, values, problem(windows, validation, setting=values, truncate=truncate), seed=seed, **options)


def alone(
    model: nn.Module, values: Training, given: Forecasting, *, seed: int, max_steps: int | None = None, **options: Any
) -> Progress:
    """A whole training of one model; what came of it. Raises what ended it."""
    replica = Replica(model, values, seed, **options)
    fit([replica], given, max_steps=max_steps)
    if replica.failed is not None:
        raise replica.failed
    return replica.progress


def test_a_batch_is_the_windows_that_it_names() -> None:
    found = made()
    x, y, marks = found.batch(torch.tensor([3, 0]))
    assert (x.shape, y.shape, marks) == ((2, 4, 3), (2, 2, 3), None)
    assert torch.equal(x[0], found.series.T[3:7]) and torch.equal(y[0], found.series.T[7:9])
    assert torch.equal(x[1], found.series.T[0:4])


def test_evenly_spaced_windows_keep_the_first_and_the_last() -> None:
    few = made().evenly(5)
    assert len(few) == 5 and few.starts[0] == 0 and few.starts[-1] == made().starts[-1]
    assert made().evenly(1000).starts.equal(made().starts)


def test_metrics_are_over_all_windows_whatever_the_batch() -> None:
    model, found = net(), made()
    x, y, _ = found.batch(slice(None))
    model.eval()
    error = (model(x) - y).detach().double()
    for batch in (1, 7, 55, 1000):
        got = evaluate(model, found, training(evaluation_batch=batch))
        assert got["mse"] == pytest.approx(float(error.square().mean()), rel=1e-6)
        assert got["mae"] == pytest.approx(float(error.abs().mean()), rel=1e-6)


def test_an_all_pairs_forecast_is_measured_over_all_pairs() -> None:
    class Pairs(Forecaster):
        def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
            return x[None, :, :2] + x[:, None, :1]  # [B, B, H, C]

    found = made(length=20)
    total = 0.0
    for start in range(0, len(found), 4):
        x, y, _ = found.batch(slice(start, start + 4))
        pairs = [float((x[j, :2] + x[i, :1] - y[j]).double().square().mean()) for i in range(len(x)) for j in range(len(x))]
        total += np.mean(pairs) * len(x)
    assert evaluate(Pairs(), found, training(evaluation_batch=4))["mse"] == pytest.approx(total / len(found), rel=1e-6)


def test_it_stops_after_patience_epochs_without_a_better_one_and_restores_the_best() -> None:
    model = net()
    progress = trained(model, training(epochs=200, patience=3, learning_rate=0.3), made(), made(40), seed=0)
    values = [e["val_mse"] for e in progress.epochs]
    assert len(values) < 200
    assert progress.best_epoch == int(np.argmin(values)) == len(values) - 1 - 3
    assert evaluate(model, made(40), training())["mse"] == pytest.approx(min(values), rel=1e-6)


def test_without_patience_it_goes_on_and_last_epoch_means_the_last() -> None:
    model = net()
    progress = trained(model, training(epochs=12, selection="last_epoch", learning_rate=0.3), made(), made(40), seed=0)
    assert len(progress.epochs) == 12
    assert evaluate(model, made(40), training())["mse"] == pytest.approx(progress.epochs[-1]["val_mse"], rel=1e-6)


def test_the_quick_profile_counts_optimizer_steps() -> None:
    progress = trained(net(), training(epochs=100, batch_size=8, accumulation=2), made(), made(40), seed=0, max_steps=9)
    assert progress.steps == 9
    assert len(progress.epochs) == math.ceil(9 / math.ceil(55 / 16))


def test_divergence_is_noticed() -> None:
    class Exploding(Net):
        def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
            return super().forward(x) * torch.tensor(float("inf"))

    torch.manual_seed(0)
    with pytest.raises(Diverged, match="epoch 1"):
        trained(Exploding(), training(), made(), made(40), seed=0)


def seen_order(dropout: float, draws: int) -> list[float]:
    """The first input value of each window in the order of training, after an initialiser that draws `draws` numbers."""
    seen: list[float] = []

    class Watching(Net):
        def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
            seen.extend(x[:, 0, 0].tolist())
            return super().training_loss(x, y, marks)

    seed_default(7, "initialisation")
    torch.rand(draws)
    trained(Watching(dropout=dropout), training(epochs=2), made(), made(40), seed=7)
    return seen


def test_batch_order_depends_on_the_seed_alone() -> None:
    plain = seen_order(0.0, 0)
    assert plain == seen_order(0.0, 1000) == seen_order(0.5, 3)
    assert plain[:55] != plain[55:], "another order in the next epoch"
    assert generator(1, "order").initial_seed() != generator(2, "order").initial_seed()


def test_dropout_does_not_depend_on_how_many_numbers_the_initialiser_drew() -> None:
    masks = []
    for draws in (0, 17):
        seed_default(3, "initialisation")
        torch.rand(draws)
        model = net(0, dropout=0.5)
        model.masks.clear()
        trained(model, training(), made(), made(40), seed=3)
        masks.append(model.masks[0])
    assert torch.equal(*masks)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 1e-3), (5, 1e-3), (1, 9.0460e-4), (4, 9.6396e-5), (9, 9.6396e-5)])
def test_samformers_schedule_restarts_every_five_epochs(epoch: int, rate: float) -> None:
    values = {"schedule": "cosine_restarts", "learning_rate": 1e-3, "minimum_learning_rate": 1e-6, "restart_period": 5}
    assert learning_rate(training(**values), Position(epoch, 0, 10)) == pytest.approx(rate, rel=1e-4)


def test_itransformers_schedule_halves_every_epoch() -> None:
    halved = training(schedule="halved_every_epoch", learning_rate=1e-4)
    assert [learning_rate(halved, Position(epoch, 0, 10)) for epoch in range(3)] == pytest.approx([1e-4, 5e-5, 2.5e-5])


def test_a_frozen_trajectory_ties_the_semantics_version() -> None:
    """If this fails after a change that alters trained numbers, raise TRAINING_SEMANTICS in benchmark/grid/digest.py and
    freeze anew: `python tests/test_training.py`. If no number should have changed, the change is at fault."""
    frozen = json.loads(FROZEN.read_text())
    assert frozen["semantics"] == TRAINING_SEMANTICS, "the version was raised: freeze the trajectory anew"
    now = trajectory()
    for name, values in frozen["trajectories"].items():
        assert now[name] == pytest.approx(values, rel=2e-4), name


def trajectory() -> dict[str, list[float]]:
    """Train losses, validation and test MSE of short trainings that touch every part of the semantics."""
    import baselines

    torch.set_num_threads(1)
    out = {}
    accumulated = {"optimizer": "adamw", "weight_decay": 0.1, "batch_size": 12, "accumulation": 3}
    small: dict[str, Any] = {"width": 8, "heads": 2, "layers": 2, "dropout": 0.1}
    runs: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "sam": (
            "samformer",
            {"width": 4},
            {"rho": 0.5, "optimizer": "keras_adam", "eps": 1e-7, "clip_norm": 1.0, "batch_size": 32},
        ),
        "accumulated": ("samformer", {"width": 4}, accumulated),
        "dropout": ("samovar", small, accumulated),
        "blocks": ("lintrans", small, accumulated),
    }
    for name, (kind, arguments, values) in runs.items():
        data = series.load(DATASETS["toy"], None, 16, 4)
        splits = windows.make(data, 16, 4, torch.device("cpu"))
        seed_default(0, "initialisation")
        model = baselines.build(kind, lookback=16, horizon=4, channels=7, **arguments)
        schedule = {"schedule": "cosine_restarts", "minimum_learning_rate": 1e-6, "restart_period": 5, "epochs": 3}
        progress = trained(model, training(**values, **schedule), splits.train, splits.validation, seed=0)
        out[name] = [e[k] for e in progress.epochs for k in ("train_loss", "val_mse", "grad_norm")]
        out[name].append(evaluate(model, splits.test, training())["mse"])
    return out


if __name__ == "__main__":
    FROZEN.write_text(json.dumps({"semantics": TRAINING_SEMANTICS, "trajectories": trajectory()}, indent=1) + "\n")
