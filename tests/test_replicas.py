"""Trainings as one program: each ends as it does alone, whatever becomes of those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from frozen.test_weights import SMALL
from tape import Tape, as_on_a_device
from test_step import problem, training
from torch import Tensor, nn
from torch.nn import functional

import baselines
from baselines import patchtst
from baselines.base import Forecaster
from baselines.draws import drawing_from
from baselines.layers import Dropout, RMSNorm, dropped
from benchmark.data.windows import Windows
from benchmark.errors import StopTraining
from benchmark.training.loop import Diverged, Replica, fit
from benchmark.training.recorded.matrix import Matrix
from benchmark.training.replicas import Stack
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


def on(there: Windows, device: str) -> Windows:
    """The same windows on a device."""
    return replace(there, series=there.series.to(device), starts=there.starts.to(device))


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


class Own(Forecaster):
    """A user's model. way: how it drops out: by a layer of torch's, by a function, by numbers that it draws itself."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.map = way, nn.Linear(LOOKBACK, HORIZON)
        self.drop = nn.Dropout(0.3 if way == "layer" else 0.0)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        y = self.drop(self.map(x.transpose(1, 2))).transpose(1, 2)
        if self.way == "function":
            return functional.dropout(y, 0.3, self.training)
        if self.way == "flow" and y.sum() > 1e9:
            return y + 1
        return y


OWN = {"layer": "dropout is torch's own", "function": "torch.func says: vmap", "flow": "torch.func says: vmap"}


@pytest.mark.parametrize("way", [*OWN, "plain"])
def test_what_cannot_be_stacked_is_trained_singly_and_says_so_once(way: str) -> None:
    def made(seed: int) -> Replica:
        seed_default(seed, "initialisation")
        return Replica(Own(way), training(**(BATCHES | {"epochs": 2})), seed)

    said: list[str] = []
    given = problem(windows(21, torch.float32), windows(14, torch.float32))
    together, singly = [made(0), made(1)], [made(0), made(1)]
    fit(together, given, stacked=True, say=said.append)
    fit(singly, given)
    for one, other in zip(together, singly, strict=True):
        assert one.failed is None and (torch.equal(state(one), state(other)) or way == "plain")
        assert (one.ran is None) == (way != "plain")
    assert len(said) == (way != "plain")
    assert all(line.startswith("trained one after the other") and OWN[way] in line for line in said)


@pytest.mark.parametrize(("fits", "kind"), [(3, Stack), (1, Stack), (0, Stack), (1, Matrix)])
def test_memory_that_runs_out_halves_a_group(fits: int, kind: type[Stack], monkeypatch: pytest.MonkeyPatch) -> None:
    """So many fit, and more do not from the third step on: each goes on from where the epoch began. Recorded, too."""
    if kind is Matrix:
        as_on_a_device(monkeypatch.setattr, Tape())
    name = "patchtst" if kind is Stack else "dlinear"
    make = partial(replica, name, dtype=torch.float32, patience=None, epochs=3, rho=0.05)
    undisturbed = trained([make(seed) for seed in range(5)], stacked=True, dtype=torch.float32)
    step, steps, said = kind.step, [0], list[str]()

    def short_of_memory(program: Any, batches: Any) -> Any:
        steps[0] += 1
        if steps[0] > 3 and len(program.steppers) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(program, batches)

    monkeypatch.setattr(kind, "step", short_of_memory)
    found, ended = [make(seed) for seed in range(5)], list[int]()
    for one in found:
        one.on_end = lambda replica: ended.append(replica.seed)
    fit(found, problem(windows(21, torch.float32), windows(14, torch.float32)), stacked=True, say=said.append)
    assert ended == [0, 1, 2, 3, 4] and said[0] == "out of memory: going on with 2 and then 3 at a time"
    assert len(said) == {3: 1, 1: 4, 0: 4}[fits]
    for one, other in zip(found, undisturbed, strict=True):
        assert isinstance(one.failed, torch.OutOfMemoryError) if not fits else torch.equal(state(one), state(other))
        assert len(one.progress.epochs) == (3 if fits else 1)


def test_dropout_on_a_device_is_torchs_for_each_replica() -> None:
    """Numbers and gradients, to the last bit but one; each mask from the replica's own generator."""
    x = torch.randn(3, 5, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    with drawing_from([torch.Generator().manual_seed(seed) for seed in range(3)]):
        squares = torch.func.grad_and_value(lambda one: dropped(one, 0.3).square().sum())
        gradients, values = torch.func.vmap(squares)(x)
    for seed, (one, gradient, value) in enumerate(zip(x, gradients, values, strict=True)):
        torch.manual_seed(seed)
        alone = one.clone().requires_grad_()
        expected = functional.dropout(alone, 0.3).square().sum()
        expected.backward()  # type: ignore[no-untyped-call]
        assert alone.grad is not None and (gradient == 0).sum() > 30
        torch.testing.assert_close((value, gradient), (expected.detach(), alone.grad), rtol=1e-14, atol=1e-14)


def _plain_rms(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-5) * weight[:, :, None] + bias[:, :, None]


def _rms(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.func.functional_call(RMSNorm(3, 4), {"weight": weight}, (x,)) + bias[:, :, None]


def _plain_batch_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    flat = x.flatten(1).T
    centred = flat - flat.mean(dim=0)
    return centred * torch.rsqrt(centred.square().mean(dim=0) + 1e-5) * weight[:, 0] + bias[:, 0]


def _batch_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return patchtst._StackedBatchNorm.apply(x.flatten(1).T, weight[:, 0], bias[:, 0], 1e-5)[0]  # type: ignore[no-any-return, no-untyped-call]


@pytest.mark.parametrize(("ours", "plain"), [(_rms, _plain_rms), (_batch_norm, _plain_batch_norm)])
def test_norms_by_hand_have_first_and_second_derivatives(ours: Any, plain: Any) -> None:
    """In a stack and alone: the analysis of sharpness takes the second ones, by `torch.func`, too."""
    random = torch.Generator().manual_seed(4)
    x, weight, bias = (torch.randn(5, 3, 4, *more, dtype=torch.float64, generator=random) for more in ((6,), (), ()))
    along = torch.randn(3, 4, 6, dtype=torch.float64, generator=random)

    def first(norm: Any) -> Any:
        return torch.func.grad(lambda *given: norm(*given).sin().sum(), argnums=(0, 1, 2))

    def second(norm: Any) -> Any:
        return torch.func.grad(lambda *given: (first(norm)(*given)[0] * along).sum(), argnums=(0, 1, 2))

    for derivative in (first, second):
        found, expected = (
            torch.func.vmap(derivative(ours))(x, weight, bias),
            torch.func.vmap(derivative(plain))(x, weight, bias),
        )
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        alone = derivative(ours)(x[0], weight[0], bias[0])
        torch.testing.assert_close(alone, tuple(each[0] for each in expected), rtol=1e-12, atol=1e-12)
        assert all(each.abs().max() > 1e-3 for each in expected)


def test_a_layer_that_draws_needs_a_generator_for_each_replica() -> None:
    with pytest.raises(RuntimeError, match="3 replicas draw from 2 generators"), drawing_from([torch.Generator()] * 2):
        torch.func.vmap(Dropout(0.5))(torch.ones(3, 4))
