"""ASAM, GSAM and F-SAM against what the released code of each gave, and against their formulas."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_parity import GOLDEN, relative
from torch import Tensor, nn

from baselines.optimizers import ASAM, FSAM, GSAM, SAM, ASAMAll, Schedule, ScheduledGSAM, in_proportion
from baselines.released import load_released, released_optimizer

TOLERANCE = 1e-5
Arrays = dict[str, Any]


def arrays_of(file: str) -> tuple[Arrays, dict[str, Any]]:
    with np.load(GOLDEN / file) as found:
        arrays = dict(found)
    return arrays, json.loads(arrays["config"].item())


SAMFORMER, CONFIG = arrays_of("sam_variants.npz")
BATCH_NORM, CONFIG_BN = arrays_of("sam_variants_bn.npz")
RELEASED_NAMES = {
    "revin.affine_weight": "revin.weight", "revin.affine_bias": "revin.bias",
    **{f"{a}.{e}": f"{b}.{e}" for a, b in {"compute_keys": "key", "compute_queries": "query", "compute_values": "value",
                                         "linear_forecaster": "forecaster"}.items() for e in ("weight", "bias")},
}  # fmt: skip


def mlp() -> nn.Sequential:
    features, hidden, classes = CONFIG_BN["features"], CONFIG_BN["hidden"], CONFIG_BN["classes"]
    model = nn.Sequential(nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Linear(hidden, classes))
    weights = {key.removeprefix("param/"): torch.from_numpy(BATCH_NORM[key]) for key in BATCH_NORM if key[:6] == "param/"}
    model.load_state_dict(weights)
    return model.train()


def steps(model: nn.Module, optimizer: Any, losses: list[Callable[[], Tensor]], by_hand: bool) -> tuple[Any, Any, Any]:
    """What a step each on these losses does: loss before it, learning rate and rho that it runs at."""
    found = []
    for loss_of in losses:

        def closure(loss_of: Callable[[], Tensor] = loss_of) -> Tensor:
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        if by_hand and isinstance(optimizer, SAM):
            loss = closure()
            optimizer.ascend()
            closure()
            optimizer.restore()
            optimizer.base.step()
        else:
            loss = optimizer.step(closure)
        found.append((loss.item(), optimizer.param_groups[0]["lr"], getattr(optimizer, "rho", None)))
    return tuple(zip(*found, strict=True))


@pytest.mark.parametrize("by_hand", [False, True], ids=["step(closure)", "by hand"])
@pytest.mark.parametrize("variant", CONFIG["variants"])
def test_five_steps_of_samformer(variant: str, by_hand: bool) -> None:
    model = load_released(SAMFORMER).train()
    optimizer = released_optimizer(model, CONFIG | {"variant": variant})
    x, y = torch.from_numpy(SAMFORMER["step_x"]), torch.from_numpy(SAMFORMER["y"])
    losses, rates, radii = steps(model, optimizer, [lambda x=x: model.training_loss(x, y) for x in x], by_hand)
    assert relative(losses, SAMFORMER[f"{variant}/step_losses"]) < TOLERANCE
    assert rates == pytest.approx(SAMFORMER[f"{variant}/lr"], rel=1e-9)
    assert [r for r in radii if r is not None] == pytest.approx(SAMFORMER[f"{variant}/rho"], rel=1e-9)
    with torch.no_grad():
        output = model.eval()(torch.from_numpy(SAMFORMER["x"]))
    assert relative(output, SAMFORMER[f"{variant}/output_after_steps"]) < TOLERANCE
    ours = dict(model.named_parameters())
    for theirs, name in RELEASED_NAMES.items():
        if theirs not in CONFIG["noise_parameters"]:
            assert relative(ours[name].detach(), SAMFORMER[f"{variant}/param_after/{theirs}"]) < TOLERANCE, theirs


@pytest.mark.parametrize("variant", CONFIG_BN["variants"])
@pytest.mark.parametrize("once", [False, True], ids=["as released", "statistics once"])
def test_five_steps_with_batch_norm(variant: str, once: bool) -> None:
    model = mlp()
    optimizer = released_optimizer(model, CONFIG_BN["variants"][variant])
    key = "output_after_steps"
    if once and f"{variant}/output_after_steps_once" in BATCH_NORM:
        assert isinstance(optimizer, SAM)
        optimizer.model, key = model, "output_after_steps_once"
    y = torch.from_numpy(BATCH_NORM["y"])
    losses = [lambda x=x: nn.functional.cross_entropy(model(x), y) for x in torch.from_numpy(BATCH_NORM["step_x"])]
    found, _, _ = steps(model, optimizer, losses, by_hand=False)
    assert relative(found, BATCH_NORM[f"{variant}/step_losses"]) < TOLERANCE
    with torch.no_grad():
        output = copy.deepcopy(model)(torch.from_numpy(BATCH_NORM["x"]))
        evaluated = copy.deepcopy(model).eval()(torch.from_numpy(BATCH_NORM["x"]))
    assert relative(output, BATCH_NORM[f"{variant}/train_output_after_steps"]) < TOLERANCE
    assert relative(evaluated, BATCH_NORM[f"{variant}/{key}"]) < TOLERANCE


def test_the_schedules_of_gsam() -> None:
    for kind in ("linear", "cosine", "poly"):
        schedule = Schedule(kind, 20, 1.0, 0.1, warmup=4, first=0.05)  # type: ignore[arg-type]
        assert [schedule.at(call) for call in range(24)] == pytest.approx(SAMFORMER[f"schedule/{kind}"].tolist(), rel=1e-9)


def test_rho_in_proportion_to_the_rate() -> None:
    rates, radii = (1e-5, 1e-3), (0.1, 0.5)
    assert in_proportion(1e-3, rates, radii) == 0.5
    assert in_proportion(1e-5, rates, radii) == 0.1
    assert in_proportion(5.05e-4, rates, radii) == pytest.approx(0.3)
    assert in_proportion(1e-3, (1e-3, 1e-3), radii) == 0.5
    assert in_proportion(1e-6, rates, radii) == 0.1 and in_proportion(1.0, rates, radii) == 0.5
    linear = Schedule("linear", 8, 1e-3, 1e-5), Schedule("linear", 8, 0.5, 0.1)
    for call in range(9):  # a released rho that falls as its rate does is that rule
        assert in_proportion(linear[0].at(call), rates, radii) == pytest.approx(linear[1].at(call))


def test_the_prescribed_loop_is_one_step_late_and_the_paper_is_not() -> None:
    """Warm-up of 2 steps to 0.1: in the prescribed loop the first step has the full rate, and the second none."""
    for late, expected in ((True, [0.1, 0.0, 0.05, 0.1]), (False, [0.0, 0.05, 0.1, 0.075])):
        w = nn.Parameter(torch.ones(2))
        schedules = Schedule("linear", 6, 0.1, 0.0, warmup=2), Schedule("linear", 6, 0.5, 0.5)
        gsam = ScheduledGSAM(torch.optim.SGD([w], lr=0.1), *schedules, late=late)
        _, rates, radii = steps(nn.Identity(), gsam, [lambda w=w: w.square().sum()] * 4, by_hand=False)  # type: ignore[misc]
        assert rates == pytest.approx(expected) and radii[2:] == (0.5, 0.5)


def vector(values: list[float]) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


METHODS: dict[str, Callable[[Any, nn.Module, float], SAM]] = {
    "sam": lambda base, model, rho: SAM(base, rho, model=model),
    "asam": lambda base, model, rho: ASAM(base, model, rho),
    "asam_all": lambda base, model, rho: ASAMAll(base, rho, model=model),
    "gsam": lambda base, model, rho: GSAM(base, rho, model=model),
    "gsam_released": lambda base, model, rho: GSAM(base, rho, adaptive="released", model=model),
    "gsam_paper": lambda base, model, rho: GSAM(base, rho, adaptive="paper", model=model),
    "fsam": lambda base, model, rho: FSAM(base, rho, model=model),
}


def moved(method: SAM, *gradients: list[float]) -> list[float]:
    """Where the last of these gradients moves the one parameter that the method has, from where it was."""
    (w,) = method.parameters()
    for gradient in gradients:
        before = w.detach().clone()
        w.grad = torch.tensor(gradient, dtype=w.dtype)
        method.ascend()
        found = (w.detach() - before).tolist()
        method.restore()
        assert torch.equal(w.detach(), before)
    return found


def test_where_each_moves() -> None:
    """w = (2, −1), g = (3, 4), by hand: |w|g = (6, 4), w²g = (12, 4); T = |w| + 1 = (3, 2): Tg = (9, 8), T²g = (27, 16)."""

    class Named(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            setattr(self, name, vector([2.0, -1.0]))

    def of(name: str, make: Callable[[Any, nn.Module], SAM]) -> list[float]:
        model = Named(name)
        return moved(make(torch.optim.SGD(model.parameters(), lr=0.1), model), [3.0, 4.0])

    root = 52**0.5
    assert of("norm_weight", lambda base, m: ASAM(base, m, 0.5, eta=1.0)) == pytest.approx([13.5 / 145**0.5, 8 / 145**0.5])
    assert of("bias", lambda base, m: ASAM(base, m, 0.5, eta=1.0)) == pytest.approx([0.3, 0.4])
    assert of("bias", lambda base, m: ASAMAll(base, 0.5)) == pytest.approx([6 / root, 2 / root])
    assert of("bias", lambda base, m: GSAM(base, 0.5, adaptive="released")) == pytest.approx([6 / root, 2 / root])
    assert of("bias", lambda base, m: GSAM(base, 0.5, adaptive="paper")) == pytest.approx([0.6, 0.4])


def test_fsam_moves_by_what_is_not_the_mean() -> None:
    """m = (3, 4) after the first step; then u = (1, 4) − 0.5·(3, 4) = (−0.5, 2), m = 0.9·(3, 4) + 0.1·(1, 4) = (2.8, 4)."""
    w = vector([1.0, 1.0])
    fsam = FSAM(torch.optim.SGD([w], lr=0.1), rho=0.5, sigma=0.5, decay=0.9)
    assert moved(fsam, [3.0, 4.0]) == pytest.approx([0.3, 0.4])
    norm = 4.25**0.5
    assert moved(fsam, [1.0, 4.0]) == pytest.approx([-0.25 / norm, 1 / norm])
    assert fsam.memory()["0"].tolist() == pytest.approx([2.8, 4.0])


def test_the_direction_of_gsam() -> None:
    """g = (3, 4), g′ = (2, 0): cos = 0.6, v = (3, 4) − 0.6·5·(1, 0) = (0, 4), d = (2, 0) − 0.25·v = (2, −1)."""
    w, unused = vector([1.0, 1.0]), vector([5.0])
    gsam = GSAM(torch.optim.SGD([w, unused], lr=0.1), rho=0.5, alpha=0.25)
    w.grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
    gsam.ascend()
    w.grad = torch.tensor([2.0, 0.0], dtype=torch.float64)
    kept = w.grad
    gsam.restore()
    assert w.grad is kept, "in place: a loop may hold the gradient"
    torch.testing.assert_close(w.grad, torch.tensor([2.0, -1.0], dtype=torch.float64))
    assert unused.grad is None


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 2))


def train(model: nn.Module, optimizer: SAM, numbers: range, parts: int = 1) -> None:
    """A step each, on so many micro-batches; batches and dropout follow from the number alone."""
    for number in numbers:
        torch.manual_seed(1000 + number)
        x, y = torch.randn(16, 5), torch.randn(16, 2)

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            total = torch.zeros(())
            for each_x, each_y in zip(x.chunk(parts), y.chunk(parts), strict=True):
                loss = (model(each_x) - each_y).square().mean() / parts
                loss.backward()
                total += loss.detach()
            return total

        optimizer.step(closure)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("name", METHODS)
def test_resumed_it_is_the_same_to_the_bit(name: str) -> None:
    def made(model: nn.Module) -> SAM:
        return METHODS[name](torch.optim.Adam(model.parameters(), lr=1e-2), model, 0.3)

    whole = network()
    optimizer = made(whole)
    train(whole, optimizer, range(4))
    state, moments = copy.deepcopy(whole.state_dict()), copy.deepcopy(optimizer.state_dict())
    train(whole, optimizer, range(4, 8))
    resumed = network()
    resumed.load_state_dict(state)
    again = made(resumed)
    again.load_state_dict(moments)
    train(resumed, again, range(4, 8))
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("name", METHODS)
def test_micro_batches_equal_the_whole_batch(name: str) -> None:
    found = []
    for parts in (1, 4):
        model = network()
        model[1], model[3] = nn.Identity(), nn.Identity()
        train(model, METHODS[name](torch.optim.SGD(model.parameters(), lr=0.1), model, 0.3), range(3), parts)
        found.append(weights(model))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_running_statistics_move_once_a_step(name: str) -> None:
    """As those of a training at the same weights, which are not moved at all: at a learning rate of 0."""
    model, other = network(), network()
    train(model, METHODS[name](torch.optim.SGD(model.parameters(), lr=0.0), model, 0.3), range(3), parts=2)
    for number in range(3):
        torch.manual_seed(1000 + number)
        for part in torch.randn(16, 5).chunk(2):
            other(part)
    for mine, theirs in zip(model.buffers(), other.buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_without_alpha_gsam_is_sam() -> None:
    found = []
    for make in (lambda base: SAM(base, 0.3), lambda base: GSAM(base, 0.3, alpha=0.0)):
        model = network()
        train(model, make(torch.optim.Adam(model.parameters(), lr=1e-2)), range(4))
        found.append(weights(model))
    assert torch.equal(*found)


def test_what_is_refused() -> None:
    base, model = torch.optim.SGD([vector([1.0])], lr=0.1), nn.Linear(2, 1)
    for make, said in [
        (lambda: ASAM(base, model, 0.5), "1 of the optimizer's are none of the model's"),
        (lambda: ASAM(torch.optim.SGD(model.parameters(), lr=0.1), model, 0.5, eta=-1.0), "eta must not be negative"),
        (lambda: GSAM(base, 0.5, alpha=-1.0), "alpha must not be negative"),
        (lambda: GSAM(base, 0.5, adaptive="yes"), "expected adaptive no, released or paper, found 'yes'"),  # type: ignore[arg-type]
        (lambda: FSAM(base, 0.5, decay=1.5), "decay must lie from 0 to 1"),
        (lambda: FSAM(base, 0.5, sigma=-0.5), "sigma must not be negative"),
        (lambda: Schedule("linear", 4, 1.0, 0.1, warmup=4), "a warm-up of fewer calls than the 4 in all, found 4"),
        (lambda: Schedule("steps", 4, 1.0, 0.1), "linear, cosine or poly, found 'steps'"),  # type: ignore[arg-type]
        (lambda: released_optimizer(model, CONFIG), "no learning rate 'lr'; let 'variant' be one of adam, sam, "),
        (lambda: released_optimizer(model, {"lr": 1, "sharpness": "asam"}), "of asam lacks rho"),
        (lambda: released_optimizer(model, {"lr": 1, "sharpness": "esam", "rho": 1}), "no released method 'esam'"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=said):
            make()
