"""A hidden layer that is made in parts is the plain one: in value, in gradients, and in what its masks do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines import mlp as module
from baselines.layers import Dropout, keeping
from baselines.mlp import mlp


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST", 5)  # of 23 columns: four whole parts and a smaller one
    monkeypatch.setattr(module, "CHUNK", 40)


def made(lying: str) -> tuple[Tensor, nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    up, down = nn.Linear(3, 8).double(), nn.Linear(8, 4).double()
    x = torch.randn(3, 23).double() if lying == "by features" else torch.randn(23, 3).double().T
    return x.requires_grad_(), up, down


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("lying", ["by features", "by columns"])
def test_value_and_gradients_without_dropout(activation: Any, lying: str) -> None:
    x, up, down = made(lying)
    weights = [x, *up.parameters(), *down.parameters()]
    act = F.relu if activation == "relu" else F.gelu
    plain = F.linear(act(up(x.T)), down.weight, down.bias).T
    ours = mlp(x, up, down, activation, Dropout(0.0))
    torch.testing.assert_close(ours, plain)
    assert ours.is_contiguous() == (lying == "by features"), "it lies in memory as x does"
    towards = torch.randn(4, 23).double()
    for a, b in zip(*(torch.autograd.grad(out, weights, towards) for out in (ours, plain)), strict=True):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        torch.testing.assert_close(mlp(x, up, down, activation, Dropout(0.0)), plain)


@pytest.mark.parametrize("function", [module._ReluMLP, module._GeluMLP])
def test_the_way_back_sees_the_masks_of_the_way_there(function: Any) -> None:
    x, up, down = made("by features")
    given = (x, up.weight, up.bias, down.weight, down.bias)
    assert torch.autograd.gradcheck(lambda *parts: function.apply(*parts, 2**15, 7, True), given)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_dropout_keeps_the_mean_and_its_share(activation: Any) -> None:
    """The hidden layer is all ones: what comes out counts what was kept."""
    up, down = nn.Linear(1, 1000).double(), nn.Linear(1000, 1).double()
    act = F.relu if activation == "relu" else F.gelu
    with torch.no_grad():
        up.weight.zero_()
        up.bias.fill_(1.0)
        down.weight.fill_(1 / 1000 / float(act(torch.ones(()))))
        down.bias.zero_()
    torch.manual_seed(0)
    dropout = Dropout(0.9)
    with torch.no_grad():
        out, again = (mlp(torch.zeros(1, 400).double(), up, down, activation, dropout) for _ in range(2))
        whole = mlp(torch.zeros(1, 4).double(), up, down, activation, dropout.eval())
    assert float(out.mean()) == pytest.approx(1, abs=0.02)
    assert float(out.std()) == pytest.approx((9 / 1000) ** 0.5, rel=0.15), "of 1000 numbers a tenth is kept"
    kept = out * 1000 / keeping(dropout.level)
    torch.testing.assert_close(kept, kept.round(), rtol=0, atol=1e-4)
    assert not torch.equal(out, again), "each call draws masks of its own"
    torch.testing.assert_close(whole, torch.ones(1, 4).double(), rtol=0, atol=1e-6)


def test_transforms_of_torch_see_every_operation() -> None:
    """`torch.func` cannot look into a backward pass that is written by hand: there the plain form stands."""
    x, up, down = made("by features")
    jacobian = torch.func.jacrev(lambda each: mlp(each, up, down, "gelu", Dropout(0.0)))(x.detach())
    assert jacobian.shape == (4, 23, 3, 23)
