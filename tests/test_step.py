"""Steps: accumulation equals the whole batch, SAM equals its definition, nothing leaks between the passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.base import Forecaster
from baselines.optimizers import KerasAdam
from benchmark.config.recipe import Training
from benchmark.data.windows import Batch, Windows
from benchmark.problems.forecasting import Forecasting
from benchmark.training.step import Program, Step, Stepper

BASE = {
    "batch_size": 8, "accumulation": 1, "epochs": 1, "patience": None, "optimizer": "adam",
    "learning_rate": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "schedule": "constant",
    "minimum_learning_rate": 0.0, "restart_period": 1, "clip_norm": None, "rho": None,
    "selection": "best_validation", "evaluation_batch": None, "precision": "float32",
}  # fmt: skip


def training(**values: object) -> Training:
    return Training.model_validate({**BASE, **values})


def problem(windows: Windows | None = None, validation: Windows | None = None, **options: Any) -> Forecasting:
    """What the loop sees; where steps are taken on batches of one's own, its windows do not matter."""
    windows = windows or Windows(torch.zeros(3, 6), torch.arange(1), 4, 2)
    return Forecasting(windows, validation or windows, options.pop("setting", training()), **options)


def stepper(model: nn.Module, values: Training) -> Stepper:
    return Stepper(model, values, problem())


def take_step(one: Stepper, micro_batches: list[Batch]) -> Step:
    """Of a training alone."""
    return Program([one]).step([micro_batches])[0]


class Net(Forecaster):
    """Small, with what can go wrong: dropout, and running statistics."""

    def __init__(self, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 2)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.BatchNorm1d(6) if norm else None
        self.masks: list[Tensor] = []

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        hidden = torch.tanh(self.first(x.transpose(1, 2)))  # [B, C, 6]
        if self.norm is not None:
            hidden = self.norm(hidden.flatten(0, 1)).view_as(hidden)
        dropped = self.dropout(hidden)
        self.masks.append((dropped == 0).detach())
        return self.second(dropped).transpose(1, 2)  # [B, 2, C]


def net(seed: int = 0, **options: object) -> Net:
    torch.manual_seed(seed)
    return Net(**options).train()  # type: ignore[arg-type]


def batches(*sizes: int) -> list[Batch]:
    random = torch.Generator().manual_seed(5)
    return [Batch(torch.randn(n, 4, 3, generator=random), torch.randn(n, 2, 3, generator=random), None) for n in sizes]


def whole(parts: list[Batch]) -> list[Batch]:
    return [Batch(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]), None)]


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("rho", [None, 0.5])
@pytest.mark.parametrize("sizes", [(8, 8, 8, 8), (8, 8, 3)])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_micro_batches_equal_the_whole_batch(rho: float | None, sizes: tuple[int, ...], clip: float | None) -> None:
    parts = batches(*sizes)
    accumulated, at_once = net(), net()
    one, other = (stepper(m, training(rho=rho, clip_norm=clip)) for m in (accumulated, at_once))
    for _ in range(3):
        first, second = take_step(one, parts), take_step(other, whole(parts))
        assert first.loss.item() == pytest.approx(second.loss.item(), rel=1e-5)
        assert first.grad_norm.item() == pytest.approx(second.grad_norm.item(), rel=1e-4)
    torch.testing.assert_close(weights(accumulated), weights(at_once), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "keras_adam"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_rho_zero_is_the_base_optimizer_bit_for_bit(optimizer: str, dropout: float) -> None:
    with_sam, without = net(dropout=dropout), net(dropout=dropout)
    one, other = stepper(with_sam, training(rho=0.0, optimizer=optimizer)), stepper(without, training(optimizer=optimizer))
    for step in range(4):
        torch.manual_seed(step)
        take_step(one, batches(5, 3))
        torch.manual_seed(step)
        take_step(other, batches(5, 3))
    assert torch.equal(weights(with_sam), weights(without))


def test_one_sam_step_against_a_hand_computation() -> None:
    """f(w) = mean((w·x − y)²) with x = 1, y = 0: f = w², g = 2w = 2 at w = 1, so w̃ = 1 + rho and g̃ = 2(1 + rho)."""

    class Scalar(Forecaster):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor(1.0))

        def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
            return self.w * x

    model = Scalar()
    steps = stepper(model, training(rho=0.25))
    outcome = take_step(steps, [Batch(torch.ones(1, 1, 1), torch.zeros(1, 1, 1), None)])
    assert outcome.loss.item() == pytest.approx(1.0)
    assert outcome.grad_norm.item() == pytest.approx(2.0)
    assert steps.optimizer.gradient[0].item() == pytest.approx(2 * 1.25, rel=1e-6)
    # Adam's first step is lr·g/(|g| + eps), whatever the gradient's size; it starts from w, not from w̃.
    assert model.w.item() == pytest.approx(1.0 - 0.01, abs=1e-6)


