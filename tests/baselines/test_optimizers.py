"""Keras' Adam against a transcription of its formula, and SAM against steps done by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from baselines.optimizers import SAM, KerasAdam

Optimizer = torch.optim.Optimizer | SAM
BASES: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda params: torch.optim.Adam(params, lr=1e-2, weight_decay=0.01),
    "adamw": lambda params: torch.optim.AdamW(params, lr=1e-2),
    "keras_adam": lambda params: KerasAdam(params, lr=1e-2),
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))


def train(model: nn.Module, optimizer: Optimizer, steps: range) -> list[float]:
    """The losses of these steps; each step's batch and dropout follow from its number alone."""
    losses = []
    for step in steps:
        torch.manual_seed(1000 + step)
        x, y = torch.randn(16, 5), torch.randn(16, 2)

        def closure(x: torch.Tensor = x, y: torch.Tensor = y) -> torch.Tensor:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            return loss

        losses.append(float(optimizer.step(closure).detach()))
    return losses


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_keras_adam_is_keras_formula(weight_decay: float) -> None:
    rng = np.random.default_rng(0)
    theta = rng.normal(size=20)
    parameter = nn.Parameter(torch.tensor(theta))
    optimizer = KerasAdam([parameter], lr=1e-2, weight_decay=weight_decay)
    m, v = np.zeros(20), np.zeros(20)
    for t in range(1, 11):
        gradient = rng.normal(size=20) * 10.0 ** rng.integers(-9, 1, size=20)  # of eps' size too
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        gradient = gradient + weight_decay * theta
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        theta = theta - 1e-2 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
        np.testing.assert_allclose(parameter.detach().numpy(), theta, rtol=1e-12)
    assert optimizer.param_groups[0]["eps"] == 1e-7
    assert optimizer.param_groups[0]["iterations"] == 10


def test_keras_adam_gives_later_groups_a_count() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizer = KerasAdam(first.parameters())
    optimizer.add_param_group({"params": list(second.parameters())})
    (first(torch.ones(2)) + second(torch.ones(2))).sum().backward()
    optimizer.step()
    assert [group["iterations"] for group in optimizer.param_groups] == [1, 1]


@pytest.mark.parametrize("rho", [None, 0.3])
@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_resumed_training_is_the_same_to_the_bit(base: Any, rho: float | None) -> None:
    def optimizer_of(model: nn.Module) -> Optimizer:
        return base(model.parameters()) if rho is None else SAM(base(model.parameters()), rho)

    whole = network()
    optimizer = optimizer_of(whole)
    train(whole, optimizer, range(4))
    weights, state = copy.deepcopy(whole.state_dict()), copy.deepcopy(optimizer.state_dict())
    losses = train(whole, optimizer, range(4, 8))

    resumed = network()
    resumed.load_state_dict(weights)
    optimizer = optimizer_of(resumed)
    optimizer.load_state_dict(state)
    assert train(resumed, optimizer, range(4, 8)) == losses
    assert_same(resumed, whole)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_without_radius_sam_is_its_base(base: Any) -> None:
    plain, sharp = network(), network()
    expected = train(plain, base(plain.parameters()), range(5))
    assert train(sharp, SAM(base(sharp.parameters()), rho=0.0), range(5)) == expected
    assert_same(sharp, plain)


def test_sam_step_by_hand() -> None:
    # f = (x² + 4y²)/2 at (3, 1): gradient (3, 4), norm 5, so rho 0.5 moves to (3.3, 1.4),
    # where the gradient is (3.3, 5.6); gradient descent with lr 0.1 and L2 decay 0.01 from (3, 1).
    w = nn.Parameter(torch.tensor([3.0, 1.0], dtype=torch.float64))
    sam = SAM(torch.optim.SGD([w], lr=0.1, weight_decay=0.01), rho=0.5)
    seen = []

    def closure() -> torch.Tensor:
        sam.zero_grad()
        seen.append(w.detach().clone())
        loss = (torch.tensor([1.0, 4.0]) * w**2).sum() / 2
        loss.backward()
        return loss

    assert sam.step(closure).item() == pytest.approx(6.5)
    torch.testing.assert_close(seen[1], torch.tensor([3.3, 1.4], dtype=torch.float64))
    expected = torch.tensor([3 - 0.1 * (3.3 + 0.03), 1 - 0.1 * (5.6 + 0.01)], dtype=torch.float64)
    torch.testing.assert_close(w.detach(), expected)


def test_ascend_and_restore() -> None:
    model = network()
    unused = nn.Parameter(torch.ones(3))
    sam = SAM(torch.optim.SGD([*model.parameters(), unused], lr=0.1), rho=0.7)
    before = [p.detach().clone() for p in model.parameters()]
    model(torch.randn(4, 5)).square().sum().backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(sam.ascend(), gradient.norm())
    moved = torch.cat([(p.detach() - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    torch.testing.assert_close(moved, 0.7 * gradient / gradient.norm())
    assert torch.equal(unused, torch.ones(3))
    with pytest.raises(RuntimeError, match="twice"):
        sam.ascend()
    sam.restore()
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_a_gradient_that_is_not_finite_leaves_no_trace_in_the_weights() -> None:
    w = nn.Parameter(torch.tensor([1.0, 2.0]))
    sam = SAM(torch.optim.SGD([w], lr=0.1), rho=0.1)
    w.grad = torch.tensor([float("inf"), 1.0])
    assert sam.ascend().isinf()
    sam.restore()
    assert torch.equal(w, torch.tensor([1.0, 2.0]))


def test_a_failed_second_pass_leaves_the_weights() -> None:
    w = nn.Parameter(torch.tensor([1.0, 2.0]))
    sam = SAM(torch.optim.SGD([w], lr=0.1), rho=0.1)
    calls = []

    def closure() -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        loss = w.square().sum()
        loss.backward()
        return loss

    with pytest.raises(MemoryError):
        sam.step(closure)
    assert torch.equal(w, torch.tensor([1.0, 2.0]))


def test_both_passes_drop_the_same() -> None:
    model = network()
    sam = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1)
    masks = []

    def closure() -> torch.Tensor:
        sam.zero_grad()
        masks.append(model[2](torch.ones(100)))
        loss = model(torch.ones(5)).sum()
        loss.backward()
        return loss

    sam.step(closure)
    assert torch.equal(masks[0], masks[1])
    sam.step(closure)
    assert not torch.equal(masks[0], masks[2])


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        SAM(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1), rho=-0.1)
