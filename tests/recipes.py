"""Recipes made up for tests, from plain values."""

from __future__ import annotations

from baselines import MODELS, ModelInfo
from benchmark.config.recipe import ARGUMENTS, Recipe, Sourced

UNTRAINED = {"lookback": 8, "evaluation_batch": None, "precision": "float32"}
TRAINED = UNTRAINED | {
    "batch_size": 8, "accumulation": 1, "epochs": 1, "patience": None, "optimizer": "adam", "learning_rate": 0.01,
    "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "schedule": "constant", "minimum_learning_rate": 0.0,
    "restart_period": 1, "clip_norm": None, "rho": None, "selection": "best_validation",
}  # fmt: skip


def made_up(model: str, arguments: dict[str, object] | None = None, trained: bool = True, **values: object) -> Recipe:
    """A forecasting recipe of a model; `values` take the place of the usual ones."""
    plain = (TRAINED if trained else UNTRAINED) | values | {ARGUMENTS + k: v for k, v in (arguments or {}).items()}
    sourced = {name: Sourced(value, "test", "ours") for name, value in plain.items()}
    return Recipe("forecasting", model, plain.get("rho") is not None, sourced)


FORECASTERS: dict[str, ModelInfo] = {name: info for name, info in MODELS.items() if info.task == "forecasting"}
"""The models of series; tests/images has those of images."""