def test_both_passes_see_the_same_dropout_masks() -> None:
    model = net(dropout=0.5)
    take_step(stepper(model, training(rho=0.5)), batches(4, 4, 2))
    first, second = model.masks[:3], model.masks[3:]
    assert len(second) == 3
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1]), "micro-batches differ from each other"


def test_the_next_step_draws_new_masks() -> None:
    model = net(dropout=0.5)
    steps = stepper(model, training(rho=0.5))
    take_step(steps, batches(4))
    take_step(steps, batches(4))
    assert not torch.equal(model.masks[0], model.masks[2])


def test_the_second_pass_moves_no_running_statistics() -> None:
    with_sam, without = net(norm=True), net(norm=True)
    take_step(stepper(with_sam, training(rho=0.5)), batches(8))
    take_step(stepper(without, training()), batches(8))
    assert with_sam.norm is not None and without.norm is not None
    for mine, theirs in zip(with_sam.norm.buffers(), without.norm.buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_clipping_acts_once_on_the_second_gradient() -> None:
    model = net()
    steps = stepper(model, training(rho=0.5, clip_norm=1e-3))
    outcome = take_step(steps, batches(8))
    assert float(steps.optimizer.gradient.norm()) == pytest.approx(1e-3, rel=1e-3)
    assert outcome.grad_norm.item() > 1e-2, "the norm that is reported is that before clipping"


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "keras_adam"])
def test_its_optimizer_is_torchs(optimizer: str) -> None:
    """On one vector of all weights, with rates and first betas that change, through a state that is written and read."""
    values = training(optimizer=optimizer, weight_decay=0.1, eps=1e-3, clip_norm=None)
    ours, theirs = net(), net()
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "keras_adam": KerasAdam}
    decay = {} if optimizer == "keras_adam" else {"weight_decay": 0.1}
    other = kinds[optimizer](theirs.parameters(), lr=values.learning_rate, betas=values.betas, eps=1e-3, **decay)
    taken = stepper(ours, values)
    for number, batch in enumerate(batches(5, 4, 5, 3)):
        rate, beta1 = 0.01 / (number + 1), 0.9 - number / 100
        for group in other.param_groups:
            group["lr"], group["betas"] = rate, (beta1, group["betas"][1])
        other.zero_grad()
        theirs.training_loss(*batch).backward()  # type: ignore[no-untyped-call]
        other.step()
        state = {name: value.clone() if isinstance(value, Tensor) else value
                 for name, value in taken.optimizer.state_dict().items()}  # fmt: skip
        taken = stepper(ours, values)
        taken.optimizer.load_state_dict(state)
        taken.set_pace(rate, beta1, number)
        take_step(taken, [batch])
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-7)


def test_a_weight_that_the_loss_does_not_depend_on_stays() -> None:
    model = net()
    model.unused = nn.Parameter(torch.ones(3))
    taken = stepper(model, training(rho=0.5))
    take_step(taken, batches(4, 3))
    assert torch.equal(model.unused, torch.ones(3)) and not taken.optimizer.gradient.isnan().any()
    model.unused = nn.Parameter(torch.ones(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="expected to be of one kind"):
        stepper(model, training())
