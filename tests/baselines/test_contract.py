"""What every model keeps to by being registered. A new model adds one line to `SMALL`; without it this fails."""

from __future__ import annotations

import importlib
import inspect
import io
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from recipes import FORECASTERS

from baselines import MODELS, build, misfit
from baselines.arguments import REQUIRED, SCALAR
from baselines.base import ClosedForm, Forecaster

SMALL: dict[str, dict[str, Any]] = {
    "samformer": {"width": 4},
    "tsmixer": {"ff_width": 4, "dropout": 0.1},
    "samovar": {"width": 8, "heads": 2, "layers": 2},
    "fixedvar": {"width": 8, "heads": 2, "layers": 2},
    "lintrans": {"width": 8, "heads": 2, "layers": 2},
    "itransformer": {"width": 8, "heads": 2, "time_marks": True},
    "patchtst": {"width": 8, "heads": 2, "layers": 2, "ff_width": 16},
    "dlinear": {"kernel_size": 5},
    "last_value": {},
    "seasonal_naive": {"season": 7},
    "formerbaseline": {"width": 8, "heads": 2, "layers": 2, "mlp_ratio": 2, "positions": 62},
    "fits": {"period": 25, "harmonics": 2},
    "cats": {"conv": 2, "noconv": 2, "lin": 3, "emb": 2, "mlp_ratio": 2},
    "ablated": {"width": 4},
    "ridge": {},
}
"""Arguments of a small model."""

SHAPES = {"as usual": (5, 48, 12, 3), "L not a multiple of H": (4, 50, 12, 2), "one channel": (3, 48, 12, 1),
          "one window": (1, 48, 12, 3), "H longer than L": (2, 24, 30, 2)}  # fmt: skip

every_model = pytest.mark.parametrize("name", FORECASTERS)


def make(name: str, lookback: int = 48, horizon: int = 12, channels: int = 3, seed: int = 0, **more: Any) -> Forecaster:
    torch.manual_seed(seed)
    return build(name, lookback=lookback, horizon=horizon, channels=channels, **(SMALL[name] | more))


