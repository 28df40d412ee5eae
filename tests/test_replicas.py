"""Trainings as one program: each ends as it does alone, whatever becomes of those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from frozen.test_weights import SMALL
from test_step import problem, training
from torch import Tensor

import baselines
from baselines.draws import drawing_from
from baselines.layers import Dropout
from benchmark.data.windows import Windows
from benchmark.errors import StopTraining
from benchmark.training.loop import Diverged, Replica, fit
from benchmark.training.streams import seed_default

LOOKBACK, HORIZON, CHANNELS = 48, 12, 3
BATCHES: dict[str, Any] = {
    "batch_size": 4, "accumulation": 4, "clip_norm": 1.0, "optimizer": "adamw", "weight_decay": 0.01,
    "eps": 1e-4,  # with Adam's own, what rounding makes of a gradient of 0 would move a weight as any gradient does
}  # fmt: skip


def windows(count: int, dtype: torch.dtype) -> Windows:
    random = torch.Generator().manual_seed(count)
    series = torch.randn(CHANNELS, count + LOOKBACK + HORIZON - 1, generator=random).cumsum(dim=1) / 8
    return Windows(series.to(dtype), torch.arange(count), LOOKBACK, HORIZON)


def replica(name: str, seed: int, dtype: torch.dtype = torch.float64, **values: Any) -> Replica:
    seed_default(seed, "initialisation")
    model = baselines.build(name, lookback=LOOKBACK, horizon=HORIZON, channels=CHANNELS, **SMALL[name]).to(dtype)
    return Replica(model, training(**(BATCHES | {"epochs": 2, "patience": 1} | values)), seed)


def trained(replicas: Sequence[Replica], stacked: bool, dtype: torch.dtype = torch.float64) -> Sequence[Replica]:
    """On 21 windows: five micro-batches of 4 and one of 1, two steps an epoch."""
    torch.set_num_threads(1)
    fit(replicas, problem(windows(21, dtype), windows(14, dtype)), stacked=stacked)
    return replicas


def state(of: Replica) -> Tensor:
    """All weights and running statistics."""
    return torch.cat([value.detach().double().flatten() for value in of.model.state_dict().values()])


@pytest.mark.parametrize("rho", [None, 0.05], ids=["plain", "SAM"])
@pytest.mark.parametrize("name", SMALL)
def test_four_replicas_are_four_trainings(name: str, rho: float | None) -> None:
    make = partial(replica, name, rho=rho)
    together = trained([make(seed) for seed in range(4)], stacked=True)
    for seed, one in enumerate(together):
        (other,) = trained([make(seed)], stacked=False)
        assert one.failed is None and len(one.progress.epochs) == len(other.progress.epochs)
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)
        for epoch, expected in zip(one.progress.epochs, other.progress.epochs, strict=True):
            assert epoch["val_mse"] == pytest.approx(expected["val_mse"], rel=1e-9)
            assert epoch["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
            assert epoch["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-5)


def spoilt(name: str, of: Replica) -> Replica:
    """Ends after its first epoch, in one of two ways."""

    def on_epoch(epoch: dict[str, float]) -> None:
        if name == "stopped":
            raise StopTraining
        with torch.no_grad():
            next(of.model.parameters()).fill_(torch.nan)

    of.on_epoch = on_epoch
    return of


@pytest.mark.parametrize("name", SMALL)
def test_a_replica_does_not_depend_on_its_companions(name: str) -> None:
    """To the last bit: others beside it, in another order, fewer of them, one that diverges, one that is stopped."""
    make = partial(replica, name, dtype=torch.float32, rho=0.05, batch_size=8, accumulation=2, patience=None)

    def beside(*others: Replica) -> Tensor:
        return state(trained([*others[:1], make(0), *others[1:]], stacked=True, dtype=torch.float32)[bool(others)])

    alone = beside()
    assert torch.equal(beside(make(1), make(2), make(3)), alone)
    assert torch.equal(beside(make(5)), alone)
    diverging, stopped = spoilt("diverging", make(1)), spoilt("stopped", make(2))
    assert torch.equal(beside(diverging, stopped, make(4)), alone)
    assert isinstance(diverging.failed, Diverged) and "epoch 2" in str(diverging.failed)
    assert isinstance(stopped.failed, StopTraining) and len(stopped.progress.epochs) == 1


VARIANTS: dict[str, dict[str, Any]] = {
    "Keras' Adam, one cycle": {"optimizer": "keras_adam", "weight_decay": 0.0, "schedule": "one_cycle", "clip_norm": None},
    "void accumulation": {"void_accumulation": True, "batch_size": 2, "clip_norm": None},
    "clipped a micro-batch at a time": {"clip_before_unscale": True, "clip_norm": 0.05},
    "holes": {},
    "marks": {},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_recipes_do_otherwise(variant: str) -> None:
    """Each with dropout and SAM; rho is each replica's own."""
    name = "itransformer" if variant in ("holes", "marks") else "patchtst"
    make = [partial(replica, name, seed, rho=0.05 * (seed + 1), **VARIANTS[variant]) for seed in range(3)]
    train, validation = windows(21, torch.float64), windows(14, torch.float64)
    if variant == "holes":
        series = train.series[-1:].clone()
        series[:, 50:53] = torch.nan
        series[:, 90:97] = torch.nan
        train = replace(train, targets=series)
    if variant == "marks":
        train = replace(train, marks=torch.rand(4, train.series.shape[1], dtype=torch.float64))
    given = problem(train, validation)
    together, singly = [one() for one in make], [one() for one in make]
    fit(together, given, stacked=True)
    fit(singly, given)
    for one, other in zip(together, singly, strict=True):
        torch.testing.assert_close(state(one), state(other), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(state(together[0]), state(together[1]))


def test_a_layer_that_draws_needs_a_generator_for_each_replica() -> None:
    with pytest.raises(RuntimeError, match="3 replicas draw from 2 generators"), drawing_from([torch.Generator()] * 2):
        torch.func.vmap(Dropout(0.5))(torch.ones(3, 4))