def windows(batch: int, lookback: int, horizon: int, channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x, y and marks; each window at a level and of a deviation of its own."""
    dice = torch.Generator().manual_seed(1)
    level = torch.randn(batch, 1, channels, generator=dice)
    scale = 0.5 + torch.rand(batch, 1, channels, generator=dice)
    series = level + scale * torch.randn(batch, lookback + horizon, channels, generator=dice)
    marks = torch.rand(batch, lookback, 4, generator=dice) - 0.5
    return series[:, :lookback], series[:, lookback:], marks


def ready(model: Forecaster) -> Forecaster:
    """In eval mode, no parameter at a special value, running statistics moved, fitted if it is to be."""
    x, y, marks = windows(16, 48, 12, 3)
    if isinstance(model, ClosedForm):
        model.fit([(x, y)], [(x[:4] + 0.1, y[:4])])
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
        model.train()(x, marks)
    return model.eval()


def own_window_alone(model: Forecaster) -> bool:
    """Whether forecasts follow their windows when the batch is shuffled, and stay when other windows change."""
    x, _, marks = windows(6, 48, 12, 3)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    with torch.no_grad():
        forecast = model(x, marks)
        shuffled = model(x[order], marks[order])
        changed = model(torch.cat([x[:2], 7 - 3 * x[2:]]), torch.cat([marks[:2], -marks[2:]]))
        first = model(x[:1], marks[:1])
    close = {"rtol": 1e-4, "atol": 1e-5}
    return (
        torch.allclose(shuffled, forecast[order], **close)
        and torch.allclose(changed[:2], forecast[:2], **close)
        and torch.allclose(first, forecast[:1], **close)
    )


def test_every_model_has_its_line() -> None:
    assert SMALL.keys() == FORECASTERS.keys(), "a registered model needs its line in SMALL"


@every_model
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_shapes(name: str, shape: tuple[int, int, int, int]) -> None:
    batch, lookback, horizon, channels = shape
    model = make(name, lookback, horizon, channels)
    x, y, marks = windows(*shape)
    kept = x.clone()
    for mode in (True, False):
        forecast = model.train(mode)(x, marks)
        assert forecast.shape == (batch, horizon, channels)
        assert forecast.dtype == torch.float32
        assert forecast.isfinite().all()
        assert model(x).shape == forecast.shape  # marks are optional
    loss = model.training_loss(x, y, marks)
    assert loss.shape == () and loss.isfinite()
    torch.testing.assert_close(model.mse(x, y, marks), (model(x, marks) - y).square().mean())
    assert torch.equal(x, kept)
    with pytest.raises(ValueError, match="target"):
        model.mse(x, y[:, :-1], marks)


@every_model
def test_a_forecast_depends_on_its_own_window_alone(name: str) -> None:
    model = ready(make(name))
    assert own_window_alone(model)
    x, _, marks = windows(2, 48, 12, 3)
    assert not torch.allclose(model(x, marks)[0], model(x, marks)[1])


@every_model
def test_its_arguments_are_checked_before_torch_is_imported(name: str) -> None:
    """What a plan accepts of an argument is what the model is built with."""
    info = MODELS[name]
    cls = getattr(importlib.import_module(f"baselines.{info.module}"), info.cls)
    hints = get_type_hints(cls.__init__)
    for argument, parameter in inspect.signature(cls).parameters.items():
        if argument in info.arguments:
            kind = info.arguments[argument].kind
            assert kind is not SCALAR, f"{argument}: annotate it as a Size, a Rate, a bool or a Literal"
            assert info.arguments[argument].default in (parameter.default, REQUIRED)
            words = get_args(hints[argument]) if get_origin(hints[argument]) is Literal else (parameter.default,)
            assert all(kind.fits(word) for word in words if word not in (None, parameter.empty)), argument
            assert not kind.fits("none of these")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("samovar", {"width": 36, "heads": 8}), ("itransformer", {"width": 36, "heads": 8}),
        ("patchtst", {"width": 36, "heads": 8}), ("patchtst", {"patch": 200, "stride": 8}), ("dlinear", {"kernel_size": 4}),
        ("seasonal_naive", {"season": 49}), ("formerbaseline", {"width": 36, "heads": 8}),
        ("formerbaseline", {"positions": 59}), ("fits", {"period": 24, "harmonics": 6}),
    ],
)  # fmt: skip
def test_what_a_plan_refuses_no_model_is_built_with(name: str, arguments: dict[str, Any]) -> None:
    assert misfit(48, 12, arguments)
    with pytest.raises(ValueError):
        build(name, lookback=48, horizon=12, channels=3, **arguments)
    assert all(misfit(48, 12, small) is None for small in SMALL.values())


def test_a_window_that_is_too_short_is_refused_with_its_numbers() -> None:
    short: list[tuple[str, int, int, dict[str, Any], str]] = [
        ("cats", 17, 12, {"noconv": 8}, "a look-back of 17 has no block of 24 steps"),
        ("fits", 53, 12, {"period": 24, "harmonics": 6},
         "6 harmonics of 24 steps ask for 28 frequencies, and there are 27 in a look-back of 53"),
        ("fits", 24, 30, {"period": 25, "harmonics": 3},
         "3 harmonics of 25 steps ask for 29 frequencies, and there are 28 in a look-back of 24 and a horizon of 30"),
    ]  # fmt: skip
    for name, lookback, horizon, arguments, said in short:
        assert misfit(lookback, horizon, arguments) == said
        with pytest.raises(ValueError, match=said):
            build(name, lookback=lookback, horizon=horizon, channels=2, **arguments)


@pytest.mark.parametrize("name", [name for name, info in MODELS.items() if "batch_mixed_denorm" in info.arguments])
def test_the_mixed_form_of_the_released_code_fails_that(name: str) -> None:
    mixed, plain = (ready(make(name, batch_mixed_denorm=mix)) for mix in (True, False))
    x, y, _ = windows(6, 48, 12, 3)
    plain.load_state_dict(mixed.state_dict())
    forecast = mixed(x)
    assert forecast.shape == (6, 6, 12, 3)
    torch.testing.assert_close(forecast.diagonal().permute(2, 0, 1), plain(x))
    torch.testing.assert_close(mixed.mse(x, y), (forecast - y).square().mean())
    changed = mixed(torch.cat([7 - 3 * x[:1], x[1:]]))
    assert not torch.allclose(changed[0, 1], forecast[0, 1])  # window 1's forecast on window 0's scale
    assert not own_window_alone(mixed)


@every_model
def test_the_seed_decides_the_weights(name: str) -> None:
    first, again, other = (make(name, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    if not MODELS[name].closed_form:
        assert any(not torch.equal(first[key], other[key]) for key in first)
    assert all(value.isfinite().all() for value in first.values())


@every_model
@pytest.mark.parametrize("batch", [1, 4])
def test_every_parameter_has_a_gradient(name: str, batch: int) -> None:
    model = make(name).train()
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    assert bool(trained) != MODELS[name].closed_form
    if not trained:
        return
    x, y, marks = windows(batch, 48, 12, 3)
    model.training_loss(x, y, marks).backward()
    for key, parameter in trained.items():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
        # A batch norm of one window: its variance is 0, and what comes before it does not count.
        assert parameter.grad.any() or (name == "tsmixer" and batch == 1), key


@every_model
def test_training_lowers_the_loss(name: str) -> None:
    model = make(name).train()
    if MODELS[name].closed_form:
        return
    x, y, marks = windows(8, 48, 12, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    before = model.eval().training_loss(x, y, marks).item()
    for _ in range(15):
        optimizer.zero_grad()
        model.train().training_loss(x, y, marks).backward()
        optimizer.step()
    assert model.training_loss(x, y, marks).item() < before


@every_model
def test_state_dict_round_trip(name: str) -> None:
    model, other = ready(make(name)), make(name, seed=1).eval()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x, _, marks = windows(2, 48, 12, 3)
    assert torch.equal(model(x, marks), other(x, marks))


@every_model
def test_dropout_acts_in_training_alone(name: str) -> None:
    if "dropout" not in MODELS[name].arguments:
        return
    model, (x, _, marks) = make(name, dropout=0.5), windows(3, 48, 12, 3)
    assert not torch.equal(model.train()(x, marks), model(x, marks))
    assert torch.equal(model.eval()(x, marks), model(x, marks))
    with pytest.raises(ValueError, match="dropout"):
        make(name, dropout=1.0)
